"""Trying an idempotent call again by itself: whether, when, and over what.

Every attempt is a row, and so is the one that waits, so that a crash in between loses neither. It is not
begun before its time, nor while its adapter is cut off. While that is so no cap counts: what is cut off is
tried by one probe at a time, and calls queue rather than fail.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from core.adapters import Unavailable
from core.approvals import consent_digest_of
from core.engine import breakers
from core.engine.env import Env
from core.engine.execute import again, by_whom, conclude, end_attempt
from core.ids import CallId
from core.lifecycle import EXECUTING, Status
from core.model import SYSTEM, Attempt, Outcome, Started, ToolCall
from core.ports import Now, Records, view
from core.tool import Retry, RunResult, Tool

WORKER_LOST: Final = "worker_lost"
"""The error class of an attempt whose worker died."""


def may_be_repeated(call: ToolCall, tool: Tool) -> bool:
    """Whether another attempt is harmless, and would be at what was allowed or signed."""
    same = call.definition_hash == tool.definition_hash
    return tool.idempotent and same and call.consent_digest == consent_digest_of(call)


def is_worn_out(records: Records, lost: Attempt, *, env: Env) -> bool:
    """Whether the call took so many workers with it, this one included, that a person has to look."""
    before = [each for each in records.attempts.of(lost.call_id) if each.error_class == WORKER_LOST]
    return lost.adapter is not None and len(before) + 1 >= env.resilience.lost_workers


def lose(records: Records, attempt: Attempt, *, now: Now) -> None:
    """Ends an attempt whose worker died. One that still waited has cost the call nothing."""
    begun = attempt.adapter is not None
    error = "The worker stopped while it ran." if begun else "The worker stopped before it began."
    records.attempts.end(
        attempt.call_id,
        attempt.number,
        now=now.real,
        error=error,
        error_class=WORKER_LOST if begun else "not_begun",
    )


def settle(
    records: Records,
    *,
    call_id: CallId,
    attempt: int,
    result: RunResult,
    backoff_s: float = 0.0,
    now: Now,
    env: Env,
) -> Started | Outcome | None:
    """Writes what became of an attempt, like `finish`; but after a transient failure that may be tried again
    the call stays `running`, and the next attempt, which waits, is given. `backoff_s` is the least wait."""
    held = end_attempt(records, call_id=call_id, attempt=attempt, result=result, now=now, env=env)
    if held is None:
        return None
    call, ended = held
    tool = env.registry.find(call.tool)
    if not result.transient or tool is None or tool.retry is None or ended.stop_by is not None:
        return conclude(records, call, ended, result, now=now, env=env)
    if not may_be_repeated(call, tool):
        return conclude(records, call, ended, result, now=now, env=env)
    least_s = max(backoff_s, result.retry_after_s or 0.0)
    wait_s, why_not = _next(records, call, tool, tool.retry, least_s=least_s, now=now, env=env)
    if wait_s is None:
        told = replace(result, error=f"{result.error} {why_not}")
        return conclude(records, call, ended, told, now=now, env=env)
    why = result.error_class or "transient"
    return again(records, call, worker=ended.worker, why=why, wait_s=wait_s, now=now, env=env)


def begin(records: Records, *, call_id: CallId, attempt: int, now: Now, env: Env) -> Started | Outcome | None:
    """Begins an attempt that has waited: gives it, ready to run; or waiting on, where all its adapters are
    cut off. None where it is not this worker's any more."""
    call = records.calls.get(call_id)
    if call is None or call.status not in EXECUTING:
        return None
    tool = env.registry.find(call.tool)
    waited = next((each for each in records.attempts.of(call_id) if each.number == attempt), None)
    if waited is None or waited.ended_at is not None:
        return None
    if tool is None or not may_be_repeated(call, tool):
        return _give_up(records, call_id, attempt, "It was changed meanwhile.", now=now, env=env)
    carrier = breakers.choose(records, call, tool, real=now.real, env=env)
    if isinstance(carrier, Unavailable):
        if _patience_ends(records, call, now=now, env=env):
            why = f"{carrier.adapter} did not come back in time."
            return _give_up(records, call_id, attempt, why, now=now, env=env)
        held = _started(records, call, waited)
        return replace(held, wait_s=carrier.retry_after_s, held=True)
    breakers.take(records, carrier, call, tool, now=now, env=env)
    begun = records.attempts.begin(call_id, attempt, adapter=carrier.adapter, now=now.wall)
    if begun is None:
        return None
    records.audit.append(
        "call.attempt_begun",
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        actor=SYSTEM.actor,
        call_id=call.id,
        content={"attempt": attempt, "worker": begun.worker, **by_whom(carrier.adapter)},
        now=now.wall,
    )
    return _started(records, call, begun)


def _started(records: Records, call: ToolCall, attempt: Attempt) -> Started:
    original = None if call.undo_of is None else records.calls.get(call.undo_of)
    seen = None if original is None else view(records, original)
    return Started(call=call, attempt=attempt, original=seen)


def _next(
    records: Records,
    call: ToolCall,
    tool: Tool,
    retry: Retry,
    *,
    least_s: float,
    now: Now,
    env: Env,
) -> tuple[float | None, str]:
    """Seconds until the next attempt, None and why where there is none."""
    carrier = breakers.choose(records, call, tool, real=now.real, env=env)
    if isinstance(carrier, Unavailable):
        if _patience_ends(records, call, now=now, env=env):
            return None, f"{carrier.adapter} did not come back in time."
        return least_s, ""
    attempts = records.attempts.of(call.id)
    if sum(each.adapter is not None for each in attempts) >= retry.attempts:
        return None, "That was its last attempt."
    if (now.wall - attempts[0].started_at).total_seconds() + least_s > retry.within_s:
        return None, f"The next attempt would be too late: all must begin within {retry.within_s:g} seconds."
    return least_s, ""


def _patience_ends(records: Records, call: ToolCall, *, now: Now, env: Env) -> bool:
    """A call does not wait for its adapter for longer than for a worker."""
    began = records.attempts.of(call.id)[0].started_at
    return now.wall - began > env.limits.start_within


def _give_up(
    records: Records, call_id: CallId, attempt: int, why: str, *, now: Now, env: Env
) -> Outcome | None:
    result = RunResult(
        status=Status.FAILED,
        text="",
        data=None,
        references={},
        error=why,
        error_class="unavailable",
        duration_ms=0,
    )
    held = end_attempt(records, call_id=call_id, attempt=attempt, result=result, now=now, env=env)
    return None if held is None else conclude(records, *held, result, now=now, env=env)
