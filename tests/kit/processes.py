"""Real processes for tests: copies of one that has everything imported, at a tenth of the time.

Python has one such server a process, so there is one list of what it imports: a second one would take the
place of the first, and every copy would import the product anew.
"""

from __future__ import annotations

import multiprocessing
from typing import Final

FORKED: Final = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        "pytest",
        "tests.crash.victim",
        "tests.races.crew",
        "alembic.command",
        "apscheduler.triggers.cron",
        "storage.postgresql",
        # What the product imports when it is first used: every life would pay for it anew.
        "bot.http.app",
        "bot.http.door",
        "bot.http.keys",
        "pydantic.type_adapter",
        "apscheduler.triggers.interval",
        "aiosqlite",
        "rapidfuzz.fuzz",
        "rapidfuzz.process",
        "sqlalchemy.ext.asyncio",
    ]
)
