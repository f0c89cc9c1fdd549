"""The tools' own records over the writer and the reader, and waiting for a database that is held up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from bot.logs import get_logger
from core.errors import StorageUnavailable
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
        """One durable transaction."""
        return await patiently(lambda: self._uow.run("tool.write", work))

    async def read(self, work: Callable[[ToolRecords], T]) -> T:
        """One snapshot."""
        return await patiently(lambda: self._reader.read(work))
