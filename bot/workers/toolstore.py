"""The tools' own records over the writer and the reader, and waiting for a database that is held up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from bot.logs import get_logger
from core.errors import StorageUnavailable, ToolError
from core.ports import Reader, UnitOfWork
from core.toolstore import ToolRecords

log = get_logger(__name__)

T = TypeVar("T")

RETRY_S: Final = 1.0


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Does it as soon as the database lets it."""
    while True:
        try:
            return await work()
        except StorageUnavailable as error:
            log.warning("the executor waits for the database", error=str(error))
            await asyncio.sleep(RETRY_S)


class RecordsToolStore:
    """Implements `core.toolstore.ToolStore` over the writer and the reader. While there is no database it
    waits, no longer than its tool may: a write that is tried again finds what it may have written before."""

    def __init__(self, uow: UnitOfWork, reader: Reader) -> None:
        self._uow = uow
        self._reader = reader

    async def write(self, work: Callable[[ToolRecords], T]) -> T:
        """One durable transaction. A tool that is stopped over it is stopped before it, with nothing written;
        where it had begun by then, ToolError says that what it writes may be there."""
        unit = _Write(self._uow, work)
        try:
            return await patiently(unit.once)
        except asyncio.CancelledError:
            if unit.drop():
                raise
            with suppress(asyncio.CancelledError, StorageUnavailable):
                await self._uow.run("tool.write", _nothing)  # units end in their order: so it has ended then
            if unit.drop():
                raise
            raise ToolError(
                "It was stopped while it wrote, and what it wrote may be there.",
                error_class="stopped_writing",
                unclear=True,
            ) from None

    async def read(self, work: Callable[[ToolRecords], T]) -> T:
        """One snapshot."""
        return await patiently(lambda: self._reader.read(work))


class _Write(Generic[T]):
    """One write of a tool, tried until it counts: it has begun, or was dropped and never will."""

    def __init__(self, uow: UnitOfWork, work: Callable[[ToolRecords], T]) -> None:
        self._uow = uow
        self._work = work
        self._lock = threading.Lock()
        self._begun = self._dropped = self._unknown = False

    async def once(self) -> T:
        """Tries it once."""
        try:
            return await self._uow.run("tool.write", self._write)
        except StorageUnavailable as error:
            self._unknown |= error.unknown
            self._begun = self._unknown
            raise

    def drop(self) -> bool:
        """Whether nothing of it is written, and nothing will be."""
        with self._lock:
            self._dropped = not self._begun
            return self._dropped

    def _write(self, records: ToolRecords) -> T:
        """In the writer's thread."""
        with self._lock:
            if self._dropped:
                raise StorageUnavailable("Nothing was written: the tool was stopped before.")
            self._begun = True
        try:
            return self._work(records)
        except Exception:
            self._begun = self._unknown  # undone alone
            raise


def _nothing(_records: ToolRecords) -> None:
    """Writes nothing."""
