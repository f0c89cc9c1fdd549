from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import PersonId
from core.model import Membership, PolicyDecision, Risk, Role, Verdict
from core.policy import DEFAULT_POLICY, Facts, Policy, Rule, evaluate, load_policy
from core.policy.evaluate import eligible
from tests.kit.records import ASKS, member

ANN, CAT, DAN = PersonId("ann"), PersonId("cat"), PersonId("dan")
TEAM = (member("dan", Role.ADMIN), member("cat", Role.APPROVER), member("ann"), member("bob"))


def facts(risk: Risk = Risk.HIGH, **changes: Any) -> Facts:
    fields: dict[str, Any] = {
        "tool": "note",
        "risk": risk,
        "requester": ANN,
        "role": Role.MEMBER,
        "chat": "100",
        "private": True,
        "members": TEAM,
    }
    return Facts(**(fields | changes))


def rule(decision: str = "requires_approval", **changes: Any) -> Rule:
    return Rule(**({"name": "r", "decision": PolicyDecision(decision)} | changes))


def judged(*rules: Rule, **changes: Any) -> Verdict:
    return evaluate(Policy(rules=rules), facts(**changes))


# --------------------------------------------------------------------------- the defaults of SPEC 3


@pytest.mark.parametrize(
    ("risk", "decision", "signers"),
    [
        (Risk.LOW, "allow", None),
        (Risk.MEDIUM, "requires_approval", {"ann", "cat", "dan"}),
        (Risk.HIGH, "requires_approval", {"cat", "dan"}),
        (Risk.CRITICAL, "deny", None),
    ],
)
def test_the_defaults_by_risk(risk: Risk, decision: str, signers: set[str] | None) -> None:
    verdict = evaluate(DEFAULT_POLICY, facts(risk))
    assert verdict.decision.value == decision
    assert verdict.rule == f"default for {risk.value} risk"
    if signers is not None:
        assert {m.person_id for m in TEAM if may_sign(verdict, m)} == signers


def may_sign(verdict: Verdict, somebody: Membership) -> bool:
    return eligible(verdict, requester=ANN, person=somebody.person_id, role=somebody.role)


def test_four_eyes_an_approver_who_asks_cannot_sign() -> None:
    verdict = evaluate(DEFAULT_POLICY, facts(requester=CAT, role=Role.APPROVER))
    assert not eligible(verdict, requester=CAT, person=CAT, role=Role.APPROVER)
    assert eligible(verdict, requester=CAT, person=DAN, role=Role.ADMIN)


def test_more_than_one_signature_is_refused_with_the_reason_and_the_remedy() -> None:
    verdict = judged(rule(count=2))
    assert verdict.decision is PolicyDecision.DENY
    assert "needs 2 signatures" in verdict.reason
    assert "count = 1" in verdict.reason
    assert verdict.rule == "r"
    critical = evaluate(DEFAULT_POLICY, facts(Risk.CRITICAL))
    assert critical.decision is PolicyDecision.DENY


def test_count_one_in_a_rule_lets_critical_calls_be_asked() -> None:
    verdict = judged(rule(count=1), risk=Risk.CRITICAL)
    assert (verdict.decision, verdict.count) == (PolicyDecision.REQUIRES_APPROVAL, 1)
    assert not verdict.self_approval


@pytest.mark.parametrize("risk", [Risk.MEDIUM, Risk.HIGH, Risk.CRITICAL])
def test_a_tenant_of_one_signs_for_itself_and_is_told(risk: Risk) -> None:
    alone = (member("ann", Role.ADMIN),)
    verdict = evaluate(DEFAULT_POLICY, facts(risk, members=alone, role=Role.ADMIN))
    assert verdict.decision is PolicyDecision.REQUIRES_APPROVAL
    assert (verdict.self_approval, verdict.count, verdict.named) == (True, 1, ())
    assert "only member" in verdict.note
    assert eligible(verdict, requester=ANN, person=ANN, role=Role.ADMIN)


def test_where_nobody_can_sign_the_proposal_says_so_with_the_remedy() -> None:
    verdict = evaluate(DEFAULT_POLICY, facts(members=(member("ann"), member("bob"))))
    assert verdict.decision is PolicyDecision.REQUIRES_APPROVAL
    assert "/invite approver" in verdict.note


def test_the_only_approver_asking_is_told_that_nobody_can_sign() -> None:
    pair = (member("cat", Role.APPROVER), member("ann"))
    verdict = evaluate(DEFAULT_POLICY, facts(requester=CAT, role=Role.APPROVER, members=pair))
    assert "Nobody here can sign" in verdict.note


def test_somebody_who_is_no_member_any_more_is_denied_whatever_the_rules_say() -> None:
    verdict = judged(rule("allow"), role=None)
    assert (verdict.decision, verdict.rule) == (PolicyDecision.DENY, "membership")


# --------------------------------------------------------------------------- rules


def test_the_first_rule_that_matches_decides() -> None:
    verdict = judged(
        rule("deny", name="others", tool="pay_*"), rule("allow", name="first"), rule("deny", name="second")
    )
    assert (verdict.decision, verdict.rule) == (PolicyDecision.ALLOW, "first")


@pytest.mark.parametrize(
    ("change", "matches"),
    [
        ({}, True),
        ({"tool": "note"}, True),
        ({"tool": "no*"}, True),
        ({"tool": "NOTE"}, False),
        ({"tool": "pay"}, False),
        ({"risks": frozenset({Risk.HIGH, Risk.LOW})}, True),
        ({"risks": frozenset({Risk.LOW})}, False),
        ({"roles": frozenset({Role.MEMBER})}, True),
        ({"roles": frozenset({Role.ADMIN})}, False),
        ({"chat": "private"}, True),
        ({"chat": "group"}, False),
        ({"chat": "100"}, True),
        ({"chat": "101"}, False),
    ],
)
def test_what_a_rule_matches(change: dict[str, Any], matches: bool) -> None:
    assert (judged(rule("deny", **change)).rule == "r") is matches


