"""Deciding a call: the first rule that matches, else the limit set in chat, else the default of its risk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from core.ids import PersonId
from core.model import Membership, PolicyDecision, Role, Verdict
from core.policy.conditions import ConditionFailed, Scene
from core.policy.facts import Facts
from core.policy.limits import limited
from core.policy.rules import Default, Policy, Rule

_NO_REASON: Final = {
    PolicyDecision.ALLOW: "a rule of this team allows it",
    PolicyDecision.REQUIRES_APPROVAL: "a rule of this team asks for a signature",
    PolicyDecision.DENY: "a rule of this team forbids it",
}


class Trial(NamedTuple):
    """One rule, held against a call: `differs` is the field by which it does not speak of it, "" where it
    does; `failed` says why its condition came to no answer, and then it denies."""

    rule: Rule
    differs: str
    failed: str = ""


def evaluate(policy: Policy, facts: Facts) -> Verdict:
    """What policy says of a call today, with the rule and the reason in plain words."""
    last = None
    for trial in trials(policy, facts):
        last = trial
    return concluded(policy, facts, last)


def trials(policy: Policy, facts: Facts) -> Iterator[Trial]:
    """The rules in their order, up to the one that decides. None is tried for somebody who is no member."""
    role, scene = facts.role, Scene(facts)
    if role is None:
        return
    for rule in policy.rules:
        differs = rule.differs(
            tool=facts.tool,
            risk=facts.risk,
            role=role,
            chat=facts.chat,
            private=facts.private,
            channel=facts.channel,
        )
        failed = ""
        if not differs and rule.when is not None:
            try:
                differs = "" if rule.when.holds(scene) else "when"
            except ConditionFailed as error:
                failed = error.message
        yield Trial(rule, differs, failed)
        if not differs:
            return


def concluded(policy: Policy, facts: Facts, last: Trial | None) -> Verdict:
    """The verdict after these trials, of which `last` was the last one; None where there is no rule."""
    if facts.role is None:
        return Verdict(
            decision=PolicyDecision.DENY,
            rule="membership",
            reason="the requester is not a member any more",
        )
    default = policy.defaults[facts.risk]
    if last is not None and last.failed:
        return Verdict(
            decision=PolicyDecision.DENY,
            rule=last.rule.name,
            reason=f"its condition could not be told, so it is not let through: {last.failed}",
        )
    if last is not None and not last.differs:
        return _signable(_verdict(last.rule, default, facts), facts)
    return _signable(limited(policy, facts) or _by_risk(default, facts), facts)


def eligible(verdict: Verdict, *, requester: PersonId, person: PersonId, role: Role | None) -> bool:
    """Whether this person, with this role today, may sign under this verdict."""
    if role is None:
        return False
    if person == requester:
        return verdict.self_approval
    if verdict.escalated and verdict.escalate_to is not None and role.includes(verdict.escalate_to):
        return True
    return person in verdict.named if verdict.named else role.includes(verdict.approvers)


def _by_risk(default: Default, facts: Facts) -> Verdict:
    return Verdict(
        decision=default.decision,
        rule=f"default for {facts.risk} risk",
        reason=default.reason,
        count=default.count,
        self_approval=default.self_approval,
        expires_after_s=facts.expires_after_s,
    )


def _verdict(rule: Rule, default: Default, facts: Facts) -> Verdict:
    named = _named(rule, facts.members)
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
    as_usual = rule.decision is default.decision and not (rule.approvers or rule.names or rule.count)
    return Verdict(
        decision=rule.decision,
        rule=rule.name,
        reason=rule.reason or (default.reason if as_usual else _NO_REASON[rule.decision]),
        approvers=rule.approvers or Role.APPROVER,
        named=named,
        count=rule.count or default.count,
        self_approval=self_approval,
        expires_after_s=rule.expires_after_s or facts.expires_after_s,
        denials=rule.denials or 1,
        remind_after_s=rule.remind_after_s,
        escalate_to=rule.escalate_to,
        cards_to=rule.cards_to,
    )


def _named(rule: Rule, members: Sequence[Membership]) -> tuple[PersonId, ...]:
    if not rule.names:
        return ()
    wanted = {name.casefold() for name in rule.names}
    return tuple(
        member.person_id
        for member in members
        if member.person_id in rule.names or member.name.casefold() in wanted
    )


def _signable(verdict: Verdict, facts: Facts) -> Verdict:
    """The verdict, fitted to who is there: a tenant of one signs for itself; where too few people can sign,
    it says so and what would help."""
    if verdict.decision is not PolicyDecision.REQUIRES_APPROVAL:
        return verdict
    if facts.people == 1:
        note = "You are the only member here, so you may sign your own call."
        return replace(verdict, self_approval=True, count=1, denials=1, named=(), note=note)
    able = [
        member
        for member in facts.members
        if eligible(verdict, requester=facts.requester, person=member.person_id, role=member.role)
    ]
    # So many have to say no as there are at most: else nobody could.
    verdict = replace(verdict, denials=min(verdict.denials, max(1, len(able))))
    return verdict if len(able) >= verdict.count else replace(verdict, note=_too_few(verdict, able))


def _too_few(verdict: Verdict, able: Sequence[Membership]) -> str:
    if verdict.named:
        remedy = "An admin can change the rule in the policy file."
    else:
        remedy = f"An admin can bring somebody in with /invite {verdict.approvers}."
    if not able:
        return f"Nobody here can sign this. {remedy}"
    names = ", ".join(member.name for member in able)
    signing = f"only {names} can sign here" if len(able) == 1 else f"only {len(able)} people can sign here"
    return f"This needs {verdict.count} signatures, and {signing}. {remedy}"
