"""A worker's heartbeat: that it lives, what it has in hand, and that it has stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from msgspec.structs import replace

from bot.clock import SystemClock
from bot.logs import get_logger
from core.errors import StorageUnavailable
from core.ids import CallId
from core.model import Worker
from core.ports import Records, UnitOfWork

log = get_logger(__name__)

LONG_AGO = timedelta(days=7)
"""Workers that stopped before this are forgotten."""


class Heartbeat:
    """Tells the records of one worker. `in_hand` gives the calls that it runs; `sole`: there is no other."""

    def __init__(
        self,
        *,
        uow: UnitOfWork,
        clock: SystemClock,
        worker: str,
        sole: bool,
        in_hand: Callable[[], Sequence[CallId]],
    ) -> None:
        self._uow = uow
        self._clock = clock
        self._worker = worker
        self._sole = sole
        self._in_hand = in_hand
        self._since = clock.real()

    async def begin(self) -> None:
        """The first beat. A sole worker says of those before it that they are gone."""
        lives = self._lives()

        def work(records: Records) -> None:
            records.workers.forget(before=lives.beat_at - LONG_AGO)
            for other in records.workers.all() if self._sole else ():
                if other.stopped_at is None and other.name != self._worker:
                    records.workers.beat(replace(other, running=0, stopped_at=lives.beat_at))
            records.workers.beat(lives)

        await self._uow.run("beat", work)

    async def beat(self, lease: timedelta) -> Sequence[CallId]:
        """Says that it lives and extends its leases; the calls of its that were asked to stop."""
        lives, in_hand = self._lives(), self._in_hand()
        if not in_hand:
            await self._tell(lives)
            return ()

        def work(records: Records) -> Sequence[CallId]:
            records.workers.beat(lives)
            records.attempts.renew(self._worker, in_hand, lease_until=self._clock.real() + lease)
            return records.attempts.to_stop(self._worker)

        return await self._uow.run("renew", work)

    async def end(self) -> None:
        """Says that it has stopped: whoever misses its heartbeat knows why there is none."""
        lives = self._lives()
        try:
            await self._tell(replace(lives, running=0, stopped_at=lives.beat_at))
        except StorageUnavailable as error:
            log.warning("the worker's end could not be noted", error=str(error))

    async def _tell(self, worker: Worker) -> None:
        await self._uow.run("beat", lambda records: records.workers.beat(worker))

    def _lives(self) -> Worker:
        return Worker(
            name=self._worker,
            started_at=self._since,
            beat_at=self._clock.real(),
            running=len(self._in_hand()),
        )
