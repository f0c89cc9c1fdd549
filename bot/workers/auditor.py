"""The auditor: verifies the audit as it grows, and all of it once a day."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from bot.clock import SystemClock
from bot.logs import get_logger
from core.audit import GENESIS, check_chain
from core.errors import CountersignError
from core.ids import TenantId
from core.ports import Reader

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

log = get_logger(__name__)

VerifyAll = Callable[[], Sequence[str]]
"""All that is wrong with the audit, a sentence each. Made of what another process can be given."""

VERIFY_EVERY_S: Final = 60.0
VERIFY_WHOLE_EVERY_S: Final = 3600.0
WHOLE_EVERY: Final = timedelta(days=1)
BATCH: Final = 500
MOST_BATCHES: Final = 4
"""A turn verifies no more new events than this, so that it holds up nobody; the rest is the next one's."""


class Auditor:
    """Verifies each new event within minutes, and all chains with their mirrors an hour after the start and
    then daily. `problems` is None while there is nothing to say: only what was verified as a whole holds."""

    def __init__(self, verify: VerifyAll, *, reader: Reader, clock: SystemClock) -> None:
        self._verify = verify
        self._reader = reader
        self._clock = clock
        self._heads: dict[TenantId, tuple[int, str]] | None = None
        self._whole_at: datetime | None = None
        self.problems: Sequence[str] | None = None

    async def verify_new(self) -> None:
        """Verifies what was appended since the last time. The first time it notes where the chains end."""
        heads = await self._reader.read(lambda records: records.audit.heads())
        if self._heads is None:
            self._heads = {head.tenant_id: (head.seq, head.hash) for head in heads}
            return
        for head in heads:
            await self._verify_chain(self._heads, head.tenant_id)

    async def verify_whole(self) -> None:
        """Verifies everything where that was not done for a day, or where the audit did not hold."""
        now = self._clock.real()
        if not self.problems and self._whole_at is not None and now - self._whole_at < WHOLE_EVERY:
            return
        self._whole_at = now
        found = await looked_through(self._verify)
        if isinstance(found, str):
            log.warning("the audit could not be verified", error=found)
            return
        self._tell(found)
        self.problems = found

    async def _verify_chain(self, heads: dict[TenantId, tuple[int, str]], tenant: TenantId) -> None:
        for _ in range(MOST_BATCHES):
            seq, last = heads.get(tenant, (0, GENESIS))
            events = await self._reader.read(lambda r: r.audit.after(tenant, seq, limit=BATCH))  # noqa: B023
            if not events:
                return
            found = list(check_chain(events, seq=seq, prev_hash=last))
            heads[tenant] = (events[-1].seq, events[-1].hash)
            if found:
                told = [f"{tenant}, event {each.seq}: {each.problem}." for each in found]
                self._tell(told)
                self.problems = [*(self.problems or ()), *told]

    def _tell(self, problems: Sequence[str]) -> None:
        if problems:
            log.error("the audit does not hold", problems=list(problems))


async def looked_through(verify: VerifyAll) -> list[str] | str:
    """All that is wrong with the audit, or in a text why nobody could look. A process of its own does it, at
    a low priority: this one has people to answer. Whoever stops waiting ends it."""
    from multiprocessing import get_context  # noqa: PLC0415 - needed once a day

    spawn = get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_look_through, args=(there, verify), daemon=True)
    process.start()
    there.close()
    try:
        found: list[str] | str = await asyncio.to_thread(here.recv)
    except EOFError:
        return "the process that looked was ended"
    finally:
        process.kill()
        process.join()
    return found


def _look_through(answer: Connection, verify: VerifyAll) -> None:
    os.nice(10)
    try:
        answer.send(list(verify()))
    except CountersignError as error:
        answer.send(error.message)
