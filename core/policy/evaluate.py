"""Deciding a call: the first rule that matches, else the default of its risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.digest import Json
from core.ids import PersonId
from core.model import Channel, Membership, PolicyDecision, Risk, Role, Tenant, Verdict
from core.policy.rules import Default, Policy, Rule

DAY_S = 24 * 3600
_DENIED = "a rule of this team forbids it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What policy may look at. `role` None: the requester is no member (any more)."""

    tool: str
    risk: Risk
    requester: PersonId
    role: Role | None
    chat: str
    private: bool
    members: Sequence[Membership]
    channel: Channel = Channel.TELEGRAM
    arguments: Mapping[str, Json] = field(default_factory=dict)
    title: str = ""
    requester_name: str = ""
    tenant: Tenant | None = None
    now: datetime | None = None
    expires_after_s: int = DAY_S


def evaluate(policy: Policy, facts: Facts) -> Verdict:
    """What policy says of a call today, with the rule and the reason in plain words."""
    if facts.role is None:
        return Verdict(
            decision=PolicyDecision.DENY,
            rule="membership",
            reason="the requester is not a member any more",
        )
    default = policy.defaults[facts.risk]
    rule = next((rule for rule in policy.rules if _speaks(rule, facts, facts.role)), None)
    if rule is None:
        verdict = Verdict(
            decision=default.decision,
            rule=f"default for {facts.risk} risk",
            reason=default.reason,
            count=default.count,
            self_approval=default.self_approval,
            expires_after_s=facts.expires_after_s,
        )
    else:
        verdict = _verdict(rule, default, facts)
    return _signable(verdict, facts)


def eligible(verdict: Verdict, *, requester: PersonId, person: PersonId, role: Role | None) -> bool:
    """Whether this person, with this role today, may sign under this verdict."""
    if role is None:
        return False
    if person == requester:
        return verdict.self_approval
    return person in verdict.named if verdict.named else role.includes(verdict.approvers)


def _speaks(rule: Rule, facts: Facts, role: Role) -> bool:
    return rule.matches(tool=facts.tool, risk=facts.risk, role=role, chat=facts.chat, private=facts.private)


def _verdict(rule: Rule, default: Default, facts: Facts) -> Verdict:
    named = tuple(
        member.person_id
        for member in facts.members
        if member.person_id in rule.names or member.name.casefold() in {n.casefold() for n in rule.names}
    )
    if rule.names and not named and rule.decision is PolicyDecision.REQUIRES_APPROVAL:
        # Nobody of that name: asking a whole role instead would loosen the rule.
        return Verdict(
            decision=PolicyDecision.DENY,
            rule=rule.name,
            reason=f"the rule asks for {', '.join(rule.names)}, and no member has that name",
        )
    self_approval = rule.self_approval
    if self_approval is None:
        # A rule that says who signs means them, and not the requester besides.
        self_approval = default.self_approval and rule.approvers is None and not rule.names
    return Verdict(
        decision=rule.decision,
        rule=rule.name,
        reason=rule.reason or (_DENIED if rule.decision is PolicyDecision.DENY else default.reason),
        approvers=rule.approvers or Role.APPROVER,
        named=named,
        count=rule.count or default.count,
        self_approval=self_approval,
        expires_after_s=rule.expires_after_s or facts.expires_after_s,
    )


def _signable(verdict: Verdict, facts: Facts) -> Verdict:
    """The verdict, fitted to who is there: a tenant of one signs for itself; where nobody can sign, it says
    so; more than one signature is refused until this version can collect them."""
    if verdict.decision is not PolicyDecision.REQUIRES_APPROVAL:
        return verdict
    if len(facts.members) == 1:
        note = "You are the only member here, so you may sign your own call."
        return replace(verdict, self_approval=True, count=1, named=(), note=note)
    if verdict.count > 1:
        return replace(
            verdict,
            decision=PolicyDecision.DENY,
            reason=f"it needs {verdict.count} signatures, and this version collects one; "
            "an admin can set count = 1 in a rule for this tool",
        )
    if any(
        eligible(verdict, requester=facts.requester, person=member.person_id, role=member.role)
        for member in facts.members
    ):
        return verdict
    return replace(
        verdict, note="Nobody here can sign this. An admin can bring one in with /invite approver."
    )
