"""What clients are shown of a call (SPEC 2 and 10): the record grows as the call moves on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from core.lifecycle import EXECUTING, Status, phase
from core.model import Approval, CallView, PolicyDecision, ToolCall, Vote
from core.queries import HistoryRow

Shape = dict[str, Any]
FORMATTED_MOST: Final = 200
_SAID_NOTHING: Final = "Tool execution failed"
_BAD: Final = frozenset({Status.FAILED, Status.TIMED_OUT, Status.INTERRUPTED})


def proposed(view: CallView) -> Shape:
    """What a proposal, a vote or an edit came to."""
    call = view.call
    return {
        "ok": call.status is not Status.DENIED,
        **_head(call),
        "revision": call.revision,
        "proposed": {"tool": call.tool, "input": dict(call.arguments), "risk_level": call.risk.value},
        "policy": _policy(call),
        "approval": _approval(view),
        "record": record(view),
    }


def executed(view: CallView) -> Shape:
    """What an execution came to, also where the tool failed."""
    outcome = view.outcome
    return {
        "ok": outcome is not None and outcome.success,
        **_head(view.call),
        "duration_ms": outcome.duration_ms if outcome else None,
        "result_summary": _summary(view),
    }


def begun(call: ToolCall) -> Shape:
    """A call that runs while nobody waits for it."""
    return {"ok": True, **_head(call), "duration_ms": None, "result_summary": None}


def status(view: CallView) -> Shape:
    """Where a call stands, for programs that ask again and again."""
    call, outcome, times = view.call, view.outcome, _execution(view) or {}
    return {
        **executed(view),
        "ok": call.status not in _BAD,
        "current_revision": call.revision,
        "started_at": times.get("attempted_at"),
        "completed_at": _time(outcome.completed_at) if outcome else None,
        "attempt_count": call.attempts,
        "error_class": outcome.error_class if outcome else None,
        "error_message": _error(view),
        "asked_to_stop_by": view.attempts[-1].stop_by if view.attempts else None,
        "external_object_refs": dict(outcome.references) if outcome else {},
    }


def record(view: CallView) -> Shape:
    """The whole record of a call, for those who may know of it."""
    call, outcome = view.call, view.outcome
    found: Shape = {
        **_head(call),
        "short_id": call.short_id,
        "tenant_id": call.tenant_id,
        "account_id": call.account_id,
        "conversation_id": call.conversation_id,
        "channel": call.channel.value,
        "requester": {"id": call.requester_id, "name": call.requester_name},
        "title": call.title,
        "tool_version": call.tool_version,
        "input": dict(call.arguments),
        "args_digest": call.args_digest,
        "revision": call.revision,
        "consent_digest": call.consent_digest,
        "start_mode": call.start_mode.value,
        "risk_level": call.risk.value,
        "note": call.note,
        "created_at": _time(call.created_at),
        "changed_at": _time(call.changed_at),
        "expires_at": _time(call.expires_at),
        "start_by": _time(call.start_by),
        "held": {"why": view.held, "until": _time(view.held_until)} if view.held else None,
        "retry_of": call.retry_of,
        "undo_of": call.undo_of,
        "undone_by": view.undone_by,
        "run_id": call.run_id,
        "step": call.step,
        "policy": _policy(call),
        "approval": _approval(view),
        "edits": [
            {
                "revision": edit.revision,
                "by": edit.person_name,
                "at": _time(edit.at),
                "changes": [{"field": f, "before": old, "after": new} for f, old, new in edit.changes],
            }
            for edit in view.edits
        ],
        "grant": None if view.grant is None else {"id": view.grant.id, "by": view.grant.granted_by_name},
        "execution": _execution(view),
    }
    if outcome is not None:
        found |= {"tool_result": outcome.result, "formatted": outcome.formatted}
    return found


def row(listed: HistoryRow) -> Shape:
    """One call in a list."""
    return {
        "call_id": listed.id,
        "short_id": listed.short_id,
        "title": listed.title,
        "tool": listed.tool,
        "status": listed.status.value,
        "phase": phase(listed.status),
        "requester_name": listed.requester_name,
        "decided_by": listed.decided_by,
        "created_at": _time(listed.created_at),
    }


def _head(call: ToolCall) -> Shape:
    return {
        "call_id": call.id,
        "status": call.status.value,
        "phase": phase(call.status),
        "tool": call.tool,
        "idempotency_key": call.idempotency_key,
    }


def _policy(call: ToolCall) -> Mapping[str, str]:
    verdict = call.verdict
    return {"decision": verdict.decision.value, "reason": verdict.reason, "rule": verdict.rule}


def _approval(view: CallView) -> Shape | None:
    """The signatures on the revision that stands; None where none are asked for."""
    call, verdict = view.call, view.call.verdict
    if verdict.decision is not PolicyDecision.REQUIRES_APPROVAL:
        return None
    votes = [vote for vote in view.approvals if vote.revision == call.revision]
    last = _deciding(call, votes)
    return {
        "decision": last.vote.value if last else "awaited" if call.status is Status.PROPOSED else None,
        "approved_by": last.person_name if last and last.vote is Vote.APPROVED else None,
        "approved_at": _time(last.at) if last and last.vote is Vote.APPROVED else None,
        "comment": last.comment if last else "",
        "needed": verdict.count,
        "denials_needed": verdict.denials,
        "may_sign": verdict.approvers.value,
        "note": verdict.note,
        "votes": [
            {
                "by": {"id": vote.person_id, "name": vote.person_name},
                "vote": vote.vote.value,
                "at": _time(vote.at),
                "channel": vote.channel.value,
                "comment": vote.comment,
                "consent_digest": vote.consent_digest,
            }
            for vote in votes
        ],
    }


def _deciding(call: ToolCall, votes: list[Approval]) -> Approval | None:
    """The vote that decided; None while nothing is decided, and where nobody did."""
    if call.status is Status.PROPOSED:
        return None
    wanted = Vote.DENIED if call.status is Status.DENIED else Vote.APPROVED
    return next((vote for vote in reversed(votes) if vote.vote is wanted), None)


def _execution(view: CallView) -> Shape | None:
    if not view.attempts:
        return None
    call, outcome = view.call, view.outcome
    return {
        "attempted_at": _time(view.attempts[0].started_at),
        "status": call.status.value,
        "duration_ms": outcome.duration_ms if outcome else None,
        "completed_at": _time(outcome.completed_at) if outcome else None,
        "attempt_count": call.attempts,
        "worker": view.attempts[-1].worker,
        "error": _error(view),
        "error_class": outcome.error_class if outcome else None,
    }


def _summary(view: CallView) -> Shape | None:
    outcome = view.outcome
    if outcome is None and view.call.status is not Status.INTERRUPTED:
        return None
    formatted = outcome.formatted if outcome else ""
    cut = formatted if len(formatted) <= FORMATTED_MOST else formatted[: FORMATTED_MOST - 1] + "…"
    return {"success": bool(outcome and outcome.success), "formatted": cut, "error": _error(view)}


def _error(view: CallView) -> str | None:
    call, outcome = view.call, view.outcome
    if (outcome is not None and outcome.success) or call.status in EXECUTING:
        return None
    said = outcome.error if outcome else call.note if call.status is Status.INTERRUPTED else None
    return said or (_SAID_NOTHING if call.status in _BAD else None)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
