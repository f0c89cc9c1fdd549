"""The one writer: a thread that runs units of work and commits them in groups.

Units run one after the other, each under a savepoint of its own, up to `GROUP` of them in one durable
COMMIT. A unit's caller is answered once that COMMIT has returned, never before.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from core.errors import ConfigError, StorageUnavailable
from core.ids import NewId
from core.ports import Records
from storage.link import Backend, Link
from storage.records.all import Key, SqlRecords, Topic

T = TypeVar("T")

GROUP: Final = 64
Boundary = Callable[[str], None]
Listener = Callable[[Any], None]
_Notice = tuple[asyncio.AbstractEventLoop, Listener, Key]


class _TransactionLost(Exception):
    """A unit's error ended the transaction of its whole batch."""


@dataclass(slots=True)
class _Unit:
    name: str
    work: Callable[[Records], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Implements `core.ports.UnitOfWork` on one connection, made anew where it was lost. `alone`: no other
    process may have such a writer.

    `boundary` is told "<name>.before_commit" and "<name>.after_commit" for every unit, in the writer's
    thread: the places where a crash is worth trying.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        new_id: NewId,
        alone: bool = False,
        boundary: Boundary = lambda place: None,
    ) -> None:
        self._backend = backend
        self._expected: tuple[type[Exception], ...] = (*backend.errors, ConfigError, _TransactionLost)
        self._alone = alone
        self._link: Link | None = None
        self._new_id = new_id
        self._boundary = boundary
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._listeners: dict[str, list[tuple[asyncio.AbstractEventLoop, Listener]]] = {}
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._main, name="writer", daemon=True)

    def start(self) -> None:
        """Connects, and starts the thread. Raises ConfigError where that cannot be."""
        try:
            self._link = self._connect()
        except self._backend.errors as error:
            raise ConfigError(f"The database {self._backend.shown} cannot be opened: {error}.") from None
        self._thread.start()

    async def close(self) -> None:
        """Commits what was given so far and ends the thread. Later units raise StorageUnavailable."""
        with self._lock:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def listen(self, topic: str, listener: Listener) -> None:
        """Calls `listener(key)` in this event loop after each commit that touched `topic`, and after one of
        which nobody knows whether it was done: listeners look in the records."""
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
        return await future

    def _connect(self) -> Link:
        return self._backend.connect(alone=self._alone)

    def _main(self) -> None:
        stopping = False
        try:
            while not stopping:
                batch, stopping = self._gather()
                if batch:
                    self._commit(batch)
        except BaseException as error:
            self._abandon(error)
            raise
        finally:
            if self._link is not None:
                self._link.close()

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

    def _commit(self, batch: list[_Unit]) -> None:
        records: SqlRecords | None = None
        committing = False
        try:
            link, records = self._begin()
            for unit in batch:
                _run_unit(link, records, unit)
            records.audit.flush()
            for unit in batch:
                self._boundary(f"{unit.name}.before_commit")
            committing = True
            link.commit()
        except self._expected as error:
            unknown = self._fail(batch, error, unknown=committing)
            _answer(batch, self._notices(records.touched) if records and unknown else ())
            return
        except BaseException as error:
            for unit in batch:
                unit.error = StorageUnavailable(f"The writer stopped: {error}")
            _answer(batch)
            raise
        for unit in batch:
            self._boundary(f"{unit.name}.after_commit")
        _answer(batch, self._notices(records.touched))

    def _begin(self) -> tuple[Link, SqlRecords]:
        """A transaction, on a connection that is made anew where it was lost meanwhile."""
        if self._link is not None and self._link.lost:
            self._drop_link()
        if self._link is None:
            self._link = self._connect()
        session = self._link.begin()
        return self._link, SqlRecords(session, new_id=self._new_id)

    def _fail(self, batch: list[_Unit], error: Exception, *, unknown: bool) -> bool:
        """Tells everybody in the batch. `unknown`: it was while the database committed; where the connection
        was lost, nobody knows whether it did: then True, and whoever tries again finds out."""
        if self._link is not None:
            self._link.roll_back()
            lost = self._link.lost
            if lost:
                self._drop_link()
            unknown = unknown and lost
        what = "Whether this was done is not known" if unknown else "Nothing was changed"
        for unit in batch:
            told = f"{what}: the database cannot be written ({error})."
            unit.error = StorageUnavailable(told, unknown=unknown)
        return unknown

    def _drop_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _notices(self, touched: set[Topic]) -> list[_Notice]:
        return [
            (loop, listener, key)
            for topic, key in touched
            for loop, listener in self._listeners.get(topic, ())
        ]


def _run_unit(link: Link, records: SqlRecords, unit: _Unit) -> None:
    """Runs one unit under its savepoint. Its own exception undoes it alone; a lost transaction fails all."""
    session = records.session
    before = records.checkpoint()
    session.save()
    try:
        unit.result = unit.work(records)
        session.release()
    except Exception as error:  # whatever the work raises belongs to its caller
        if not link.in_transaction:
            raise _TransactionLost(str(error)) from error
        session.undo()
        session.release()
        records.restore(before)
        unit.error = error


def _answer(batch: Sequence[_Unit], notices: Sequence[_Notice] = ()) -> None:
    """Resolves the futures and calls the listeners, each in its own loop, which is woken once."""
    loops = {unit.loop for unit in batch} | {loop for loop, _, _ in notices}
    for loop in loops:
        if not loop.is_closed():
            told = [(listener, key) for other, listener, key in notices if other is loop]
            loop.call_soon_threadsafe(_deliver, [unit for unit in batch if unit.loop is loop], told)


def _deliver(units: Sequence[_Unit], notices: Sequence[tuple[Listener, Key]]) -> None:
    for listener, key in notices:
        listener(key)
    _resolve(units)


def _resolve(units: Sequence[_Unit]) -> None:
    for unit in units:
        if unit.future.cancelled():
            continue
        if unit.error is not None:
            unit.future.set_exception(unit.error)
        else:
            unit.future.set_result(unit.result)
