"""The floor: what a bare sqlite3 group-commit writer takes to write the very rows that the engine writes.

Nobody writes down by hand what those rows are. `Recording` watches the engine's own connection through one
lifecycle and keeps each statement that changed rows, with its values, apart by durable step. The floor runs
these statements again with ids of its own: no reads, no savepoints, no SQLAlchemy, no rules.
"""

from __future__ import annotations

import asyncio
import queue
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bot.bootstrap import new_id
from core.ids import CallId, short_id
from storage.sqlite import connect

GROUP: Final = 64
Values = dict[str, Any] | list[Any]
Written = tuple[str, Values]
"""A statement that changed rows, and the values that were bound to it, by name or by place."""

_CHANGES: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|WITH)\b", re.IGNORECASE)
_HEADS: Final = "audit_heads"
_HEAD: Final = re.compile(r"UPDATE audit_heads SET seq=(:\w+|\?)")
_EVENT: Final = re.compile(r"\s*INSERT INTO audit_events \((.*?)\) VALUES \((.*?)\)", re.DOTALL)


class Recording:
    """Every statement that changed rows while it was watching, in order."""

    def __init__(self) -> None:
        self._written: list[Written] = []

    def take(self) -> list[Written]:
        """What was written since the last time."""
        taken, self._written = self._written, []
        return taken

    def note(self, sql: str, values: Any) -> None:
        """Keeps one statement."""
        self._written.append((sql, dict(values) if isinstance(values, Mapping) else list(values)))


@contextmanager
def recorded() -> Iterator[Recording]:
    """Watches every SQLite connection that is opened inside this block, for as long as it lives."""
    recording, real = Recording(), sqlite3.connect

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, parameters: Any = (), /) -> Any:
            found = super().execute(sql, parameters)
            if _CHANGES.match(sql) and (self.rowcount > 0 or "RETURNING" in sql):
                recording.note(sql, parameters)
            return found

        def executemany(self, sql: str, parameters: Any, /) -> Any:
            for each in parameters:
                self.execute(sql, each)
            return self

    class Connection(sqlite3.Connection):
        def cursor(self, *_: Any, **__: Any) -> Any:
            return Cursor(self)

        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            return Cursor(self).execute(sql, parameters)  # type: ignore[no-any-return]

    def watched(*args: Any, **settings: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*args, **{**settings, "factory": Connection})
        return connection

    sqlite3.connect = watched  # type: ignore[assignment]
    try:
        yield recording
    finally:
        sqlite3.connect = real


@dataclass(frozen=True)
class Template:
    """One lifecycle as the engine wrote it: its durable steps, and what in them was its alone."""

    steps: Sequence[Sequence[Written]]
    call_id: str
    short_id: str
    key: str

    def fresh(self, seen: set[str]) -> list[list[Written]]:
        """The same lifecycle with a call id, short id and idempotency key that nobody had."""
        fresh_id = new_id()
        while short_id(CallId(fresh_id)) in seen:
            fresh_id = new_id()
        short = short_id(CallId(fresh_id))
        seen.add(short)
        key = self.key[: -len(fresh_id)] + fresh_id
        swapped = {self.call_id: fresh_id, self.short_id: short, self.key: key}
        return [[(sql, _swap(values, swapped)) for sql, values in step] for step in self.steps]


def _swap(values: Values, swapped: Mapping[str, str]) -> Values:
    def one(value: Any) -> Any:
        return swapped.get(value, value) if isinstance(value, str) else value

    if isinstance(values, dict):
        return {name: one(value) for name, value in values.items()}
    return [one(value) for value in values]


def _number_of(sql: str) -> str | int | None:
    """Under which name or place an audit event's running number, or a head's, is bound; None for other
    statements."""
    if head := _HEAD.match(sql):
        return head[1][1:] or 0
    found = _EVENT.match(sql)
    if found is None:
        return None
    columns, marks = ([each.strip() for each in part.split(",")] for part in found.groups())
    mark = marks[columns.index("seq")]
    return mark[1:] if mark.startswith(":") else columns.index("seq")


Counts = Sequence[float]
"""Of a table: its rows, the values in each of its columns, its bytes."""
_Unit = tuple[Sequence[Written], "asyncio.Future[None]"]


