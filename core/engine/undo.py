"""Taking back what a call did: itself a call, linked to the original, through policy as any other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from core import guards
from core.engine.answers import Proposed, Refused, refused
from core.engine.env import Env
from core.engine.facts import gather
from core.engine.propose import Proposal, propose
from core.errors import Code, Refusal
from core.ids import CallId
from core.lifecycle import Status
from core.model import Attempt, Outcome, Principal, Role, ToolCall
from core.ports import Now, Records
from core.registry import ToolRegistry
from core.tool import Tool


def undo(
    records: Records, *, by: Principal, call_id: CallId, shown: bool = False, now: Now, env: Env
) -> Proposed | Refused:
    """Proposes the compensation of a completed call: for its requester, approvers and admins, in time, once.

    Refusals: the entry guards, `not_found`, `tenant_mismatch`, `not_owner`, `not_undoable` with the
    reason.
    """
    facts = gather(records, by=by, call_id=call_id, env=env, shown=shown)
    try:
        guards.check(facts, (*guards.GUARDS[:6], guards.GUARDS[8]))  # and in the caller's own team
        call = facts.known_call
        role = facts.role_in_call_tenant
        if by.person != call.requester_id and not (role and role.includes(Role.APPROVER)):
            raise Refusal(Code.NOT_OWNER, "Only the person who asked, or an approver, may undo this.")
        known = records.calls.undo_of(call.id)
        if known is not None:
            return Proposed(call=known, repeated=True)
        outcome = records.outcomes.get(call.id)
        begun = records.attempts.of(call.id)
        if undo_until(call, outcome, env.registry, attempts=begun, now=now.wall) is None:
            raise Refusal(Code.NOT_UNDOABLE, _why_not(call, outcome, env.registry, attempts=begun))
        conversation = records.people.conversation(call.conversation_id)
        tool = env.registry.get(call.tool)
        if conversation is None or tool.undo is None:
            raise Refusal(Code.NOT_UNDOABLE, _why_not(call, outcome, env.registry, attempts=begun))
    except Refusal as refusal:
        return refused(records, refusal, verb="undo", by=by, now=now.wall, call=facts.call)
    proposal = Proposal(
        tool=call.tool,
        arguments=call.arguments,
        conversation=conversation,
        message=call.source_message,
        # There is one undo of a call at a time (the schema says so): the key need only be its own.
        key=f"undo:{env.new_id()}",
        undo_of=call.id,
        risk=tool.undo.risk or call.risk,
        title=f"Undo: {call.title}",
    )
    return propose(records, proposal, by=by, now=now, env=env)


def undo_until(
    call: ToolCall,
    outcome: Outcome | None,
    registry: ToolRegistry,
    *,
    attempts: Sequence[Attempt],
    now: datetime,
) -> datetime | None:
    """Until when the call can be undone; None where it cannot (any more)."""
    tool = registry.find(call.tool)
    if tool is None or tool.undo is None or outcome is None or call.undo_of is not None:
        return None
    if call.status is not Status.COMPLETED or outcome.marked_by is not None:
        return None
    if _elsewhere(tool, attempts):
        return None
    until = outcome.completed_at + timedelta(seconds=tool.undo.within_s)
    return until if now < until else None


def _elsewhere(tool: Tool, attempts: Sequence[Attempt]) -> bool:
    """Whether the fallback did it: the tool's own adapter knows nothing of it, and takes back nothing."""
    return tool.fallback is not None and bool(attempts) and attempts[-1].adapter == tool.fallback.adapter


def _why_not(
    call: ToolCall, outcome: Outcome | None, registry: ToolRegistry, *, attempts: Sequence[Attempt]
) -> str:
    tool = registry.find(call.tool)
    if tool is None or tool.undo is None or call.undo_of is not None:
        return f"{call.tool} cannot be undone."
    if outcome is None or call.status is not Status.COMPLETED or outcome.marked_by is not None:
        return "Only what was completed can be undone."
    if _elsewhere(tool, attempts):
        return f"{attempts[-1].adapter} did this in the place of {tool.adapter}, which cannot take it back."
    return f"The time for undoing this ({tool.undo.within_s // 60} minutes) is over."
