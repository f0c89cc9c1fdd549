"""list_expenses: what was spent lately, and how much it comes to this month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from core.digest import Json
from core.model import Risk
from core.tool import Effect, Preview, Tool, ToolContext, ToolInput, ToolResult
from core.toolstore import Expense, ToolRecords
from tools.wording import day_text, expense_text, month_text, today

_SHOWN: Final = 20

_EMPTY: Final = "No expenses yet. Add one with /expense, for example: /expense 12.50 lunch"


class ListExpensesInput(ToolInput):
    """Takes nothing."""


async def _run(_: ListExpensesInput, context: ToolContext) -> ToolResult:
    now = today(context)

    def read(records: ToolRecords) -> tuple[Sequence[Expense], dict[str, str]]:
        of = context.tenant_id, context.account_id
        recent = records.expenses.recent(*of, limit=_SHOWN + 1)
        return recent, records.expenses.totals(*of, since=now.replace(day=1))

    recent, totals = await context.store.read(read)
    data = {"expenses": [_data(expense) for expense in recent[:_SHOWN]], "this_month": totals}
    return ToolResult(text=_text(recent, totals, now) if recent else _EMPTY, data=data)


def _text(recent: Sequence[Expense], totals: Mapping[str, str], now: date) -> str:
    spent = " + ".join(f"{amount} {currency}" for currency, amount in totals.items()) or "nothing spent yet"
    lines = [f"{month_text(now)}: {spent}"]
    if len(recent) > _SHOWN:
        lines.append(f"The newest {_SHOWN}:")
    lines.extend(_line(expense) for expense in recent[:_SHOWN])
    return "\n".join(lines)


def _line(expense: Expense) -> str:
    words = expense_text(expense.amount, expense.currency, expense.description, expense.category)
    return f"#{expense.number} {day_text(expense.spent_on)}: {words}"


def _data(expense: Expense) -> Json:
    return {
        "number": expense.number,
        "amount": expense.amount,
        "currency": expense.currency,
        "description": expense.description,
        "category": expense.category,
        "spent_on": expense.spent_on.isoformat(),
    }


def _preview(_: ListExpensesInput) -> Preview:
    return Preview(title="List the newest expenses")


LIST_EXPENSES: Final = Tool(
    name="list_expenses",
    title="List expenses",
    version="1",
    description="Shows the newest expenses and this month's total in each currency.",
    input=ListExpensesInput,
    risk=Risk.LOW,
    effects=frozenset({Effect.READS}),
    run=_run,
    preview=_preview,
    idempotent=True,
    command="expenses",
    examples=(
        "expenses",
        "list expenses",
        "list my expenses",
        "show expenses",
        "show my expenses",
        "show me my expenses",
        "my expenses",
        "what are my expenses",
        "what did i spend",
        "what did we spend",
        "how much did i spend",
        "how much did i spend this month",
        "how much did we spend",
        "how much did we spend this month",
    ),
)
"""Its result's data: {"expenses": [...], "this_month": {currency: amount}}."""
