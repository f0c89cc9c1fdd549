"""What a worker wrote without hearing so: the database was cut off while it committed. Whoever tries the same
again looks here first, lest it take its own step for another worker's."""

from __future__ import annotations

from collections.abc import Sequence

from core.engine.execute import started_at
from core.ids import CallId
from core.model import Attempt, Outcome, Started
from core.ports import Now, Records


def begun(records: Records, *, call_id: CallId, worker: str) -> Started | None:
    """The attempt that this worker's `start` or `begin` began; None where it was not done."""
    attempts = records.attempts.of(call_id)
    live = next((each for each in attempts if each.ended_at is None), None)
    call = records.calls.get(call_id)
    if call is None or live is None or live.worker != worker or live.adapter is None:
        return None
    return started_at(records, call, live)


def settled(
    records: Records, *, call_id: CallId, attempt: int, worker: str, now: Now
) -> Started | Outcome | None:
    """What this worker's end of this attempt led to: the call's outcome, or the next attempt; None where it
    was not done, or where a person is asked."""
    ended, following = _pair(records.attempts.of(call_id), attempt)
    if ended is None or ended.worker != worker or ended.ended_at is None:
        return None
    if following is None:
        outcome = records.outcomes.get(call_id)
        ours = outcome is not None and outcome.worker == worker and outcome.attempt_count == attempt
        return outcome if ours else None
    call = records.calls.get(call_id)
    if call is None or following.worker != worker or following.ended_at is not None:
        return None
    if following.not_before is None or following.adapter is not None:
        return started_at(records, call, following)
    left_s = (following.not_before - now.real).total_seconds()
    return started_at(records, call, following, wait_s=max(0.0, left_s))


def _pair(attempts: Sequence[Attempt], number: int) -> tuple[Attempt | None, Attempt | None]:
    numbered = {each.number: each for each in attempts}
    return numbered.get(number), numbered.get(number + 1)
