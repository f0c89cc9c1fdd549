"""One adapter's breaker: closed, open, half open. Pure: what it is after something happened.

Closed, it counts failures in a row. At the threshold it opens: nothing goes through for a while. Then one
call goes through as a probe, or a health check is made. If that works the breaker closes; if it fails it
stays open for twice as long as before. All times are real ones.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from core.ids import CallId
from core.model import Breaker, BreakerState

PROBE_ASKED_S: Final = 2.0


class Thresholds(Struct, frozen=True, kw_only=True):
    """When breakers open, for how long, and when calls that wait are said to be in safe mode."""

    failures: int = 5
    open_for: timedelta = timedelta(seconds=30)
    open_at_most: timedelta = timedelta(minutes=10)
    safe_after: timedelta = timedelta(minutes=5)


def new(adapter: str, *, now: datetime) -> Breaker:
    """The breaker of an adapter that never failed."""
    return Breaker(
        adapter=adapter,
        state=BreakerState.CLOSED,
        failures=0,
        opened_at=None,
        retry_at=None,
        probe=None,
        probe_until=None,
        safe_since=None,
        changed_at=now,
        version=1,
    )


def is_clean(breaker: Breaker | None) -> bool:
    """Whether it is closed without a failure."""
    return breaker is None or (breaker.state is BreakerState.CLOSED and breaker.failures == 0)


def may_probe(breaker: Breaker, *, call: CallId | None, now: datetime) -> bool:
    """Whether this call (None: a health check) may try an adapter that is cut off: one at a time, and none
    before its time. Whoever is the probe already still is."""
    if breaker.state is BreakerState.OPEN:
        return breaker.retry_at is None or now >= breaker.retry_at
    ours = call is not None and breaker.probe == call
    return ours or breaker.probe_until is None or now >= breaker.probe_until


def waits(breaker: Breaker, *, now: datetime) -> float:
    """Seconds until it is worth asking again, 1 at least. How long a probe takes nobody knows: not long."""
    if breaker.state is BreakerState.HALF_OPEN or breaker.retry_at is None:
        return PROBE_ASKED_S
    return max(1.0, (breaker.retry_at - now).total_seconds())


def probing(breaker: Breaker, call: CallId, *, until: datetime, now: datetime) -> Breaker:
    """Half open: this call is the probe, for so long."""
    return _but(breaker, BreakerState.HALF_OPEN, now=now, probe=call, probe_until=until)


def worked(breaker: Breaker, *, call: CallId | None, now: datetime) -> Breaker:
    """After a success. What was under way when the breaker opened does not close it: its probe does."""
    if breaker.state is BreakerState.CLOSED:
        return breaker if breaker.failures == 0 else _bump(breaker, failures=0)
    return _closed(breaker, now=now) if _is_probe(breaker, call=call, now=now) else breaker


def failed(breaker: Breaker, *, call: CallId | None, now: datetime, thresholds: Thresholds) -> Breaker:
    """After a failure of the adapter."""
    if breaker.state is BreakerState.CLOSED:
        failures = breaker.failures + 1
        if failures < thresholds.failures:
            return _bump(breaker, failures=failures)
        return _open(replace(breaker, opened_at=now), failures=failures, now=now, thresholds=thresholds)
    if not _is_probe(breaker, call=call, now=now):
        return breaker
    return _open(breaker, failures=breaker.failures + 1, now=now, thresholds=thresholds)


def gave_up(breaker: Breaker, *, call: CallId, now: datetime) -> Breaker:
    """After a probe that says nothing (it was cancelled): another may be one at once."""
    if breaker.state is not BreakerState.HALF_OPEN or breaker.probe != call:
        return breaker
    return _but(breaker, BreakerState.OPEN, now=now, retry_at=now, probe=None, probe_until=None)


def queueing(breaker: Breaker, *, now: datetime) -> Breaker:
    """In safe mode: calls wait until it closes."""
    return _bump(breaker, safe_since=now)


def is_overdue(breaker: Breaker, *, now: datetime, thresholds: Thresholds) -> bool:
    """Whether it has been open past the limit, and nobody has said so yet."""
    if breaker.opened_at is None or breaker.safe_since is not None:
        return False
    return now - breaker.opened_at >= thresholds.safe_after


def _is_probe(breaker: Breaker, *, call: CallId | None, now: datetime) -> bool:
    """Whether what this call or check has found counts while the adapter is cut off."""
    if call is None:
        return may_probe(breaker, call=None, now=now)
    return breaker.state is BreakerState.HALF_OPEN and breaker.probe == call


def _open(breaker: Breaker, *, failures: int, now: datetime, thresholds: Thresholds) -> Breaker:
    doublings = min(max(0, failures - thresholds.failures), 32)  # beyond, any first time is at its longest
    wait = min(thresholds.open_for * 2**doublings, thresholds.open_at_most)
    return _but(
        breaker,
        BreakerState.OPEN,
        now=now,
        failures=failures,
        retry_at=now + wait,
        probe=None,
        probe_until=None,
    )


def _closed(breaker: Breaker, *, now: datetime) -> Breaker:
    return replace(new(breaker.adapter, now=now), version=breaker.version + 1)


def _but(breaker: Breaker, state: BreakerState, *, now: datetime, **changes: object) -> Breaker:
    return _bump(breaker, state=state, changed_at=now, **changes)


def _bump(breaker: Breaker, **changes: object) -> Breaker:
    return replace(breaker, version=breaker.version + 1, **changes)
