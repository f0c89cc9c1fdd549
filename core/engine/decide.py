"""Deciding a call: one person's signature, or refusal to give it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core import guards
from core.approvals import Tally, consent_digest_of, refuse_decider, signers, tally
from core.digest import Json
from core.engine.answers import Decided, Refused, refused
from core.engine.change import amend, end_unrun, reply_at_end, step
from core.engine.env import Env
from core.engine.facts import acting, gather
from core.errors import Code, InvalidInput, Refusal
from core.ids import CallId
from core.lifecycle import Status, in_words
from core.model import Approval, Membership, Principal, ToolCall, Vote
from core.ports import Now, Records

COMMENT_MOST: Final = 500
"""So many characters may be said with a vote."""


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
    """Counts one vote of one person on one revision. The same vote twice is one vote; another than was given
    before does not count.

    The call is approved once enough people approved, and ends as denied once enough said no.
    `must_be_delivered`: an approval counts only once this person was sent all that it covers (chat doors;
    a program reads the whole call anyway). Refusals: the entry guards, `not_found`, `invalid_input` for a
    comment that is too long, `already_decided`, `stale_revision`, `self_approval`, `not_approver`,
    `not_delivered`.
    """
    facts = gather(records, by=by, call_id=call_id, env=env, shown=shown)
    seen: ToolCall | None = None
    try:
        guards.check(facts, guards.GUARDS[:6])
        seen = call = facts.known_call
        comment = _checked(comment)
        votes = _votes(records, call)
        earlier = next((each for each in reversed(votes) if each.person_id == by.person), None)
        # A card shows the recorded verdict; what it asks for is what counts, unless today asks for more.
        refusal = refuse_decider(
            call,
            call.verdict,
            by=by,
            role=facts.role_in_call_tenant,
            members=lambda: signers_of(records, call),
        )
        same = earlier is not None and earlier.vote is vote and earlier.revision == revision
        if same and earlier is not None and call.status is not Status.PROPOSED:
            return Decided(call=call, approval=earlier, repeated=True)
        check_open(records, call, revision, now=now)
        if refusal is not None:
            raise refusal
        if same and earlier is not None:
            return _again(records, call, votes, earlier, by=by, now=now, env=env)
        if earlier is not None and earlier.revision == call.revision:
            raise _voted_before(call, earlier)
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


def _checked(comment: str) -> str:
    """What is said with a vote. Raises InvalidInput where it is too long."""
    said = comment.strip()
    if len(said) > COMMENT_MOST:
        raise InvalidInput(field="comment", given=said, allowed=f"it has room for {COMMENT_MOST} characters")
    return said


def signers_of(records: Records, call: ToolCall) -> Sequence[Membership]:
    """The members who may sign the call, as it was judged."""
    members = records.people.members(call.tenant_id)
    return signers(call.verdict, requester=call.requester_id, members=members)


def _voted_before(call: ToolCall, earlier: Approval) -> Refusal:
    return Refusal(
        Code.ALREADY_DECIDED,
        f"You {earlier.vote} this at {earlier.at:%H:%M} UTC already, and one vote a person counts. "
        f"Call #{call.short_id} {in_words(call.status)}.",
        current_status=call.status.value,
    )


def check_open(records: Records, call: ToolCall, revision: int, *, now: Now) -> None:
    """Raises Refusal where this revision of the call does not wait for a decision (any more)."""
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
    person = acting(records, by)
    approval = Approval(
        call_id=call.id,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        revision=call.revision,
        person_id=person.id,
        person_name=person.name,
        vote=vote,
        consent_digest=call.consent_digest,
        channel=by.channel,
        comment=comment,
        at=now.wall,
    )
    if not records.approvals.add(approval):
        refusal = _voted_before(call, approval)
        return refused(records, refusal, verb=f"decide.{vote}", by=by, now=now.wall, call=call)
    counted = _tally(records, call, [*earlier, approval])
    if vote is Vote.DENIED and _is_denied(records, call, counted, by=by):
        after = _deny(records, call, counted, by=by, now=now, env=env)
    elif vote is Vote.APPROVED and counted.complete:
        after = _approve(records, call, counted, by=by, now=now, env=env)
    else:
        after = _note(records, call, approval, counted, by=by, now=now)
    return Decided(call=after, approval=approval)


def _tally(records: Records, call: ToolCall, votes: Sequence[Approval]) -> Tally:
    return tally(
        call,
        call.verdict,
        votes,
        digest=consent_digest_of(call),
        role_of=lambda person: records.people.role(call.tenant_id, person),
    )


def _again(
    records: Records,
    call: ToolCall,
    votes: Sequence[Approval],
    earlier: Approval,
    *,
    by: Principal,
    now: Now,
    env: Env,
) -> Decided:
    """The same vote on a call that still waits. It stays one vote, but may be what was missing all the same:
    somebody who had lost the right to sign holds it again."""
    counted = _tally(records, call, votes)
    if earlier.vote is not Vote.APPROVED or not counted.complete:
        return Decided(call=call, approval=earlier, repeated=True)
    return Decided(call=_approve(records, call, counted, by=by, now=now, env=env), approval=earlier)


def _is_denied(records: Records, call: ToolCall, counted: Tally, *, by: Principal) -> bool:
    """Whether this no ends it: there were enough, it is the requester's own, or those who may sign and have
    not voted yet are too few for the quorum."""
    if counted.denied or by.person == call.requester_id:
        return True
    voted = {vote.person_id for vote in (*counted.approvals, *counted.denials)}
    left = [member for member in signers_of(records, call) if member.person_id not in voted]
    return len(counted.approvals) + len(left) < counted.needed


def _note(
    records: Records, call: ToolCall, approval: Approval, counted: Tally, *, by: Principal, now: Now
) -> ToolCall:
    """Shows a vote that decides nothing yet on every card."""
    content = _told(call, counted) | {"vote": approval.vote.value}
    return amend(records, call, "vote", by=by, now=now.wall, content=content)


def _told(call: ToolCall, counted: Tally) -> dict[str, Json]:
    return {
        "digest": call.consent_digest,
        "votes": len(counted.approvals),
        "needed": counted.needed,
        "denials": len(counted.denials),
        "denials_needed": counted.denials_needed,
    }


def _deny(records: Records, call: ToolCall, counted: Tally, *, by: Principal, now: Now, env: Env) -> ToolCall:
    after = end_unrun(
        records,
        call,
        Status.DENIED,
        by=by,
        now=now.wall,
        error="; ".join(map(_said, counted.denials)),
        error_class="denied",
    )
    reply_at_end(
        records,
        after,
        now=now.wall,
        after_s=env.limits.reply_after.total_seconds(),
        decided_by=by.person,
    )
    return after


def _said(denial: Approval) -> str:
    """Who said no and why. A comment ends as it was written."""
    return f"Denied by {denial.person_name}" + (f": {denial.comment}" if denial.comment else ".")


def _approve(
    records: Records, call: ToolCall, counted: Tally, *, by: Principal, now: Now, env: Env
) -> ToolCall:
    return step(
        records,
        call,
        Status.PENDING,
        by=by,
        now=now.wall,
        content=_told(call, counted),
        expires_at=None,
        start_by=now.wall + env.limits.start_within,
    )
