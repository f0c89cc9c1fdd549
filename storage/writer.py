"""The one writer: a thread that runs units of work and commits them in groups.

Units run one after the other, each under a savepoint of its own, up to `GROUP` of them in one durable
COMMIT. A unit's caller is answered once that COMMIT has returned, never before.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from core.errors import StorageUnavailable
from core.ids import NewId
from core.ports import Records
from storage.records.all import SqlRecords, Topic
from storage.statements import Session

T = TypeVar("T")

GROUP: Final = 64
Boundary = Callable[[str], None]
Listener = Callable[[int], None]


@dataclass(slots=True)
class _Unit:
    name: str
    work: Callable[[Records], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Implements `core.ports.UnitOfWork` on one SQLite connection.

    `boundary` is told "<name>.before_commit" and "<name>.after_commit" for every unit, in the writer's
    thread: the places where a crash is worth trying.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        *,
        new_id: NewId,
        boundary: Boundary = lambda place: None,
    ) -> None:
        self._connect = connect
        self._new_id = new_id
        self._boundary = boundary
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._listeners: dict[str, list[tuple[asyncio.AbstractEventLoop, Listener]]] = {}
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._main, name="writer", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    async def close(self) -> None:
        """Commits what was given so far and ends the thread. Later units raise StorageUnavailable."""
        with self._lock:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def listen(self, topic: str, listener: Listener) -> None:
        """Calls `listener(key)` in this event loop after each commit that touched `topic`."""
        self._listeners.setdefault(topic, []).append((asyncio.get_running_loop(), listener))

    async def run(self, name: str, work: Callable[[Records], T]) -> T:
        """Runs `work` in a durable transaction; see `core.ports.UnitOfWork.run`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._lock:
            if self._closed:
                raise StorageUnavailable("Countersign is stopping; nothing was changed. Please try again.")
            self._queue.put(_Unit(name, work, future, loop))
        # Once queued, a unit runs to its end whatever happens to its caller.
        return await asyncio.shield(future)

    def _main(self) -> None:
        stopping = False
        try:
            connection = self._connect()
            while not stopping:
                batch, stopping = self._gather()
                if batch:
                    self._commit(connection, batch)
            connection.close()
        except BaseException as error:
            self._abandon(error)
            raise

    def _gather(self) -> tuple[list[_Unit], bool]:
        batch: list[_Unit] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == GROUP or self._queue.empty():
                return batch, False
            item = self._queue.get()
        return batch, True

    def _abandon(self, error: BaseException) -> None:
        """A dead writer must not leave anybody waiting."""
        with self._lock:
            self._closed = True
        while not self._queue.empty():
            unit = self._queue.get()
            if unit is not None:
                unit.error = StorageUnavailable(f"The database cannot be written: {error}")
                _answer([unit])

    def _commit(self, connection: sqlite3.Connection, batch: list[_Unit]) -> None:
        records: SqlRecords | None = None
        try:
            connection.execute("BEGIN IMMEDIATE")
            records = SqlRecords(Session(connection.cursor(), "sqlite"), new_id=self._new_id)
            for unit in batch:
                _run_unit(connection, records, unit)
            records.audit.flush()
            for unit in batch:
                self._boundary(f"{unit.name}.before_commit")
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(connection)
            for unit in batch:
                unit.error = StorageUnavailable(
                    f"Nothing was changed: the database cannot be written ({error})."
                )
            records = None
        except BaseException as error:
            for unit in batch:
                unit.error = StorageUnavailable(f"The writer stopped: {error}")
            _answer(batch)
            raise
        for unit in batch:
            self._boundary(f"{unit.name}.after_commit")
        if records is not None:
            self._tell(records.touched)
        _answer(batch)

    def _tell(self, touched: set[Topic]) -> None:
        for topic, key in touched:
            for loop, listener in self._listeners.get(topic, ()):
                loop.call_soon_threadsafe(listener, key)


def _roll_back(connection: sqlite3.Connection) -> None:
    """Ends the transaction. Where even that fails, the next BEGIN says so to its own batch."""
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _run_unit(connection: sqlite3.Connection, records: SqlRecords, unit: _Unit) -> None:
    """Runs one unit under its savepoint. Its own exception undoes it alone; a lost transaction fails all."""
    heads, touched = records.audit.checkpoint(), set(records.touched)
    connection.execute("SAVEPOINT unit")
    try:
        unit.result = unit.work(records)
    except Exception as error:  # whatever the work raises belongs to its caller
        if not connection.in_transaction:
            raise sqlite3.OperationalError(str(error)) from error
        connection.execute("ROLLBACK TO unit")
        records.audit.restore(heads)
        records.touched = touched
        unit.error = error
    connection.execute("RELEASE unit")


def _answer(batch: list[_Unit]) -> None:
    """Resolves the futures, each in its own loop, with one call a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Unit]] = {}
    for unit in batch:
        by_loop.setdefault(unit.loop, []).append(unit)
    for loop, units in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, units)


def _resolve(units: list[_Unit]) -> None:
    for unit in units:
        if unit.future.cancelled():
            continue
        if unit.error is not None:
            unit.future.set_exception(unit.error)
        else:
            unit.future.set_result(unit.result)
