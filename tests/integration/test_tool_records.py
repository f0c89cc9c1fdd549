"""The tools' records in a real SQLite file: one record for each call, undo, sums, and what stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import CorruptRecord
from core.ids import CallId
from core.toolstore import Expense, Task, ToolRecords
from tests.unit.tools.kit import (
    ACME,
    ANNA,
    MAIN,
    NOW,
    SqliteToolStore,
    add_expense,
    add_task,
    open_numbers,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteToolStore]:
    store = SqliteToolStore(tmp_path / "records.db")
    with closing(store.connection):
        yield store


def test_a_task_comes_back_as_it_was_stored(store: SqliteToolStore) -> None:
    added = store.unit(lambda records: add_task(records, "a", due=date(2026, 11, 27), assignee="Tom"))
    assert added == Task(
        tenant_id=ACME,
        account_id=MAIN,
        number=1,
        call_id=CallId("a"),
        title="buy milk",
        due=date(2026, 11, 27),
        assignee="Tom",
        created_by=ANNA,
        created_at=NOW,
        completed_at=None,
        completed_by_call=None,
        removed_by_call=None,
    )
    assert store.unit(lambda records: records.tasks.get(ACME, MAIN, 1)) == added
    assert store.unit(lambda records: records.tasks.of_call(CallId("b"))) is None


def test_an_expense_comes_back_as_it_was_stored(store: SqliteToolStore) -> None:
    added = store.unit(lambda records: add_expense(records, "a", category="food"))
    assert added == Expense(
        tenant_id=ACME,
        account_id=MAIN,
        number=1,
        call_id=CallId("a"),
        amount="5.00",
        currency="EUR",
        description="tea",
        category="food",
        spent_on=date(2026, 11, 20),
        created_by=ANNA,
        created_at=NOW,
        removed_by_call=None,
    )
    assert store.unit(lambda records: records.expenses.of_call(CallId("b"))) is None


@pytest.mark.parametrize("add", [add_task, add_expense])
def test_a_repeated_call_gets_its_first_record(store: SqliteToolStore, add: Any) -> None:
    first = store.unit(lambda records: add(records, "a"))
    changed = {"title": "other"} if add is add_task else {"amount": "9.00"}
    assert store.unit(lambda records: add(records, "a", **changed)) == first
    assert store.unit(lambda records: add(records, "b")).number == 2
    assert store.unit(lambda records: add(records, "a")) == first


def test_completing_is_by_one_call(store: SqliteToolStore) -> None:
    a, b, later = CallId("a"), CallId("b"), NOW + timedelta(hours=1)
    store.unit(lambda records: add_task(records, "t"))
    assert store.unit(lambda records: records.tasks.complete(ACME, 1, by_call=a, now=NOW))
    assert store.unit(lambda records: records.tasks.complete(ACME, 1, by_call=a, now=later))
    assert not store.unit(lambda records: records.tasks.complete(ACME, 1, by_call=b, now=later))
    task = store.unit(lambda records: records.tasks.get(ACME, MAIN, 1))
    assert task is not None
    assert (task.completed_at, task.completed_by_call) == (NOW, a)
    assert open_numbers(store) == []
    assert not store.unit(lambda records: records.tasks.remove(ACME, 1, by_call=b))
    assert not store.unit(lambda records: records.tasks.reopen(ACME, 1, completed_by_call=b))
    assert store.unit(lambda records: records.tasks.reopen(ACME, 1, completed_by_call=a))
    assert not store.unit(lambda records: records.tasks.reopen(ACME, 1, completed_by_call=a))
    assert open_numbers(store) == [1]


def remove_task(records: ToolRecords, *, call: str, number: int = 1) -> bool:
    return records.tasks.remove(ACME, number, by_call=CallId(call))


def remove_expense(records: ToolRecords, *, call: str, number: int = 1) -> bool:
    return records.expenses.remove(ACME, number, by_call=CallId(call))


def test_removing_is_by_one_call_and_keeps_the_row(store: SqliteToolStore) -> None:
    a, b = CallId("a"), CallId("b")
    store.unit(lambda records: add_task(records, "t"))
    store.unit(lambda records: add_expense(records, "e"))
    for remove in (remove_task, remove_expense):
        assert store.unit(partial(remove, call="a"))
        assert store.unit(partial(remove, call="a"))
        assert not store.unit(partial(remove, call="b"))
        assert not store.unit(partial(remove, call="b", number=2))
    task = store.unit(lambda records: records.tasks.get(ACME, MAIN, 1))
    assert task is not None
    assert task.removed_by_call == a
    assert not store.unit(lambda records: records.tasks.complete(ACME, 1, by_call=b, now=NOW))
    expense = store.unit(lambda records: records.expenses.of_call(CallId("e")))
    assert expense is not None
    assert expense.removed_by_call == a
    assert store.unit(lambda records: records.expenses.recent(ACME, MAIN, limit=9)) == []
    assert store.unit(lambda records: records.expenses.totals(ACME, MAIN, since=date.min)) == {}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["EUR", "JPY"]), st.integers(1, 10**11)), max_size=30))
def test_totals_are_exact(store: SqliteToolStore, spent: list[tuple[str, int]]) -> None:
    store.connection.execute("DELETE FROM expenses")
    expected: dict[str, Decimal] = {}
    for place, (currency, minor) in enumerate(spent):
        amount = Decimal(minor).scaleb(-2)
        expected[currency] = expected.get(currency, Decimal(0)) + amount
        store.unit(partial(add_expense, call=f"c{place}", currency=currency, amount=str(amount)))
    store.unit(lambda records: add_expense(records, "old", spent_on=date(2026, 10, 31)))
    store.unit(lambda records: add_expense(records, "theirs", account_id="other"))
    totals = store.unit(lambda records: records.expenses.totals(ACME, MAIN, since=date(2026, 11, 1)))
    assert {currency: Decimal(total) for currency, total in totals.items()} == expected


@pytest.mark.parametrize(
    ("table", "column", "content"),
    [
        ("tasks", "due", "soon"),
        ("expenses", "spent_on", "late"),
        ("expenses", "amount", "much"),
        ("expenses", "amount", "NaN"),
    ],
)
def test_what_cannot_be_read_is_named_and_not_shown(
    store: SqliteToolStore, table: str, column: str, content: str
) -> None:
    store.unit(lambda records: (add_task(records, "a"), add_expense(records, "a")))
    store.connection.execute(f"UPDATE {table} SET {column} = ?", [content])

    def read(records: ToolRecords) -> None:
        records.tasks.open(ACME, MAIN, limit=9)
        records.expenses.recent(ACME, MAIN, limit=9)
        records.expenses.totals(ACME, MAIN, since=date.min)

    with pytest.raises(CorruptRecord) as caught:
        store.unit(read)
    assert (caught.value.table, caught.value.row_id, caught.value.column) == (table, "a", column)
    assert content not in caught.value.message