class Floor:
    """The bare writer: a thread, a queue, up to `GROUP` units a COMMIT, answered once it is durable.

    Of the engine's rows it makes only what cannot be made beforehand: the audit's running number. Like the
    engine, it brings a chain's head up to date once a COMMIT and not once a unit.
    """

    def __init__(self, path: Path, template: Template) -> None:
        self._path = path
        self._template = template
        self._numbers = {sql: _number_of(sql) for step in template.steps for sql, _ in step}
        with closing(connect(path)) as connection:
            self._seq: int = connection.execute("SELECT max(seq) FROM audit_events").fetchone()[0]
            self._seen = {row[0] for row in connection.execute("SELECT short_id FROM tool_calls")}
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="floor", daemon=True)
        self._thread.start()

    def prepare(self, count: int) -> list[list[list[Written]]]:
        """The rows of `count` lifecycles. Making them is no part of what the floor is timed for."""
        return [self._template.fresh(self._seen) for _ in range(count)]

    async def lifecycle(self, steps: Sequence[Sequence[Written]]) -> None:
        """One call, each step durable before the next."""
        loop = asyncio.get_running_loop()
        for step in steps:
            done: asyncio.Future[None] = loop.create_future()
            self._queue.put((step, done))
            await done

    def close(self) -> None:
        """Ends the thread; everything that was answered is committed."""
        self._queue.put(None)
        self._thread.join()

    def _main(self) -> None:
        with closing(connect(self._path)) as connection:
            cursor = connection.cursor()
            going = True
            while going:
                batch, going = self._gather()
                if batch:
                    self._answer(cursor, batch)

    def _answer(self, cursor: sqlite3.Cursor, batch: Sequence[_Unit]) -> None:
        error = None
        try:
            self._commit(cursor, batch)
        except sqlite3.Error as raised:  # a run that waits for a dead thread would never say why
            error = SystemExit(f"void: the floor could not write: {raised}")
        batch[0][1].get_loop().call_soon_threadsafe(_resolve, batch, error)

    def _gather(self) -> tuple[list[_Unit], bool]:
        batch: list[_Unit] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == GROUP or self._queue.empty():
                return batch, True
            item = self._queue.get()
        return batch, False

    def _commit(self, cursor: sqlite3.Cursor, batch: Sequence[_Unit]) -> None:
        head: Written | None = None
        cursor.execute("BEGIN IMMEDIATE")
        for written, _ in batch:
            for sql, values in written:
                if _HEADS in sql:
                    head = sql, values
                    continue
                if self._numbers[sql] is not None:
                    self._seq += 1
                    self._number(sql, values)
                cursor.execute(sql, values)
        if head is not None:
            self._number(*head)
            cursor.execute(*head)
        cursor.execute("COMMIT")

    def _number(self, sql: str, values: Any) -> None:
        values[self._numbers[sql]] = self._seq


def _resolve(batch: Sequence[_Unit], error: SystemExit | None) -> None:
    for _, done in batch:
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


def compare(engine: Path, floor: Path) -> Mapping[str, int]:
    """How many rows each table has, once it is sure that both databases have them alike: in each table as
    many rows, in each column as many values and (within a hundredth) bytes, and to each call its outcome
    and four audit rows. Ends the program otherwise."""
    ours, theirs = _filled(engine), _filled(floor)
    for table in ours | theirs:
        if not _alike(ours.get(table, ()), theirs.get(table, ())):
            raise SystemExit(f"void: of {table} the engine wrote {ours[table]}, the floor {theirs[table]}")
    for path in (engine, floor):
        _check_audited(path)
    return {table: int(counts[0]) for table, counts in ours.items() if counts[0]}


def _alike(ours: Counts, theirs: Counts) -> bool:
    """The same rows and values; the last figure, bytes, may differ a little, as numbers have more digits."""
    return ours[:-1] == theirs[:-1] and abs(ours[-1] - theirs[-1]) <= ours[-1] / 100


_UNAUDITED: Final = """
    SELECT count(*) FROM tool_calls WHERE status != 'completed'
    OR (SELECT count(*) FROM audit_events WHERE call_id = tool_calls.id) != 4
    OR (SELECT count(*) FROM outcomes WHERE call_id = tool_calls.id) != 1
"""


def _check_audited(path: Path) -> None:
    with closing(connect(path, read_only=True)) as connection:
        wrong: int = connection.execute(_UNAUDITED).fetchone()[0]
    if wrong:
        raise SystemExit(f"void: {wrong} calls in {path.name} lack their end, their outcome or an audit row")


def _filled(path: Path) -> dict[str, Counts]:
    with closing(connect(path, read_only=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        return {name: _counts(connection, name) for (name,) in tables.fetchall()}


def _counts(connection: sqlite3.Connection, table: str) -> Counts:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    counted = ", ".join(f"count({column})" for column in columns)
    size = " + ".join(f"total(length(CAST({column} AS BLOB)))" for column in columns)
    row: Counts = connection.execute(f"SELECT count(*), {counted}, {size} FROM {table}").fetchone()
    return row
