"""Schedules put together: their clock, their file, and what people are told of both."""

from __future__ import annotations

from pathlib import Path

from bot.clock import SystemClock
from bot.policy_file import LOOK_EVERY_S
from bot.schedules_in_force import SchedulesInForce, Taken
from bot.telegram.render import schedule_file as render
from bot.telegram.schedules import tell, tell_admins
from bot.workers.schedules import FIRE_EVERY_S, Schedules
from bot.workers.sweeper import Sweeper
from core.engine import Env
from core.ids import TenantId
from core.ports import Now, Reader, Records, UnitOfWork


class Scheduled:
    """What is done at its times, by people's schedules and by the file's."""

    def __init__(
        self,
        path: Path | None,
        *,
        uow: UnitOfWork,
        reader: Reader,
        env: Env,
        clock: SystemClock,
        home: TenantId,
    ) -> None:
        """Reads the file; raises ConfigError where it cannot be used."""

        def told(records: Records, taken: Taken, now: Now) -> None:
            tell_admins(records, render.taken(taken), tenant=home, now=now)

        self.file = SchedulesInForce(path, uow=uow, env=env, clock=clock, home=home, tell=told)
        self.clock = Schedules(uow=uow, reader=reader, env=env, clock=clock, tell=tell)

    async def start(self, sweeper: Sweeper) -> None:
        """Brings the file's schedules in, and gives the clockwork what it is to do."""
        await self.file.start()
        sweeper.every(FIRE_EVERY_S, self.clock.fire)
        sweeper.every(LOOK_EVERY_S, self._look)

    async def _look(self) -> None:
        await self.file.look()
