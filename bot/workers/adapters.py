"""Looking after adapters: their health checks, and those that are cut off for too long."""

from __future__ import annotations

import asyncio
from typing import Final

from bot.clock import SystemClock
from bot.logs import get_logger
from core.adapters import Adapter, Check
from core.engine import Env
from core.engine.breakers import is_overdue, observe, watch
from core.ports import Reader, UnitOfWork

log = get_logger(__name__)

LOOK_EVERY_S: Final = 5.0
CHECK_EVERY_S: Final = 60.0
"""How often an adapter is asked that works; one that is cut off is asked at every look."""
CHECK_TAKES_S: Final = 10.0
"""An adapter that takes longer than this to say that it works does not."""


class AdapterWatch:
    """Asks adapters whether they work, and says so where one was cut off past the limit."""

    def __init__(self, *, uow: UnitOfWork, reader: Reader, env: Env, clock: SystemClock) -> None:
        self._uow = uow
        self._reader = reader
        self._env = env
        self._clock = clock
        self._asked: dict[str, float] = {}

    async def look(self) -> None:
        """One look at all adapters."""
        real = self._clock.real()
        cut_off, overdue = await self._reader.read(
            lambda records: is_overdue(records, real=real, env=self._env)
        )
        if overdue:
            now = self._clock.both()
            await self._uow.run("breakers", lambda records: watch(records, now=now, env=self._env))
        due = [one for one in self._env.adapters.checked() if self._is_due(one, cut_off=one.name in cut_off)]
        await asyncio.gather(*(self._ask(one.name, one.check) for one in due if one.check is not None))

    def _is_due(self, adapter: Adapter, *, cut_off: bool) -> bool:
        now = asyncio.get_running_loop().time()
        due = cut_off or now - self._asked.get(adapter.name, -CHECK_EVERY_S) >= CHECK_EVERY_S
        if due:
            self._asked[adapter.name] = now
        return due

    async def _ask(self, name: str, check: Check) -> None:
        """One health check. It never raises: whatever it meets is an answer."""
        why = ""
        try:
            await asyncio.wait_for(check(), CHECK_TAKES_S)
        except Exception as error:  # noqa: BLE001 - whatever an adapter's code raises
            why = str(error).strip() or type(error).__name__
            log.warning("an adapter's health check failed", adapter=name, error=why)
        if not why and self._env.adapters.clean(name):
            return
        now = self._clock.both()
        await self._uow.run(
            "breakers",
            lambda records: observe(records, name, ok=not why, call=None, why=why, now=now, env=self._env),
        )
