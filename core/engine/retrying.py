"""Trying an idempotent call again by itself: whether, when, and over what.

Every attempt is a row, and so is the one that waits, so that a crash in between loses neither. It is not
begun before its time, nor while its adapter is cut off or a switch stops it, nor at all where what let the
call start does not hold any more. While it is cut off no cap counts: what is cut off is tried by one probe at
a time, and calls queue rather than fail.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from core import guards
from core.adapters import Carrier, Unavailable
from core.approvals import consent_digest_of
from core.engine import breakers
from core.engine.env import Env
from core.engine.execute import again, by_whom, conclude, end_attempt, started_at
from core.engine.facts import gather
from core.engine.held import pause_words
from core.errors import Code, Refusal
from core.ids import CallId
from core.lifecycle import EXECUTING, Status
from core.model import SYSTEM, WORKER_LOST, Attempt, Outcome, Started, ToolCall
from core.ports import Now, Records
from core.switches import seconds_left
from core.tool import Retry, RunResult, Tool

_STILL: Final = (*guards.GUARDS[2:4], *guards.GUARDS[8:13])
"""What must hold of a call that was let through once: its team, policy, signatures, and no kill switch."""
STOPPED: Final = RunResult(
    status=Status.CANCELLED,
    text="",
    data=None,
    references={},
    error="Stopped while it waited to be tried again.",
    error_class="cancelled",
    duration_ms=0,
)
"""The end of an attempt that was asked to stop before it began."""
_LOOK_S: Final = 60.0
"""A call that a switch holds looks again after so long at the latest."""


def may_be_repeated(call: ToolCall, tool: Tool) -> bool:
    """Whether another attempt is harmless, and would be at what was allowed or signed."""
    same = call.definition_hash == tool.definition_hash
    return tool.idempotent and same and call.consent_digest == consent_digest_of(call)


def is_worn_out(records: Records, lost: Attempt, *, env: Env) -> bool:
    """Whether the call took so many workers with it, this one included, that a person has to look."""
    before = [each for each in records.attempts.of(lost.call_id) if each.error_class == WORKER_LOST]
    return lost.adapter is not None and len(before) + 1 >= env.resilience.lost_workers


def lose(records: Records, attempt: Attempt, *, now: Now, env: Env) -> None:
    """Ends an attempt whose worker died. One that still waited has cost the call nothing."""
    begun = attempt.adapter is not None
    error = "The worker stopped while it ran." if begun else "The worker stopped before it began."
    records.attempts.end(
        attempt.call_id,
        attempt.number,
        now=now.real,
        error=error,
        error_class=WORKER_LOST if begun else "not_begun",
        unclear=begun,
    )
    if attempt.adapter is not None:
        breakers.observe(records, attempt.adapter, ok=None, call=attempt.call_id, now=now, env=env)


def resume(
    records: Records, lost: Attempt, facts: guards.Facts, *, worker: str, now: Now, env: Env
) -> Started:
    """Another attempt after one whose worker died: begun at once where it is time and all lets it; else it
    waits for its time, and `begin` decides."""
    lose(records, lost, now=now, env=env)
    waited = lost.not_before if lost.adapter is None else None
    rest_s = 0.0 if waited is None else max(0.0, (waited - now.real).total_seconds())
    waits = rest_s > 0 or _barred(facts) is not None
    return again(records, facts.known_call, worker=worker, wait_s=rest_s if waits else None, now=now, env=env)


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
    """Begins an attempt that has waited, if all that its start asked for still holds: gives it, ready to run;
    or waiting on, where it is paused or all its adapters are cut off; else ends the call. None where it is
    not this worker's any more."""
    facts = gather(records, by=SYSTEM, call_id=call_id, env=env, judged=now.wall, real=now.real)
    call, tool = facts.call, facts.tool
    if call is None or call.status not in EXECUTING:
        return None
    waited = next((each for each in records.attempts.of(call_id) if each.number == attempt), None)
    if waited is None or waited.ended_at is not None:
        return None
    if waited.stop_by is not None:
        return stop_unbegun(records, waited, now=now, env=env)
    if tool is None or not may_be_repeated(call, tool):
        return _give_up(records, waited, "It was changed meanwhile.", now=now, env=env)
    refusal = _barred(facts)
    if refusal is not None and refusal.code is not Code.PAUSED:
        why = f"It was not tried again: {refusal.message}"
        return _give_up(records, waited, why, error_class=refusal.code.value, now=now, env=env)
    if refusal is not None or not isinstance(facts.carrier, Carrier):
        return _hold(records, waited, facts, now=now, env=env)
    breakers.take(records, facts.carrier, call, tool, now=now, env=env)
    return _begin(records, waited, call, facts.carrier, now=now, env=env)


def _begin(
    records: Records, waited: Attempt, call: ToolCall, carrier: Carrier, *, now: Now, env: Env
) -> Started | None:
    begun = records.attempts.begin(call.id, waited.number, adapter=carrier.adapter, now=now.wall)
    if begun is None:
        return None
    records.audit.append(
        "call.attempt_begun",
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        actor=SYSTEM.actor,
        call_id=call.id,
        content={"attempt": begun.number, "worker": begun.worker, **by_whom(carrier.adapter)},
        now=now.wall,
    )
    return started_at(records, call, begun)


def _barred(facts: guards.Facts) -> Refusal | None:
    """Why a call that was let through once is not let through today; None where it is."""
    try:
        guards.check(facts, _STILL)
    except Refusal as refusal:
        return refusal
    return None


def _hold(
    records: Records, waited: Attempt, facts: guards.Facts, *, now: Now, env: Env
) -> Started | Outcome | None:
    """What is paused or cut off waits on, for no longer than a call waits for a worker."""
    call, switch = facts.known_call, facts.held
    off = facts.carrier if switch is None and isinstance(facts.carrier, Unavailable) else None
    if _patience_ends(records, call, now=now, env=env):
        why = "It was paused for too long." if off is None else f"{off.adapter} did not come back in time."
        return _give_up(records, waited, why, now=now, env=env)
    held = started_at(records, call, waited)
    if off is not None:
        return replace(held, wait_s=off.retry_after_s, held=True)
    left_s = None if switch is None else seconds_left(switch, now=now.wall)
    by = "" if switch is None else pause_words(switch)
    return replace(held, wait_s=min(left_s or _LOOK_S, _LOOK_S), held=True, held_by=by)


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
    records: Records,
    waited: Attempt,
    why: str,
    *,
    error_class: str = "unavailable",
    now: Now,
    env: Env,
) -> Outcome | None:
    failed = replace(STOPPED, status=Status.FAILED, error=why, error_class=error_class)
    return _end(records, waited, failed, now=now, env=env)


def stop_unbegun(records: Records, waited: Attempt, *, now: Now, env: Env) -> Outcome | None:
    """Ends a call that was asked to stop while its next attempt waited."""
    return _end(records, waited, STOPPED, now=now, env=env)


def _end(records: Records, waited: Attempt, result: RunResult, *, now: Now, env: Env) -> Outcome | None:
    """Ends a call whose attempt is not begun. One that was begun meanwhile is its worker's to end."""
    if waited.adapter is not None:
        return None
    number = waited.number
    held = end_attempt(records, call_id=waited.call_id, attempt=number, result=result, now=now, env=env)
    return None if held is None else conclude(records, *held, result, now=now, env=env)
