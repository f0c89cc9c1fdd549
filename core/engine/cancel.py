"""Withdrawing a call that has not started, and asking one that runs to stop."""

from __future__ import annotations

from msgspec.structs import replace

from core import guards
from core.engine.answers import Proposed, Refused, refused
from core.engine.change import amend, end_unrun
from core.engine.env import Env
from core.engine.facts import gather
from core.errors import Code, Refusal
from core.ids import CallId
from core.lifecycle import EXECUTING, Status, in_words
from core.model import WORKER_LOST, Attempt, Principal, Role, ToolCall
from core.ports import Now, Records
from core.tool import RunResult


def cancel(
    records: Records, *, by: Principal, call_id: CallId, shown: bool = False, now: Now, env: Env
) -> Proposed | Refused:
    """Ends a proposed or pending call as cancelled, or asks the worker of a running one to stop it: by its
    requester, an approver or an admin. What runs is cancelled only once its tool is known to have stopped;
    until then the answer's call is `running`. `repeated`: somebody had asked before.

    Refusals: the entry guards, `not_found`, `tenant_mismatch`, `not_owner`, `not_pending`.
    """
    facts = gather(records, by=by, call_id=call_id, env=env, shown=shown)
    try:
        guards.check(facts, (*guards.GUARDS[:6], guards.GUARDS[8]))  # and in the caller's own team
        call = facts.known_call
        role = facts.role_in_call_tenant
        if by.person != call.requester_id and not (role and role.includes(Role.APPROVER)):
            raise Refusal(Code.NOT_OWNER, "Only the person who asked, or an approver, may withdraw this.")
        if call.status in EXECUTING:
            return ask_to_stop(records, call, by=by, now=now)
        if call.status not in {Status.PROPOSED, Status.PENDING}:
            raise Refusal(
                Code.NOT_PENDING,
                f"Call #{call.short_id} {in_words(call.status)}.",
                current_status=call.status.value,
            )
        after = end_unrun(
            records,
            call,
            Status.CANCELLED,
            by=by,
            now=now.wall,
            error=f"Withdrawn by {_name(records, by)}.",
            error_class="cancelled",
        )
    except Refusal as refusal:
        return refused(records, refusal, verb="cancel", by=by, now=now.wall, call=facts.call)
    return Proposed(call=after)


def ask_to_stop(records: Records, call: ToolCall, *, by: Principal, now: Now) -> Proposed:
    """Asks whoever runs this call to stop it, once. Its cards say so; its end tells what became of it."""
    if not records.attempts.ask_to_stop(call.id, by=_name(records, by)):
        return Proposed(call=call, repeated=True)
    attempt = {"attempt": call.attempts}
    after = amend(records, call, "stop_asked", by=by, now=now.wall, content=attempt)
    records.outbox.card(after)
    return Proposed(call=after)


def as_stopped(result: RunResult, ended: Attempt) -> RunResult:
    """The result of an attempt; where it was stopped because somebody asked for that, it says who."""
    if result.status is not Status.CANCELLED or ended.stop_by is None:
        return result
    return replace(result, error=f"Stopped by {ended.stop_by}.")


def as_unseen(records: Records, result: RunResult, ended: Attempt) -> RunResult:
    """The result of an attempt; one that never began, after one whose end nobody saw, tells of no end."""
    if ended.adapter is not None:
        return result
    begun = [each for each in records.attempts.of(ended.call_id) if each.adapter is not None]
    if not begun or begun[-1].error_class != WORKER_LOST:
        return result
    told = f"{result.error} The worker of the attempt before stopped while it ran."
    return replace(result, status=Status.INTERRUPTED, error=told)


def _name(records: Records, by: Principal) -> str:
    person = None if by.person is None else records.people.person(by.person)
    return person.name if person else by.actor
