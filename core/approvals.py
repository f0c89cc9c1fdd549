"""Who may decide a call, and whether the votes on it are enough. Says nothing of storage or doors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct

from core.digest import args_digest, consent_digest
from core.errors import Code, Refusal
from core.ids import CallId, PersonId
from core.model import Approval, Membership, PolicyDecision, Principal, Role, ToolCall, Verdict, Vote
from core.policy.evaluate import eligible

NAMED_MOST: Final = 5
_NAME_MOST: Final = 20
_ONE: Final = {Role.MEMBER: "any member", Role.APPROVER: "an approver", Role.ADMIN: "an admin"}
_MANY: Final = {Role.MEMBER: "members", Role.APPROVER: "approvers", Role.ADMIN: "admins"}


class Tally(Struct, frozen=True, kw_only=True):
    """The votes that count today, and how many are needed. `void` says, a clause each, why signatures that
    were given do not count any more."""

    approvals: tuple[Approval, ...]
    needed: int
    denials: tuple[Approval, ...] = ()
    denials_needed: int = 1
    void: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the quorum is full, and not enough people said no."""
        return len(self.approvals) >= self.needed and not self.denied

    @property
    def denied(self) -> bool:
        """Whether so many people said no that it is denied."""
        return len(self.denials) >= self.denials_needed


def consent_digest_of(call: ToolCall, arguments: str | None = None) -> str:
    """The consent digest of the fields as they are now; differs from the recorded one if any changed.
    `arguments` is the digest of the arguments as they are, where it is known already."""
    return consent_digest(
        call_id=call.id,
        revision=call.revision,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        requester_id=call.requester_id,
        conversation_id=call.conversation_id,
        args_digest=arguments or args_digest(call.tool, call.tool_version, call.arguments),
        definition_hash=call.definition_hash,
        dry_run_pin=bound_to(call.undo_of, call.dry_run_pin),
    )


def bound_to(undo_of: CallId | None, pin: str | None) -> str | None:
    """What a signature is bound to besides: an undo to the call that it takes back, as a dry run to the
    target that it saw."""
    return f"undo:{undo_of}" if undo_of else pin


def refuse_decider(
    call: ToolCall,
    verdict: Verdict,
    *,
    by: Principal,
    role: Role | None,
    members: Callable[[], Sequence[Membership]] = tuple,
) -> Refusal | None:
    """Why this person may not decide this call; None where they may. `members` gives those who may: they are
    named to whoever may not."""
    if by.person is None or role is None:
        return Refusal(Code.NOT_A_MEMBER, "You are not a member here, so this tap does not count.")
    if eligible(verdict, requester=call.requester_id, person=by.person, role=role):
        return None
    if by.person == call.requester_id:
        return Refusal(
            Code.SELF_APPROVAL,
            f"You asked for this, so somebody else must sign it: {who_may_sign(verdict, members())}. "
            "You can still withdraw it with Cancel.",
        )
    return Refusal(
        Code.NOT_APPROVER,
        f"Your tap does not count here. This is signed by {who_may_sign(verdict, members())}.",
    )


def signers(verdict: Verdict, *, requester: PersonId, members: Iterable[Membership]) -> Sequence[Membership]:
    """Those of a tenant's members who may sign under this verdict today."""
    return [
        member
        for member in members
        if eligible(verdict, requester=requester, person=member.person_id, role=member.role)
    ]


def who_may_sign(verdict: Verdict, members: Sequence[Membership] = ()) -> str:
    """The people a verdict asks for, in words: by name where `members` gives those who may sign (see
    `signers`), "Cat, Cid or Dan"; else by kind: "an approver", "2 admins", "one of 2 named people"."""
    if members:
        return _by_name(verdict, members)
    if verdict.named:
        if len(verdict.named) == 1:
            return "the person the rule names"
        return f"{'one' if verdict.count == 1 else verdict.count} of {len(verdict.named)} named people"
    if verdict.count > 1:
        people = f"{verdict.count} {_MANY[verdict.approvers]}"
        return f"{people}, one of whom may be the requester" if verdict.self_approval else people
    people = _ONE[verdict.approvers]
    return f"the requester or {people}" if verdict.self_approval else people


def _by_name(verdict: Verdict, members: Sequence[Membership]) -> str:
    names = [_cut(member.name) for member in members[:NAMED_MOST]]
    more = len(members) - len(names)
    if verdict.count > 1:
        told = ", ".join(names)
        return f"{verdict.count} of {told}" + (f" and {more} more" if more else "")
    if more:
        return f"one of {', '.join(names)} and {more} more"
    return joined(names, "or")


def joined(words: Sequence[str], last: str) -> str:
    """ "Cat", "Cat or Cid", "Cat, Cid or Dan", where `last` is "or"."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _cut(name: str) -> str:
    """A tap's answer has room for 200 characters: a long name must not hide what it says."""
    return name if len(name) <= _NAME_MOST else f"{name[: _NAME_MOST - 1]}…"


def tally(
    call: ToolCall,
    verdict: Verdict,
    approvals: Iterable[Approval],
    *,
    digest: str,
    role_of: Callable[[PersonId], Role | None],
) -> Tally:
    """The votes that count, one a person, of people who may sign today: approvals on the call's consent
    `digest` as its fields are now, and denials of this revision, whatever else has changed."""
    approved: dict[PersonId, Approval] = {}
    denied: dict[PersonId, Approval] = {}
    void: list[str] = []
    for vote in approvals:
        if vote.revision != call.revision:
            continue
        role = role_of(vote.person_id)
        may = eligible(verdict, requester=call.requester_id, person=vote.person_id, role=role)
        if vote.vote is Vote.DENIED:
            if may:
                denied[vote.person_id] = vote
        elif may and vote.consent_digest == digest:
            approved[vote.person_id] = vote
        else:
            void.append(_why_void(vote, call, verdict, may=may, role=role))
    return Tally(
        approvals=tuple(approved.values()),
        needed=verdict.count,
        denials=tuple(denied.values()),
        denials_needed=verdict.denials,
        void=tuple(void),
    )


def _why_void(vote: Approval, call: ToolCall, verdict: Verdict, *, may: bool, role: Role | None) -> str:
    name = vote.person_name
    if may:
        return f"{name} signed something else"
    if role is None:
        return f"{name} is not a member any more"
    if vote.person_id == call.requester_id:
        return f"{name} asked for it and may not sign it"
    if verdict.named:
        return f"the rule does not name {name} any more"
    return f"{name} is not {_ONE[verdict.approvers]} any more"


def why_unsigned(call: ToolCall, today: Verdict, counted: Tally | None) -> str:
    """Why a call that was let through before may not start today, in a plain sentence that names the
    cause."""
    if counted is None:
        return "The signatures on it cannot be counted."
    if counted.denied:
        names = joined([_cut(vote.person_name) for vote in counted.denials], "and")
        return f"{names} said no to it, and today's policy heeds that."
    if counted.void:
        return f"The signatures on it do not count any more: {'; '.join(counted.void)}."
    have, needed = len(counted.approvals), counted.needed
    if have:
        return f"Policy asks for {needed} signatures now, and it has {have} ({today.rule})."
    if call.verdict.decision is PolicyDecision.ALLOW:
        return f"It was allowed unasked, and policy asks for a signature now ({today.rule})."
    return "The signatures on it do not count any more."
