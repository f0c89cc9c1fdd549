"""The watch: looks every few seconds whether something is wrong, and tells whom it concerns.

What calls did, what waits and who is silent is read from the records, over small indexes; how often Telegram
held us back and how often we made a mistake is counted in this process, by hooks, since its start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from bot.clock import SystemClock
from bot.machine import Machine
from bot.metrics import Metrics, Recent
from core.alarms import ASIDE_FOR, WINDOW, Facts, Finding, Happened, Kind, findings, judged
from core.engine import Env
from core.engine.alarms import Told, changes, watch
from core.ids import TenantId
from core.model import Alarm
from core.ports import Reader, Records, UnitOfWork

LOOK_EVERY_S: Final = 5.0
_SEEN_TWICE: Final = timedelta(seconds=LOOK_EVERY_S - 1)
_MEASURED: Final = frozenset({Kind.LONG_RUN, Kind.OUTBOX_STUCK})
"""What is measured by the clock on the wall while it is under way."""


class Tell(Protocol):
    """Queues the message about an alarm, in the transaction of what it tells."""

    def __call__(self, records: Records, alarm: Alarm, told: Told, *, now: datetime) -> None:
        """To everybody whom it concerns."""
        ...


class Watch:
    """Raises and clears alarms. `tell` queues the message of one, `audit` says what is wrong with the audit,
    None where that is not known."""

    def __init__(
        self,
        *,
        uow: UnitOfWork,
        reader: Reader,
        env: Env,
        clock: SystemClock,
        metrics: Metrics,
        machine: Machine,
        tell: Tell,
        audit: Callable[[], Sequence[str] | None],
    ) -> None:
        self._uow = uow
        self._reader = reader
        self._env = env
        self._clock = clock
        self._metrics = metrics
        self._machine = machine
        self._tell = tell
        self._audit = audit
        self._first: dict[tuple[TenantId | None, str, str], datetime] = {}

    async def look(self) -> None:
        """Looks at everything once. Nothing is written where nothing has changed."""
        now = self._clock.now()
        facts, live = await self._reader.read(lambda records: (self._facts(records), records.alarms.live()))
        found, may_judge = self._lasting(findings(facts)), judged(facts)
        if changes(live, found, judged=may_judge, now=now, env=self._env):
            await self._uow.run("alarms", lambda records: self._watch(records, found, may_judge, now))

    def _lasting(self, found: Sequence[Finding]) -> Sequence[Finding]:
        """Without what was not there at the last look and may be gone at the next: where the clock on the
        wall is moved on, whatever is under way seems to have taken long."""
        real = self._clock.real()
        first = {each.key: self._first.get(each.key, real) for each in found if each.kind in _MEASURED}
        self._first = first
        return [each for each in found if each.key not in first or real - first[each.key] >= _SEEN_TWICE]

    def _watch(
        self, records: Records, found: Sequence[Finding], may_judge: frozenset[Kind], now: datetime
    ) -> None:
        watch(
            records,
            found,
            judged=may_judge,
            tell=lambda records, alarm, told: self._tell(records, alarm, told, now=now),
            now=now,
            env=self._env,
        )

    def _facts(self, records: Records) -> Facts:
        now, disk = self._clock.now(), self._machine.disk()
        return Facts(
            now=now,
            real=self._clock.real(),
            wrong=records.pulse.went_wrong(since=now - WINDOW),
            running=records.pulse.running(),
            throttles=_happened(self._metrics.throttled_lately),
            handler_errors=_happened(self._metrics.handler_errors_lately),
            not_accepted=_happened(self._metrics.not_accepted_lately),
            breakers=records.breakers.all(),
            workers=records.workers.all(),
            audit=self._audit(),
            outbox=records.pulse.outbox(),
            set_aside=records.pulse.set_aside(since=now - ASIDE_FOR),
            dead_letters=records.pulse.dead_letters(),
            disk=None if disk is None else disk.used,
        )


def _happened(recent: Recent) -> Happened:
    count, since = recent.seen()
    return Happened(count=count, since=since)
