"""What a tool needs to run in a test: its records in a real SQLite file, and a context."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import create_engine

from core.digest import Json
from core.ids import AccountId, CallId, ConversationId, PersonId, TenantId
from core.model import Channel, Role
from core.registry import validate
from core.tool import Tool, ToolContext, ToolResult
from core.toolstore import Expense, Task, ToolRecords
from storage.records.expenses import Expenses
from storage.records.tasks import Tasks
from storage.schema import metadata
from storage.statements import Session

T = TypeVar("T")

ACME, MAIN, ANNA = TenantId("acme"), AccountId("main"), PersonId("anna")
NOW = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)


@dataclass(frozen=True)
class OneTransaction:
    """Implements `core.toolstore.ToolRecords`."""

    tasks: Tasks
    expenses: Expenses


class SqliteToolStore:
    """Implements `core.toolstore.ToolStore` on one connection, without a writer thread."""

    def __init__(self, path: Path) -> None:
        engine = create_engine(f"sqlite:///{path}")
        metadata.create_all(engine, tables=[metadata.tables["tasks"], metadata.tables["expenses"]])
        engine.dispose()
        self.connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)

    def unit(self, work: Callable[[ToolRecords], T], *, begin: str = "BEGIN IMMEDIATE") -> T:
        cursor = self.connection.cursor()
        cursor.execute(begin)
        try:
            session = Session(cursor, "sqlite")
            result = work(OneTransaction(tasks=Tasks(session), expenses=Expenses(session)))
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")
        return result

    async def write(self, work: Callable[[ToolRecords], T]) -> T:
        return self.unit(work)

    async def read(self, work: Callable[[ToolRecords], T]) -> T:
        return self.unit(work, begin="BEGIN")


@dataclass
class Stop:
    """Implements `core.tool.Cancellation`: asked to stop at the n-th time it is looked at."""

    after: int | None = None
    looks: int = 0

    @property
    def requested(self) -> bool:
        self.looks += 1
        return self.after is not None and self.looks > self.after

    def on_asked(self, tell: Callable[[], None]) -> None:
        """Whoever runs the tool would be told; here nobody does."""


@dataclass
class Told:
    """Remembers the progress that a tool reported."""

    steps: list[tuple[float, str]] = field(default_factory=list)

    async def __call__(self, fraction: float, text: str) -> None:
        self.steps.append((fraction, text))


class Bench(Struct, frozen=True):
    """Runs tools as the runner would: validates, runs, and undoes by a call of its own."""

    store: SqliteToolStore
    context: ToolContext

    def at(self, **changes: Any) -> Bench:
        return replace(self, context=replace(self.context, **changes))

    async def run(self, tool: Tool, call: str = "call-1", /, **arguments: Json) -> ToolResult:
        context = replace(self.context, call_id=CallId(call))
        return await tool.run(validate(tool, arguments), context)

    async def undo(self, tool: Tool, call: str, /, *, data: Json, **arguments: Json) -> ToolResult:
        assert tool.undo is not None
        context = replace(self.context, call_id=CallId(call))
        return await tool.undo.run(validate(tool, arguments), data, context)


def context_of(store: SqliteToolStore) -> ToolContext:
    return ToolContext(
        call_id=CallId("call-1"),
        tenant_id=ACME,
        account_id=MAIN,
        conversation_id=ConversationId("chat"),
        channel=Channel.TELEGRAM,
        person_id=ANNA,
        person_name="Anna",
        roles=frozenset({Role.MEMBER}),
        timezone="Europe/Berlin",
        currency="EUR",
        idempotency_key="key",
        attempt=1,
        now=NOW,
        deadline=NOW + timedelta(seconds=30),
        progress=Told(),
        cancellation=Stop(),
        store=store,
    )


def message_of(result: ToolResult) -> str:
    """Why a tool failed; a tool that did not fail fails the test."""
    assert result.error is not None
    assert result.text == ""
    return result.error.message


def add_task(records: ToolRecords, call: str, **changes: Any) -> Task:
    values: dict[str, Any] = {"tenant_id": ACME, "account_id": MAIN, "title": "buy milk", "due": None}
    values |= {"assignee": "", "created_by": ANNA, "now": NOW} | changes
    return records.tasks.add(call_id=CallId(call), **values)


def add_expense(records: ToolRecords, call: str, **changes: Any) -> Expense:
    values: dict[str, Any] = {"tenant_id": ACME, "account_id": MAIN, "amount": "5.00", "currency": "EUR"}
    values |= {"description": "tea", "category": "", "spent_on": date(2026, 11, 20)}
    values |= {"created_by": ANNA, "now": NOW} | changes
    return records.expenses.add(call_id=CallId(call), **values)


def open_numbers(store: SqliteToolStore) -> Sequence[int]:
    return [task.number for task in store.unit(lambda records: records.tasks.open(ACME, MAIN, limit=99))]
