"""Taking away what piles up and is of no use any more, in small transactions, while the bot runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from bot.config import Settings
from bot.logs import get_logger
from core.ports import Kept, UnitOfWork

log = get_logger(__name__)

EVERY_S: Final = 3600.0
LIMIT: Final = 500
"""Rows of one transaction: taps wait no longer for it than for each other."""
_LEAST: Final = {
    # What people were promised, or what rules still look at, is kept whatever is asked for.
    Kept.SIGNALS: timedelta(days=90),
    Kept.DEAD_LETTERS: timedelta(days=90),
    Kept.RATES: timedelta(days=32),
}


def before_of(what: Kept, *, older: timedelta, now: datetime) -> datetime:
    """Since when this must have been of no use to be taken away, where `older` is asked for."""
    return now - max(older, _LEAST.get(what, timedelta(0)))


def forget_files(folder: Path, *, before: datetime) -> int:
    """Takes away the logs of calls, and what was rotated of them, that nothing was written to since then;
    how many."""
    gone = 0
    for path in folder.glob("*.jsonl*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before.timestamp():
                path.unlink()
                gone += 1
    return gone


class Keeper:
    """Takes away hourly what the settings do not want kept any longer."""

    def __init__(self, settings: Settings, *, uow: UnitOfWork, now: Callable[[], datetime]) -> None:
        self._settings = settings.retention
        logs = settings.logging.folder
        self._calls = None if logs is None else logs / "calls"
        self._uow = uow
        self._now = now

    async def tidy(self) -> None:
        """One turn: each kind in transactions of `LIMIT` rows. Raises StorageUnavailable."""
        gone = {what.value: await self._forget(what) for what in Kept}
        if any(gone.values()):
            log.info("old records taken away", **{name: count for name, count in gone.items() if count})
        if self._settings.files and self._calls is not None:
            before = self._now() - self._settings.files
            await asyncio.to_thread(forget_files, self._calls, before=before)

    async def _forget(self, what: Kept) -> int:
        older = self._older(what)
        if not older:
            return 0
        before, gone = before_of(what, older=older, now=self._now()), 0
        while True:
            batch = await self._uow.run(
                "retention", lambda records: records.keeping.forget(what, before=before, limit=LIMIT)
            )
            gone += batch
            if batch < LIMIT:
                return gone

    def _older(self, what: Kept) -> timedelta:
        if what in (Kept.SIGNALS, Kept.DEAD_LETTERS):
            return self._settings.signals
        return self._settings.alarms if what in (Kept.ALARMS, Kept.WORKERS) else self._settings.traffic