def test_a_group_is_no_private_chat() -> None:
    assert judged(rule("deny", chat="group"), private=False).rule == "r"
    assert judged(rule("deny", chat="private"), private=False).rule != "r"


def test_what_a_rule_leaves_open_falls_to_the_default_of_the_risk() -> None:
    verdict = judged(rule(), risk=Risk.MEDIUM)
    assert verdict.self_approval
    assert (verdict.count, verdict.approvers, verdict.expires_after_s) == (1, Role.APPROVER, 24 * 3600)
    assert not judged(rule()).self_approval
    assert judged(rule(), expires_after_s=60).expires_after_s == 60


def test_what_a_rule_says_wins_over_the_default() -> None:
    verdict = judged(
        rule(approvers=Role.ADMIN, self_approval=False, expires_after_s=5, reason="because"), risk=Risk.MEDIUM
    )
    assert (verdict.approvers, verdict.self_approval, verdict.expires_after_s) == (Role.ADMIN, False, 5)
    assert verdict.reason == "because"
    assert {m.person_id for m in TEAM if may_sign(verdict, m)} == {DAN}


@pytest.mark.parametrize("names", [("Cat",), ("cAT",), ("cat",)], ids=["name", "case", "id"])
def test_named_people_alone_may_sign(names: tuple[str, ...]) -> None:
    verdict = judged(rule(names=names))
    assert verdict.named == (CAT,)
    assert {m.person_id for m in TEAM if may_sign(verdict, m)} == {CAT}


def test_names_that_nobody_has_deny_instead_of_asking_a_whole_role() -> None:
    verdict = judged(rule(names=("Nobody", "Noone")))
    assert verdict.decision is PolicyDecision.DENY
    assert "Nobody, Noone" in verdict.reason


def test_names_do_not_matter_to_a_rule_that_does_not_ask() -> None:
    assert judged(rule("allow", names=("Nobody",))).decision is PolicyDecision.ALLOW


def test_the_named_person_asking_leaves_nobody_to_sign() -> None:
    verdict = judged(rule(names=("Ann",)))
    assert "Nobody here can sign" in verdict.note


def test_a_denial_never_gives_the_reason_of_an_approval_as_its_own() -> None:
    """SPEC 3: a deny by policy is told in plain words."""
    verdict = judged(rule("deny", name="no spending"), risk=Risk.LOW)
    # Once: a deny rule without a reason takes the risk's default reason: "Policy denied this: low risk runs
    # at once (no spending)."
    assert verdict.reason != DEFAULT_POLICY.defaults[Risk.LOW].reason


# --------------------------------------------------------------------------- who may sign


@pytest.mark.parametrize(
    ("person", "role", "change", "expected"),
    [
        ("cat", None, {}, False),
        ("cat", Role.APPROVER, {}, True),
        ("bob", Role.MEMBER, {}, False),
        ("bob", Role.MEMBER, {"approvers": Role.MEMBER}, True),
        ("cat", Role.APPROVER, {"approvers": Role.ADMIN}, False),
        ("dan", Role.ADMIN, {"approvers": Role.ADMIN}, True),
        ("ann", Role.ADMIN, {}, False),
        ("ann", Role.MEMBER, {"self_approval": True}, True),
        ("ann", None, {"self_approval": True}, False),
        ("cat", Role.APPROVER, {"named": (DAN,)}, False),
        ("dan", Role.MEMBER, {"named": (DAN,)}, True),
    ],
)
def test_who_may_sign(person: str, role: Role | None, change: dict[str, Any], expected: bool) -> None:
    verdict = replace(ASKS, **change)
    assert eligible(verdict, requester=ANN, person=PersonId(person), role=role) is expected


ROLES = st.sampled_from(Role)


@given(
    members=st.dictionaries(st.sampled_from(["ann", "bob", "cat", "dan"]), ROLES, min_size=1),
    risk=st.sampled_from(Risk),
    decision=st.sampled_from(PolicyDecision),
    approvers=st.none() | ROLES,
    count=st.none() | st.integers(1, 3),
)
def test_no_rule_makes_a_high_risk_call_self_signed_in_a_team(
    members: dict[str, Role],
    risk: Risk,
    decision: PolicyDecision,
    approvers: Role | None,
    count: int | None,
) -> None:
    """Unless a rule says self_approval, or there is nobody else."""
    team = tuple(member(name, role) for name, role in members.items())
    requester = team[0]
    verdict = evaluate(
        Policy(rules=(rule(decision.value, approvers=approvers, count=count),)),
        facts(risk, members=team, requester=requester.person_id, role=requester.role),
    )
    may = eligible(verdict, requester=requester.person_id, person=requester.person_id, role=requester.role)
    asks = verdict.decision is PolicyDecision.REQUIRES_APPROVAL
    if asks and risk in {Risk.HIGH, Risk.CRITICAL}:
        assert may is (len(team) == 1)
    if asks:
        assert verdict.count == 1
    if decision is PolicyDecision.DENY:
        assert verdict.decision is PolicyDecision.DENY


def test_a_loaded_policy_decides_as_it_reads() -> None:
    policy = load_policy(
        '[[rule]]\nname = "tea"\ntool = "note"\ndecision = "deny"\nreason = "no tea"\n', tools=["note"]
    )
    verdict = evaluate(policy, facts())
    assert (verdict.decision, verdict.rule, verdict.reason) == (PolicyDecision.DENY, "tea", "no tea")
