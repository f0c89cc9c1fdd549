"""create_expense: records money spent. The more it is, the more it asks for a signature."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Final

from msgspec import Struct
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from core.digest import Json
from core.model import Risk
from core.tool import (
    AssessContext,
    Effect,
    Preview,
    Slot,
    SlotKind,
    Tool,
    ToolContext,
    ToolInput,
    ToolResult,
    Undo,
)
from tools.fields import Line
from tools.money import Amount, Currency, exact_amount
from tools.wording import expense_text, failed, today

_CATEGORY: Final = re.compile(r"[\w-]{0,40}")


class ExpenseLimits(Struct, frozen=True, kw_only=True):
    """Up to `low` an expense is of low risk, up to `medium` of medium, above of high; both inclusive."""

    low: Decimal = Decimal(50)
    medium: Decimal = Decimal(500)

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.medium:
            raise ValueError(f"expense limits must rise from 0: low {self.low}, medium {self.medium}")


def _read_category(text: str) -> str:
    word = text.lower()
    if _CATEGORY.fullmatch(word) is None:
        raise ValueError("it should be one word of at most 40 letters, such as food")
    return word


class CreateExpenseInput(ToolInput):
    """What was paid, in which currency and what for. The currency stands first: the amount depends on it."""

    currency: Currency
    amount: Amount
    description: Line
    category: Annotated[
        str, AfterValidator(_read_category), Field(json_schema_extra={"pattern": r"^[\w-]{0,40}$"})
    ] = ""

    @field_validator("amount")
    @classmethod
    def _in_minor_units(cls, amount: Decimal, info: ValidationInfo) -> Decimal:
        currency = info.data.get("currency")  # missing where it was refused itself, which is told first
        return amount if currency is None else exact_amount(amount, currency)


async def _run(arguments: CreateExpenseInput, context: ToolContext) -> ToolResult:
    expense = await context.store.write(
        lambda records: records.expenses.add(
            tenant_id=context.tenant_id,
            account_id=context.account_id,
            call_id=context.call_id,
            amount=str(arguments.amount),
            currency=arguments.currency,
            description=arguments.description,
            category=arguments.category,
            spent_on=today(context),
            created_by=context.person_id,
            now=context.now,
        )
    )
    return ToolResult(
        text=f"Added expense #{expense.number}: {_words(arguments)}", data={"number": expense.number}
    )


async def _undo(arguments: CreateExpenseInput, data: Json, context: ToolContext) -> ToolResult:
    number: int = data["number"]
    removed = await context.store.write(
        lambda records: records.expenses.remove(context.tenant_id, number, by_call=context.call_id)
    )
    if not removed:
        return failed(f"Expense #{number} is not there any more.", "expense_not_found")
    return ToolResult(text=f"Removed expense #{number}: {_words(arguments)}", data={"number": number})


def _words(arguments: CreateExpenseInput) -> str:
    return expense_text(str(arguments.amount), arguments.currency, arguments.description, arguments.category)


def _preview(arguments: CreateExpenseInput) -> Preview:
    return Preview(title=f"Add expense of {_words(arguments)}")


def _assess(limits: ExpenseLimits) -> Callable[[CreateExpenseInput, AssessContext], Risk]:
    def assess(arguments: CreateExpenseInput, context: AssessContext) -> Risk:
        if arguments.amount > limits.medium:
            return Risk.HIGH
        foreign = arguments.currency != context.currency
        return Risk.MEDIUM if foreign or arguments.amount > limits.low else Risk.LOW

    return assess


def create_expense(limits: ExpenseLimits) -> Tool:
    """The tool, with its risk by these limits. Its result's data: {"number"}."""
    return Tool(
        name="create_expense",
        title="Add an expense",
        version="1",
        description="Records money spent: how much, in which currency and what for.",
        input=CreateExpenseInput,
        risk=Risk.LOW,
        effects=frozenset({Effect.WRITES}),
        run=_run,
        preview=_preview,
        idempotent=True,
        command="expense",
        form="{amount} {currency?} {description}",
        examples=_EXAMPLES,
        slots=_SLOTS,
        scope=("currency", "category", "amount"),
        assess=_assess(limits),
        undo=Undo(run=_undo),
    )


_EXAMPLES: Final = (
    "expense {amount} {currency?} {description}",
    "expense {amount} {currency?} for {description}",
    "expense: {amount} {currency?} {description}",
    "add expense {amount} {currency?} {description}",
    "add an expense of {amount} {currency?} for {description}",
    "new expense {amount} {currency?} {description}",
    "record an expense of {amount} {currency?} for {description}",
    "spent {amount} {currency?} on {description}",
    "i spent {amount} {currency?} on {description}",
    "spent {amount} {currency?} for {description}",
    "paid {amount} {currency?} for {description}",
    "i paid {amount} {currency?} for {description}",
    "bought {description} for {amount} {currency?}",
    "i bought {description} for {amount} {currency?}",
)
_SLOTS: Final = {
    "amount": Slot(kind=SlotKind.AMOUNT, question="How much was it?", placeholder="42.50"),
    "currency": Slot(kind=SlotKind.CURRENCY, question="In which currency?", placeholder="EUR"),
    "description": Slot(kind=SlotKind.TEXT, question="What was it for?", placeholder="Team lunch"),
    "category": Slot(kind=SlotKind.WORD, question="Which category, in one word?", placeholder="food"),
}
