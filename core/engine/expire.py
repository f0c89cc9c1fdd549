"""Time running out. It never allows anything; who may sign is reminded before, and may give it longer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from core import guards
from core.approvals import signers, who_may_sign
from core.engine.answers import Proposed, Refused, refused
from core.engine.change import amend, end_unrun, reply_at_end
from core.engine.decide import check_open
from core.engine.env import Env
from core.engine.facts import gather
from core.engine.readable import readable
from core.errors import Code, Refusal
from core.ids import CallId
from core.lifecycle import Status
from core.model import SYSTEM, Principal, Role, ToolCall
from core.policy.evaluate import eligible
from core.ports import Now, Records

BATCH: Final = 50
LONGER: Final = timedelta(hours=1)
REMIND: Final = "remind"
ESCALATE: Final = "escalate"
_LEAST_LEFT: Final = timedelta(minutes=10)
"""Who is reminded later than that before the end has no time to look."""


def expire(records: Records, *, now: Now, env: Env) -> int:
    """Ends every call that nobody decided, or nobody started, in time. At most `BATCH`; how many."""
    due = records.calls.due(now.wall, limit=BATCH)
    for call_id in due:
        call = readable(records, call_id, now=now.wall)
        if call is not None and call.status in {Status.PROPOSED, Status.PENDING}:
            end_expired(records, call, now=now, env=env)
    return len(due)


def end_expired(records: Records, call: ToolCall, *, now: Now, env: Env) -> None:
    """Ends one call whose time has run out, and says which time."""
    proposed = call.status is Status.PROPOSED
    waited = "Nobody decided in time." if proposed else "It was not started in time."
    after = end_unrun(
        records,
        call,
        Status.EXPIRED,
        by=SYSTEM,
        now=now.wall,
        error=f"{waited} Nothing was changed.",
        error_class="expired",
    )
    reply_at_end(records, after, now=now.wall, after_s=env.limits.reply_after.total_seconds())


def extend(
    records: Records,
    *,
    by: Principal,
    call_id: CallId,
    revision: int,
    shown: bool = False,
    now: Now,
    env: Env,
) -> Proposed | Refused:
    """Gives a call that waits for a signature one hour more: by somebody who may sign it.

    Refusals: the entry guards, `not_found`, `already_decided`, `stale_revision`, `not_approver`,
    `tenant_mismatch`.
    """
    facts = gather(records, by=by, call_id=call_id, env=env, shown=shown)
    try:
        guards.check(facts, guards.GUARDS[:6])
        call = facts.known_call
        check_open(records, call, revision, now=now)
        _check_may_extend(records, call, by, facts.role_in_call_tenant)
        until = (call.expires_at or now.wall) + LONGER
        content = {"expires_at": until.isoformat()}
        after = amend(records, call, "extended", by=by, now=now.wall, content=content, expires_at=until)
    except Refusal as refusal:
        return refused(records, refusal, verb="extend", by=by, now=now.wall, call=facts.call)
    schedule(records, after, since=now.wall)
    return Proposed(call=after)


def _check_may_extend(records: Records, call: ToolCall, by: Principal, role: Role | None) -> None:
    may = by.person is not None and eligible(
        call.verdict, requester=call.requester_id, person=by.person, role=role
    )
    if not may:
        members = records.people.members(call.tenant_id)
        people = signers(call.verdict, requester=call.requester_id, members=members)
        who = who_may_sign(call.verdict, people)
        raise Refusal(Code.NOT_APPROVER, f"Only who may sign this can give it more time: {who}.")
    if call.tenant_id != by.tenant:
        raise Refusal(Code.TENANT_MISMATCH, "This call belongs to another of your teams.")


def schedule(records: Records, call: ToolCall, *, since: datetime) -> None:
    """Keeps when who may sign this revision is reminded, and when others are asked besides."""
    if call.expires_at is None:
        return
    remind = _remind_at(call, since=since, until=call.expires_at)
    if remind is not None:
        records.reminders.put(call.id, call.revision, REMIND, at=remind)
    if call.verdict.escalate_to is not None and not call.verdict.escalated:
        start = remind or since
        halfway = start + (call.expires_at - start) / 2
        records.reminders.put(call.id, call.revision, ESCALATE, at=halfway)


def _remind_at(call: ToolCall, *, since: datetime, until: datetime) -> datetime | None:
    """When the rule says; else, and where that is too late, when a fifth of the time is left. None where
    there is so little time that they have just been asked."""
    if call.verdict.remind_after_s is not None:
        at = since + timedelta(seconds=call.verdict.remind_after_s)
        if at < until:
            return at
    at = until - max((until - since) / 5, _LEAST_LEFT)
    return at if at > since else None
