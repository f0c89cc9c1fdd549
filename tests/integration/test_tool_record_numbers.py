"""Numbers of the tools' records: they count within the tenant, whoever races for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core.errors import StorageUnavailable
from core.ids import CallId
from core.toolstore import ToolRecords
from storage.records.expenses import Expenses
from storage.records.tasks import Tasks
from storage.statements import Session
from tests.unit.tools.kit import ACME, SqliteToolStore, add_expense, add_task


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteToolStore]:
    store = SqliteToolStore(tmp_path / "records.db")
    with closing(store.connection):
        yield store


@pytest.mark.parametrize("add", [add_task, add_expense])
def test_numbers_count_within_the_tenant(store: SqliteToolStore, add: Any) -> None:
    def numbers(records: ToolRecords) -> list[int]:
        return [
            add(records, "a").number,
            add(records, "b", account_id="other").number,
            add(records, "c", tenant_id="rival").number,
            add(records, "d").number,
            add(records, "e", tenant_id="rival").number,
        ]

    assert store.unit(numbers) == [1, 2, 1, 3, 2]


@pytest.mark.parametrize("add", [add_task, add_expense])
def test_the_number_of_a_removed_record_is_not_given_again(store: SqliteToolStore, add: Any) -> None:
    def remove(records: ToolRecords) -> bool:
        of = records.tasks if add is add_task else records.expenses
        return of.remove(ACME, add(records, "a").number, by_call=CallId("u"))

    assert store.unit(remove)
    assert store.unit(lambda records: add(records, "b")).number == 2


@pytest.mark.parametrize("add", [add_task, add_expense])
def test_a_rolled_back_unit_leaves_nothing(store: SqliteToolStore, add: Any) -> None:
    def broken(records: ToolRecords) -> None:
        add(records, "a")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.unit(broken)
    assert store.unit(lambda records: add(records, "b")).number == 1


@pytest.mark.parametrize("add", [add_task, add_expense])
def test_racers_get_distinct_numbers_and_one_record_a_call(tmp_path: Path, add: Any) -> None:
    SqliteToolStore(path := tmp_path / "records.db").connection.close()

    def racer(which: int) -> list[tuple[str, int]]:
        mine = SqliteToolStore(path)
        with closing(mine.connection):
            # Every call is made by two racers at once.
            calls = [f"{which // 2}-{turn}" for turn in range(10)]
            return [(call, mine.unit(partial(add, call=call)).number) for call in calls]

    with ThreadPoolExecutor(8) as pool:
        got = [pair for pairs in pool.map(racer, range(8)) for pair in pairs]
    assert len(got) == 80
    assert sorted(number for _, number in set(got)) == list(range(1, 41))


class Rival:
    """A cursor before which another process always takes the next number (as PostgreSQL allows)."""

    def __init__(self, cursor: sqlite3.Cursor, *, times: int) -> None:
        self._cursor, self._left, self.tries = cursor, times, 0
        self.rowcount = 0

    def execute(self, sql: str, parameters: Any = ()) -> None:
        if sql.startswith("INSERT"):
            self.tries += 1
            if self._left:
                self._left -= 1
                return
        self._cursor.execute(sql, parameters)

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchall(self) -> Any:
        return self._cursor.fetchall()


@pytest.mark.parametrize("add", [add_task, add_expense])
def test_a_number_that_was_taken_meanwhile_is_followed_by_the_next_try(
    store: SqliteToolStore, add: Any
) -> None:
    rival = Rival(store.connection.cursor(), times=3)
    session = Session(rival, "sqlite")
    assert add(_Both(session), "a").number == 1
    assert rival.tries == 4


@pytest.mark.parametrize("add", [add_task, add_expense])
def test_no_number_at_all_is_an_error_that_allows_trying_again(store: SqliteToolStore, add: Any) -> None:
    rival = Rival(store.connection.cursor(), times=10**6)
    with pytest.raises(StorageUnavailable, match="nothing was stored, try again"):
        add(_Both(Session(rival, "sqlite")), "a")
    assert rival.tries < 100


class _Both:
    def __init__(self, session: Session) -> None:
        self.tasks, self.expenses = Tasks(session), Expenses(session)
