"""Looking at this process: what system_health_check reports."""

from __future__ import annotations

import asyncio
import resource
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bot.workers.executor import Executor
from core.lifecycle import Status
from core.ports import Reader
from tools.system_health_check import HealthItem, HealthReport

LOW_DISK_BYTES: Final = 200 * 1024 * 1024
SLOW_S: Final = 2.0


class Health:
    """A `HealthProbe`. What there is to look at is set by the composition when it exists."""

    def __init__(self, *, reader: Reader, folder: Path) -> None:
        self._reader = reader
        self._folder = folder
        self.executor: Executor | None = None
        self.ping_telegram: Callable[[], Awaitable[object]] | None = None

    async def __call__(self) -> HealthReport:
        """Looks at everything now; what cannot be looked at is a problem in the report."""
        items = [await self._database(), await self._queue(), self._workers(), self._disk(), _memory()]
        if self.ping_telegram is not None:
            items.append(await _timed("Telegram", self.ping_telegram()))
        return HealthReport(items=tuple(items))

    async def _database(self) -> HealthItem:
        return await _timed("database", self._reader.read(lambda records: records.outbox.chats()))

    async def _queue(self) -> HealthItem:
        try:
            waiting = await self._reader.read(lambda r: r.calls.waiting(Status.PENDING, limit=1000))
            chats = await self._reader.read(lambda r: r.outbox.chats())
        except Exception as error:  # noqa: BLE001 - as in `_timed`
            return HealthItem(name="queue", ok=False, detail=str(error) or type(error).__name__)
        detail = f"{len(waiting)} to run, messages waiting for {len(chats)} chats"
        return HealthItem(name="queue", ok=len(waiting) < 1000, detail=detail)

    def _workers(self) -> HealthItem:
        if self.executor is None:
            return HealthItem(name="worker", ok=False, detail="not started")
        return HealthItem(name="worker", ok=True, detail=f"{self.executor.running} in hand")

    def _disk(self) -> HealthItem:
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            return HealthItem(name="disk", ok=False, detail=error.strerror or str(error))
        detail = f"{free / 1024**3:.1f} GB free"
        return HealthItem(name="disk", ok=free > LOW_DISK_BYTES, detail=detail)


def _memory() -> HealthItem:
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return HealthItem(name="memory", ok=True, detail=f"{used:.0f} MB at most so far")


async def _timed(name: str, work: Awaitable[object]) -> HealthItem:
    begun = time.perf_counter()
    try:
        await asyncio.wait_for(work, 5.0)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it is what the report says
        return HealthItem(name=name, ok=False, detail=str(error) or type(error).__name__)
    seconds = time.perf_counter() - begun
    return HealthItem(name=name, ok=seconds < SLOW_S, detail=f"{seconds * 1000:.1f} ms")
