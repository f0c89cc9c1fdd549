"""Calls that take a while are told to other systems as started; of all others their end says so."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from bot.clock import SystemClock
from bot.logs import get_logger
from core.engine.signals import emit_started
from core.errors import CountersignError
from core.ids import CallId
from core.ports import Records, UnitOfWork

log = get_logger(__name__)

_REMEMBERED: Final = 1000


class Starts:
    """Puts TASK_STARTED on the stream of a call that still runs, once."""

    def __init__(self, *, uow: UnitOfWork, clock: SystemClock) -> None:
        self._uow = uow
        self._clock = clock
        self._told: OrderedDict[CallId, asyncio.Task[None]] = OrderedDict()

    def takes_long(self, call_id: CallId) -> None:
        """This call was not over at once."""
        if call_id in self._told:
            return
        self._told[call_id] = asyncio.get_running_loop().create_task(self._tell(call_id))
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)

    async def _tell(self, call_id: CallId) -> None:
        now = self._clock.now()

        def work(records: Records) -> None:
            call = records.calls.get(call_id)
            if call is not None:
                emit_started(records, call, now)

        try:
            await self._uow.run("task.started", work)
        except CountersignError as error:  # the end of the call tells it then
            log.warning("that a call runs could not be told", call_id=call_id, error=str(error))
