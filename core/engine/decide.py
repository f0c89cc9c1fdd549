"""Deciding a call: one person's signature, or refusal to give it."""

from __future__ import annotations

from collections.abc import Sequence

from core import guards
from core.approvals import consent_digest_of, refuse_decider, tally
from core.engine.answers import Decided, Refused, refused
from core.engine.change import end_unrun, reply_at_end, step, tell
from core.engine.env import Env
from core.engine.facts import gather
from core.errors import Code, Refusal
from core.ids import CallId
from core.lifecycle import Status, in_words
from core.model import Approval, Principal, ToolCall, Vote
from core.ports import Now, Records


def decide(
    records: Records,
    *,
    by: Principal,
    call_id: CallId,
    revision: int,
    vote: Vote,
    comment: str = "",
    must_be_delivered: bool = True,
    shown: bool = False,
    now: Now,
    env: Env,
) -> Decided | Refused:
    """Counts one vote of one person on one revision. The same vote twice is one vote.

    `must_be_delivered`: an approval counts only once this person was sent all that it covers (chat doors;
    a program reads the whole call anyway). Refusals: the entry guards, `not_found`, `already_decided`,
    `stale_revision`, `self_approval`, `not_approver`, `not_delivered`.
    """
    facts = gather(records, by=by, call_id=call_id, env=env, shown=shown)
    seen: ToolCall | None = None
    try:
        guards.check(facts, guards.GUARDS[:6])
        seen = call = facts.known_call
        votes = _votes(records, call)
        earlier = next((each for each in reversed(votes) if each.person_id == by.person), None)
        if earlier is not None and earlier.vote is vote and earlier.revision == revision:
            return Decided(call=call, approval=earlier, repeated=True)
        _check_open(records, call, revision, now=now)
        # A card shows the recorded verdict; what it asks for is what counts, unless today asks for more.
        refusal = refuse_decider(call, call.verdict, by=by, role=facts.role_in_call_tenant)
        if refusal is not None:
            raise refusal
        if vote is Vote.APPROVED and must_be_delivered:
            _check_delivered(records, call, by)
        if call.tenant_id != by.tenant:
            raise Refusal(Code.TENANT_MISMATCH, "This call belongs to another of your teams.")
    except Refusal as refusal:
        return refused(records, refusal, verb=f"decide.{vote}", by=by, now=now.wall, call=seen or facts.call)
    return _count(records, call, votes, by=by, vote=vote, comment=comment, now=now, env=env)


def _votes(records: Records, call: ToolCall) -> Sequence[Approval]:
    """The votes before this one. None are read for a call that one signature decides and none has decided."""
    if call.status is Status.PROPOSED and call.version == 1:
        return ()
    return records.approvals.of(call.id)


def _check_open(records: Records, call: ToolCall, revision: int, *, now: Now) -> None:
    if call.status is not Status.PROPOSED:
        raise already_decided(records, call)
    if call.expires_at is not None and now.wall >= call.expires_at:
        raise Refusal(
            Code.ALREADY_DECIDED,
            f"Call #{call.short_id} has expired: nobody decided in time.",
            current_status=Status.EXPIRED.value,
        )
    if revision != call.revision:
        raise Refusal(
            Code.STALE_REVISION,
            "This request changed since. Showing the latest version; please look again.",
            current_revision=call.revision,
        )


def already_decided(records: Records, call: ToolCall) -> Refusal:
    """The answer to a vote that comes too late: what was decided, by whom, when."""
    votes = [a for a in records.approvals.of(call.id) if a.revision == call.revision]
    told = "; ".join(f"{a.vote} by {a.person_name}, {a.at:%H:%M} UTC" for a in votes)
    return Refusal(
        Code.ALREADY_DECIDED,
        f"Call #{call.short_id} {in_words(call.status)}" + (f" ({told})." if told else "."),
        current_status=call.status.value,
    )


def _check_delivered(records: Records, call: ToolCall, by: Principal) -> None:
    if by.person is not None and records.cards.was_delivered(call.id, by.person, call.consent_digest):
        return
    raise Refusal(
        Code.NOT_DELIVERED,
        "You have not been sent everything that would run yet, so your Approve does not count. "
        "Open the private chat with me, read it there, and approve again.",
    )


def _count(
    records: Records,
    call: ToolCall,
    earlier: Sequence[Approval],
    *,
    by: Principal,
    vote: Vote,
    comment: str,
    now: Now,
    env: Env,
) -> Decided | Refused:
    person = None if by.person is None else records.people.person(by.person)
    if by.person is None or person is None:
        raise LookupError("a vote is counted only for a person who passed the guards")
    approval = Approval(
        call_id=call.id,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        revision=call.revision,
        person_id=by.person,
        person_name=person.name,
        vote=vote,
        consent_digest=call.consent_digest,
        channel=by.channel,
        comment=comment,
        at=now.wall,
    )
    if not records.approvals.add(approval):
        refusal = Refusal(Code.ALREADY_DECIDED, "You have voted on this already.", current_status=call.status)
        return refused(records, refusal, verb=f"decide.{vote}", by=by, now=now.wall, call=call)
    if vote is Vote.DENIED:
        after = _deny(records, call, approval, by=by, now=now, env=env)
    else:
        after = _approve(records, call, [*earlier, approval], by=by, now=now, env=env)
    return Decided(call=after, approval=approval)


def _deny(
    records: Records, call: ToolCall, approval: Approval, *, by: Principal, now: Now, env: Env
) -> ToolCall:
    said = f": {approval.comment}" if approval.comment else "."
    after = end_unrun(
        records,
        call,
        Status.DENIED,
        by=by,
        now=now.wall,
        error=f"Denied by {approval.person_name}{said}",
        error_class="denied",
    )
    reply_at_end(
        records,
        after,
        now=now.wall,
        after_s=env.limits.reply_after.total_seconds(),
        decided_by=approval.person_id,
    )
    return after


def _approve(
    records: Records, call: ToolCall, votes: Sequence[Approval], *, by: Principal, now: Now, env: Env
) -> ToolCall:
    counted = tally(
        call,
        call.verdict,
        votes,
        digest=consent_digest_of(call),
        role_of=lambda person: records.people.role(call.tenant_id, person),
    )
    content = {"digest": call.consent_digest, "votes": len(counted.approvals), "needed": counted.needed}
    if not counted.complete:
        after = call.but(version=call.version + 1, changed_at=now.wall)
        records.calls.advance(call, after)
        tell(records, after, "approved", by=by, now=now.wall, content=content)
        return after
    return step(
        records,
        call,
        Status.PENDING,
        by=by,
        now=now.wall,
        content=content,
        expires_at=None,
        start_by=now.wall + env.limits.start_within,
    )
