"""Small tools to parse for, a fixed moment, and short ways to ask."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from core.digest import Json
from core.model import Risk
from core.parsing import Candidate, ParseContext, Understood, understand
from core.registry import ToolRegistry
from core.tool import AssessContext, Effect, Preview, Slot, SlotKind, Tool, ToolContext, ToolInput, ToolResult


class CreateTask(ToolInput):
    title: Annotated[str, Field(min_length=1, max_length=200)]
    due: date | None = None
    assignee: str | None = None


class ListTasks(ToolInput):
    pass


class CompleteTask(ToolInput):
    number: Annotated[int, Field(gt=0)]


class CreateExpense(ToolInput):
    amount: Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2)]
    currency: str
    description: Annotated[str, Field(min_length=1)]
    category: str | None = None


class ListExpenses(ToolInput):
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class Health(ToolInput):
    pass


class PrintLabel(ToolInput):
    text: Annotated[str, Field(min_length=1, max_length=80)]
    copies: Annotated[int, Field(ge=1, le=9)] = 1


class Call(ToolInput):
    url: str
    headers: dict[str, Json] = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    limit: int | None = 10


async def _run(_input: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(text="done")


def _assess(arguments: CreateExpense, _context: AssessContext) -> Risk:
    return Risk.HIGH if arguments.amount > 500 else Risk.LOW


def tool(name: str, model: type[ToolInput], **more: Any) -> Tool:
    settings: dict[str, Any] = {
        "title": name.replace("_", " ").capitalize(),
        "version": "1",
        "description": "",
        "risk": Risk.LOW,
        "effects": frozenset({Effect.WRITES}),
        "run": _run,
        "preview": lambda _input: Preview(title=name),
    }
    return Tool(name=name, input=model, **(settings | more))


_READS = frozenset({Effect.READS})

TOOLS = (
    tool(
        "create_task",
        CreateTask,
        command="task",
        form="{title}",
        examples=(
            "create task: {title}",
            "add task {title}",
            "add {title} to my list",
            "remind me to {title}",
        ),
        slots={
            "title": Slot(kind=SlotKind.TEXT, question="What is to be done?"),
            "due": Slot(kind=SlotKind.DATE),
            "assignee": Slot(kind=SlotKind.WORD),
        },
    ),
    tool(
        "list_tasks",
        ListTasks,
        command="tasks",
        effects=_READS,
        examples=("what's on my list", "list tasks", "show my tasks"),
    ),
    tool(
        "complete_task",
        CompleteTask,
        command="done",
        form="{number}",
        examples=("done with {number}", "complete task {number}"),
        slots={"number": Slot(kind=SlotKind.REFERENCE)},
    ),
    tool(
        "create_expense",
        CreateExpense,
        command="expense",
        form="{amount} {currency?} {description}",
        examples=(
            "expense {amount} {currency?} {description}",
            "i spent {amount} {currency?} on {description}",
            "book {currency?} {amount} for {description}",
        ),
        slots={
            "amount": Slot(kind=SlotKind.AMOUNT),
            "currency": Slot(kind=SlotKind.CURRENCY),
            "description": Slot(kind=SlotKind.TEXT),
            "category": Slot(kind=SlotKind.WORD),
        },
        assess=_assess,
    ),
    tool("list_expenses", ListExpenses, command="expenses", effects=_READS, examples=("show my expenses",)),
    tool(
        "system_health_check",
        Health,
        command="health",
        effects=_READS,
        examples=("how are you doing", "check system health"),
    ),
    tool(
        "print_label",
        PrintLabel,
        command="label",
        form="{text}",
        risk=Risk.HIGH,
        examples=("print label: {text}", "print a label saying {text}"),
        slots={"text": Slot(kind=SlotKind.TEXT)},
    ),
    tool("http_call", Call),
)

REGISTRY = ToolRegistry(TOOLS)
RISKY = frozenset({"create_expense", "print_label"})

# A wednesday noon in Vienna.
CONTEXT = ParseContext(
    now=datetime(2026, 11, 18, 11, 0, tzinfo=UTC), timezone="Europe/Vienna", currency="EUR"
)


def read(text: str, context: ParseContext = CONTEXT, registry: ToolRegistry = REGISTRY) -> Understood:
    return understand(text, registry=registry, context=context)


def best(text: str, context: ParseContext = CONTEXT) -> Candidate:
    return read(text, context).candidates[0]
