"""Who may decide a call, and whether the votes on it are enough. Says nothing of storage or doors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from core.digest import args_digest, consent_digest
from core.errors import Code, Refusal
from core.ids import CallId, PersonId
from core.model import Approval, Principal, Role, ToolCall, Verdict, Vote
from core.policy.evaluate import eligible


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The votes that count today, and how many are needed."""

    approvals: tuple[Approval, ...]
    needed: int

    @property
    def complete(self) -> bool:
        """Whether the quorum is full."""
        return len(self.approvals) >= self.needed


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


def refuse_decider(call: ToolCall, verdict: Verdict, *, by: Principal, role: Role | None) -> Refusal | None:
    """Why this person may not decide this call; None where they may."""
    if by.person is None or role is None:
        return Refusal(Code.NOT_A_MEMBER, "You are not a member here, so this tap does not count.")
    if eligible(verdict, requester=call.requester_id, person=by.person, role=role):
        return None
    if by.person == call.requester_id:
        return Refusal(
            Code.SELF_APPROVAL,
            f"You asked for this, so somebody else must sign it: {who_may_sign(verdict)}. "
            "You can still withdraw it with Cancel.",
        )
    return Refusal(
        Code.NOT_APPROVER, f"Your tap does not count here. This is signed by {who_may_sign(verdict)}."
    )


def who_may_sign(verdict: Verdict) -> str:
    """The people a verdict asks for, in words: "an approver", "an admin", "one of 2 named people"."""
    if verdict.named:
        return (
            "the person the rule names"
            if len(verdict.named) == 1
            else f"one of {len(verdict.named)} named people"
        )
    people = {Role.MEMBER: "any member", Role.APPROVER: "an approver", Role.ADMIN: "an admin"}[
        verdict.approvers
    ]
    return f"the requester or {people}" if verdict.self_approval else people


def tally(
    call: ToolCall,
    verdict: Verdict,
    approvals: Iterable[Approval],
    *,
    digest: str,
    role_of: Callable[[PersonId], Role | None],
) -> Tally:
    """The approvals that count: distinct people's, on the call's consent `digest` as its fields are now, who
    may sign today."""
    counting: dict[PersonId, Approval] = {}
    for approval in approvals:
        if (
            approval.vote is Vote.APPROVED
            and approval.revision == call.revision
            and approval.consent_digest == digest
            and eligible(
                verdict,
                requester=call.requester_id,
                person=approval.person_id,
                role=role_of(approval.person_id),
            )
        ):
            counting[approval.person_id] = approval
    return Tally(approvals=tuple(counting.values()), needed=verdict.count)
