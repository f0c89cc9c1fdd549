"""The clock of schedules: what is due is proposed within a second."""

from __future__ import annotations

from typing import Final, Protocol

from bot.clock import SystemClock
from core.engine import Env
from core.engine.fire import Notice, fire
from core.ports import Now, Reader, Records, UnitOfWork

FIRE_EVERY_S: Final = 1.0


class Tell(Protocol):
    """Queues a notice for people, in the transaction of what it tells."""

    def __call__(self, records: Records, notice: Notice, *, now: Now, env: Env) -> None:
        """Queues it."""
        ...


class Schedules:
    """Looks beside the writer whether a schedule is due, and only then begins a transaction."""

    def __init__(self, *, uow: UnitOfWork, reader: Reader, env: Env, clock: SystemClock, tell: Tell) -> None:
        self._uow = uow
        self._reader = reader
        self._env = env
        self._clock = clock
        self._tell = tell

    async def fire(self) -> None:
        """Proposes the calls of all schedules whose time has come."""
        while await self._reader.read(lambda records: records.schedules.any_due(self._clock.now())):
            now = self._clock.both()
            await self._uow.run("schedules", lambda records: self._fire(records, now))  # noqa: B023

    def _fire(self, records: Records, now: Now) -> int:
        def tell(records: Records, notice: Notice) -> None:
            self._tell(records, notice, now=now, env=self._env)

        return fire(records, now=now, env=self._env, tell=tell)
