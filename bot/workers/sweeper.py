"""The clockwork: what happens by itself as time passes. APScheduler is the clock and nothing more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.clock import SystemClock
from bot.logs import get_logger
from bot.workers.executor import RENEW_EVERY_S, Executor
from core.engine import Env, expire, remind
from core.errors import StorageUnavailable
from core.ports import Reader, UnitOfWork

log = get_logger(__name__)

EXPIRE_EVERY_S: Final = 1.0


class Sweeper:
    """Expires calls and reminds of them, renews leases, finds dead workers' calls, and runs what it is given
    daily."""

    def __init__(
        self, *, uow: UnitOfWork, reader: Reader, env: Env, clock: SystemClock, executor: Executor
    ) -> None:
        self._uow = uow
        self._reader = reader
        self._env = env
        self._clock = clock
        self._executor = executor
        self._scheduler = AsyncIOScheduler(timezone="UTC")

    def start(self, *, daily: Callable[[], Awaitable[None]] | None = None) -> None:
        """Starts the clockwork in the running loop."""
        self.every(EXPIRE_EVERY_S, self.expire)
        self.every(EXPIRE_EVERY_S, self.remind)
        self.every(RENEW_EVERY_S, self._executor.beat)
        self.every(RENEW_EVERY_S, self._executor.recover)
        if daily is not None:
            self._scheduler.add_job(_calm(daily), "cron", hour=6, misfire_grace_time=3600, coalesce=True)
        self._scheduler.start()

    def stop(self) -> None:
        """Stops the clockwork."""
        self._scheduler.shutdown(wait=False)

    async def expire(self) -> None:
        """Ends what nobody decided, or nobody started, in time."""
        while await self._reader.read(lambda records: records.calls.due(self._clock.now(), limit=1)):
            now = self._clock.both()
            await self._uow.run("expire", lambda records: expire(records, now=now, env=self._env))  # noqa: B023

    async def remind(self) -> None:
        """Reminds of what waits for a signature, and asks others where that did not help."""
        while await self._reader.read(lambda records: records.reminders.due(self._clock.now(), limit=1)):
            now = self._clock.both()
            await self._uow.run("remind", lambda records: remind(records, now=now, env=self._env))  # noqa: B023

    def every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Does it so often, one turn at a time; a database that is held up is no error."""
        self._scheduler.add_job(
            _calm(work), "interval", seconds=seconds, max_instances=1, coalesce=True, misfire_grace_time=None
        )


def _calm(work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """A database that is held up is a warning; the next turn tries again."""

    async def run() -> None:
        try:
            await work()
        except StorageUnavailable as error:
            log.warning("the clockwork waits for the database", error=str(error))

    return run
