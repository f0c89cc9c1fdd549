"""Sees pauses begin and end, also those of another process: ends them in time, and lets go what they held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from bot.clock import SystemClock
from bot.logs import get_logger
from bot.workers.sweeper import Sweeper
from core.engine import Env
from core.engine.switches import end_over
from core.errors import StorageUnavailable
from core.ids import SwitchId
from core.ports import Reader, Records, UnitOfWork

log = get_logger(__name__)

LOOK_EVERY_S: Final = 1.0
_MOVED: Final = timedelta(seconds=1)


class Pauses:
    """`released` is called when calls may start that could not before; `waits` for each chat that a message
    may wait for, since one that another process queued woke nobody."""

    def __init__(
        self,
        *,
        uow: UnitOfWork,
        reader: Reader,
        env: Env,
        clock: SystemClock,
        released: Callable[[], None],
        waits: Callable[[int], None],
    ) -> None:
        self._uow = uow
        self._reader = reader
        self._env = env
        self._clock = clock
        self._released = released
        self._waits = waits
        self._known: frozenset[SwitchId] = frozenset()
        self._ahead = clock.now() - clock.real()
        self._looking: set[asyncio.Task[None]] = set()

    def start(self, sweeper: Sweeper) -> None:
        """Looks from now on."""
        sweeper.every(LOOK_EVERY_S, self.look)

    def changed(self, _: object) -> None:
        """Something was paused or resumed in this process: looks at once."""
        task = asyncio.get_running_loop().create_task(self._look_calmly())
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def look(self) -> None:
        """Ends what is over, and acts on what changed since the last look."""
        now = self._clock.both()
        live, over = await self._reader.read(
            lambda records: (
                frozenset(each.id for each in records.switches.live(now=now.wall)),
                records.switches.over(now=now.wall),
            )
        )
        if over:
            await self._uow.run("pause.end", lambda records: end_over(records, now=now, env=self._env))
        ahead = self._clock.now() - self._clock.real()
        if self._known - live or abs(ahead - self._ahead) > _MOVED:  # rate limits live by the wall clock too
            self._released()
        if over or live != self._known:
            for chat in await self._reader.read(_chats):
                self._waits(chat)
        self._known, self._ahead = live, ahead

    async def _look_calmly(self) -> None:
        try:
            await self.look()
        except StorageUnavailable as error:
            log.warning("pauses are looked at again later", error=str(error))


def _chats(records: Records) -> Sequence[int]:
    return records.outbox.chats()
