"""Changing a call: one function steps its status, and tells the audit and the cards in the same breath."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from core.digest import Json
from core.engine.readable import readable
from core.engine.signals import emit_end
from core.engine.steps import follow, is_last
from core.errors import Code, Refusal
from core.ids import PersonId
from core.lifecycle import ENDS, Status, advance, in_words
from core.model import Channel, Outcome, PolicyDecision, Principal, ToolCall
from core.ports import Records


def step(
    records: Records,
    call: ToolCall,
    to: Status,
    *,
    by: Principal,
    now: datetime,
    content: Mapping[str, Json] | None = None,
    **changes: Any,
) -> ToolCall:
    """Moves the call to `to` by the one conditional update, with its audit event and its cards.

    Raises IllegalTransition for a step the table lacks, Refusal `not_pending` where another was faster.
    """
    after = replace(
        call, status=advance(call.status, to), version=call.version + 1, changed_at=now, **changes
    )
    _write(records, call, after)
    emit_end(records, call, after, now)  # before what may follow from it: a run's end comes after its steps'
    tell(records, after, to.value, by=by, now=now, content=content)
    if after.run_id is None:
        return after
    return records.calls.get(after.id) or after  # as a step of a run it may have been given to the workers


def amend(
    records: Records,
    call: ToolCall,
    kind: str,
    *,
    by: Principal,
    now: datetime,
    content: Mapping[str, Json] | None = None,
    **changes: Any,
) -> ToolCall:
    """Changes a call that stays where it stands, by the same conditional update as a step, and tells of it.

    Raises Refusal `not_pending` where another was faster.
    """
    after = replace(call, version=call.version + 1, changed_at=now, **changes)
    _write(records, call, after)
    tell(records, after, kind, by=by, now=now, content=content)
    return after


def _write(records: Records, call: ToolCall, after: ToolCall) -> None:
    if not records.calls.advance(call, after):
        latest = records.calls.get(call.id) or call
        raise Refusal(
            Code.NOT_PENDING,
            f"Call #{call.short_id} {in_words(latest.status)}.",
            current_status=latest.status.value,
        )


def tell(
    records: Records,
    call: ToolCall,
    kind: str,
    *,
    by: Principal,
    now: datetime,
    content: Mapping[str, Json] | None = None,
) -> None:
    """Appends the call's audit event and brings its cards up to date."""
    records.audit.append(
        f"call.{kind}",
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        actor=by.actor,
        call_id=call.id,
        content={"revision": call.revision, "channel": by.channel.value, **(content or {})},
        now=now,
    )
    if call.status is Status.RUNNING:
        return  # most calls end before anybody could read that; the worker shows it where it takes longer
    records.outbox.card(call)
    if call.undo_of is not None:
        # Where it cannot be read it is set aside: a sweep over many calls must not stop at this one.
        original = readable(records, call.undo_of, now=now)
        if original is not None:  # its card says that it is being taken back, or can be again
            records.outbox.card(original)
    follow(records, call, end=end_unrun, now=now)


def end_unrun(
    records: Records,
    call: ToolCall,
    to: Status,
    *,
    by: Principal,
    now: datetime,
    error: str,
    error_class: str,
) -> ToolCall:
    """Ends a call that never ran (denied, expired, cancelled), with its one outcome."""
    after = step(records, call, to, by=by, now=now, content={"reason": error})
    write_unrun_outcome(records, after, now=now, error=error, error_class=error_class)
    return after


def write_unrun_outcome(
    records: Records, call: ToolCall, *, now: datetime, error: str, error_class: str
) -> Outcome:
    """The outcome of a call that was never touched by a tool."""
    outcome = Outcome(
        call_id=call.id,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        status=call.status,
        result=None,
        formatted="",
        error=error,
        error_class=error_class,
        started_at=None,
        completed_at=now,
        duration_ms=0,
        attempt_count=0,
        worker=None,
        references={},
    )
    records.outcomes.add(outcome)
    return outcome


def reply_at_end(
    records: Records, call: ToolCall, *, now: datetime, after_s: float, decided_by: PersonId | None = None
) -> None:
    """Queues one short reply to the requester's card, where an edit alone would go unnoticed: the call was
    denied or interrupted, or it ends more than `after_s` after the requester last wrote there."""
    requester = records.people.person(call.requester_id)
    conversation = records.people.conversation(call.conversation_id)
    if conversation is None or conversation.channel is not Channel.TELEGRAM:
        return
    if requester is None or not requester.end_replies or decided_by == call.requester_id:
        return
    wrote = records.people.last_wrote(conversation.id, call.requester_id) or call.created_at
    if call.channel is Channel.SYSTEM and call.verdict.decision is PolicyDecision.ALLOW:
        wrote = call.created_at  # a schedule's line is new there: it is noticed by itself
    noticed = call.status in {Status.DENIED, Status.INTERRUPTED}
    if not noticed and not is_last(records, call):
        return  # the end of its run tells of all steps
    if noticed or (call.status in ENDS and (now - wrote).total_seconds() > after_s):
        records.outbox.message(
            tenant_id=call.tenant_id,
            account_id=call.account_id,
            chat=int(conversation.chat),
            kind="end_reply",
            payload={"call_id": call.id},
            now=now,
        )
