"""How the steps of a run follow one another: which may start, and which end because another one did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from msgspec.structs import replace

from core.engine.readable import readable, set_aside
from core.engine.signals import emit
from core.errors import Code, CorruptRecord, Refusal
from core.ids import RunId
from core.lifecycle import ENDS, EXECUTING, Status
from core.model import SYSTEM, OnFailure, Principal, Run, SignalKind, StartMode, ToolCall
from core.ports import Records

_DAY: Final = timedelta(days=1)
_LEFT: Final = ENDS - {Status.COMPLETED}
"""How a step ends without having done what others may need."""
_WORDS: Final = {
    Status.FAILED: "failed",
    Status.TIMED_OUT: "took too long",
    Status.CANCELLED: "was cancelled",
    Status.DENIED: "was denied",
    Status.EXPIRED: "expired",
}


class End(Protocol):
    """`core.engine.change.end_unrun`, which calls `follow` in its turn."""

    def __call__(
        self,
        records: Records,
        call: ToolCall,
        to: Status,
        *,
        by: Principal,
        now: datetime,
        error: str,
        error_class: str,
    ) -> ToolCall:
        """Ends a call that never ran."""
        ...


def follow(records: Records, moved: ToolCall, *, end: End, now: datetime) -> None:
    """In the transaction in which a step moved on: ends the steps that cannot run any more, and gives those
    that are ready to the workers. Of a run that cannot be read nothing starts any more."""
    if moved.run_id is None:
        return
    try:
        run, calls = records.runs.get(moved.run_id), list(records.runs.calls(moved.run_id))
    except CorruptRecord as corrupt:
        set_aside(records, corrupt, now=now)
        _end_signed(records, moved.run_id, end=end, now=now)
        return
    if run is None or len(calls) < run.steps:
        return  # it is being proposed: the last step's turn comes when all are there
    if all(call.status in ENDS for call in calls):
        emit(records, SignalKind.EXECUTION_FINISHED, run, now)
        return
    for call in calls:
        why = hopeless(run, call, calls)
        if why:
            end(records, call, Status.CANCELLED, by=SYSTEM, now=now, error=why, error_class="run_stopped")
            return  # that end has come here as well, for the rest
    for place, call in enumerate(calls):
        if _held_back(call) and not waits_for(run, call, calls):
            calls[place] = _release(records, call, now=now)


def _end_signed(records: Records, run_id: RunId, *, end: End, now: datetime) -> None:
    """Nobody can tell any more what these steps wait for, and their time does not run: they would wait for
    ever. What is not signed yet expires by itself."""
    for call_id in records.runs.steps(run_id):
        call = readable(records, call_id, now=now)
        if call is not None and call.status is Status.PENDING:
            why = "Its run cannot be read any more, so this step was not run."
            end(records, call, Status.CANCELLED, by=SYSTEM, now=now, error=why, error_class="run_stopped")
            return  # that end has come here as well, for the rest


def hopeless(run: Run, call: ToolCall, calls: Sequence[ToolCall]) -> str:
    """Why this step will never run, though nobody has said so of it yet; "" where it may."""
    if call.status not in {Status.PROPOSED, Status.PENDING} or call.step is None:
        return ""
    needed = run.needs.get(call.step, ())
    stops = run.on_failure is OnFailure.STOP
    for other in calls:
        concerns = other.step in needed or (stops and other.step is not None and other.step < call.step)
        if concerns and other.status in _LEFT:
            return f"Step {other.step} {_WORDS[other.status]}, so this one was not run."
    return ""


def waits_for(run: Run, call: ToolCall, calls: Sequence[ToolCall]) -> tuple[int, ...]:
    """The steps that this one waits for: those that it needs and that have not completed, earlier ones that
    are on their way, and any whose end nobody saw."""
    needed = run.needs.get(call.step or 0, ())
    return tuple(
        other.step
        for other in calls
        if other.step is not None
        and other.step != call.step
        and (
            (other.step in needed and other.status is not Status.COMPLETED)
            or (other.step < (call.step or 0) and _on_its_way(other))
            or other.status is Status.INTERRUPTED
        )
    )


def check_ready(records: Records, call: ToolCall) -> None:
    """Nothing starts before the steps that it needs have completed. Raises Refusal `not_pending` with the
    number of the first that has not, CorruptRecord."""
    if call.run_id is None:
        return
    run, calls = records.runs.get(call.run_id), records.runs.calls(call.run_id)
    if run is None:
        raise CorruptRecord("tool_calls", call.id, "run_id")
    needed = run.needs.get(call.step or 0, ())
    missing = any(other.step in needed and other.status is not Status.COMPLETED for other in calls)
    if not missing and not _held_back(call):
        return
    before = [f"step {number}" for number in waits_for(run, call, calls)]
    raise Refusal(
        Code.NOT_PENDING,
        f"Call #{call.short_id} is step {call.step} of a run and waits for {(before or ['its turn'])[0]}.",
        current_status=call.status.value,
    )


def is_last(records: Records, call: ToolCall) -> bool:
    """Whether no other step of its run is open any more; true of a call that is no step."""
    if call.run_id is None:
        return True
    try:
        return all(other.status in ENDS for other in records.runs.calls(call.run_id) if other.id != call.id)
    except CorruptRecord:
        return True  # better told of by itself than never


def _held_back(call: ToolCall) -> bool:
    return call.status is Status.PENDING and call.start_mode is StartMode.AFTER


def _on_its_way(call: ToolCall) -> bool:
    """Whether a worker has it, or will take it: what comes later in its run waits for its end."""
    return call.status in EXECUTING or (call.status is Status.PENDING and not _held_back(call))


def _release(records: Records, call: ToolCall, *, now: datetime) -> ToolCall:
    """Gives a step to the workers. Its time to be started begins anew: it could not have been before."""
    within = _DAY if call.start_by is None else call.start_by - call.changed_at
    after = replace(
        call, start_mode=StartMode.AUTO, start_by=now + within, version=call.version + 1, changed_at=now
    )
    if not records.calls.advance(call, after):
        return call
    records.audit.append(
        "call.ready",
        tenant_id=after.tenant_id,
        account_id=after.account_id,
        actor=SYSTEM.actor,
        call_id=after.id,
        content={"run": after.run_id, "step": after.step},
        now=now,
    )
    records.outbox.card(after)
    return after
