from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.ids import PersonId, TenantId
from core.model import Channel, Membership, PolicyDecision, Risk, Role, Tenant, Verdict
from core.policy import DEFAULT_POLICY, Facts, Policy, Rule, evaluate, load_policy
from core.policy.evaluate import eligible
from core.policy.limits import LIMIT_RULE, money_of
from tests.kit.records import ASKS, member
from tests.kit.tools import tool
from tools.create_expense import ExpenseLimits, create_expense

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
        (Risk.CRITICAL, "requires_approval", {"cat", "dan"}),
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


def test_critical_calls_need_two_approvers() -> None:
    verdict = evaluate(DEFAULT_POLICY, facts(Risk.CRITICAL))
    assert (verdict.decision, verdict.count) == (PolicyDecision.REQUIRES_APPROVAL, 2)
    assert not verdict.self_approval
    assert not verdict.note


def test_a_rule_asks_for_as_many_signatures_as_it_says() -> None:
    assert (judged(rule(count=2)).count, judged(rule(count=2)).rule) == (2, "r")
    assert judged(rule(), risk=Risk.CRITICAL).count == 2


def test_count_one_in_a_rule_lets_critical_calls_be_asked() -> None:
    verdict = judged(rule(count=1), risk=Risk.CRITICAL)
    assert (verdict.decision, verdict.count) == (PolicyDecision.REQUIRES_APPROVAL, 1)
    assert not verdict.self_approval


@pytest.mark.parametrize("risk", [Risk.MEDIUM, Risk.HIGH, Risk.CRITICAL])
def test_a_tenant_of_one_signs_for_itself_and_is_told(risk: Risk) -> None:
    alone = (member("ann", Role.ADMIN),)
    verdict = evaluate(DEFAULT_POLICY, facts(risk, members=alone, role=Role.ADMIN))
    assert verdict.decision is PolicyDecision.REQUIRES_APPROVAL
    assert (verdict.self_approval, verdict.count, verdict.named, verdict.denials) == (True, 1, (), 1)
    assert "only member" in verdict.note
    assert eligible(verdict, requester=ANN, person=ANN, role=Role.ADMIN)


def test_where_nobody_can_sign_the_proposal_says_so_with_the_remedy() -> None:
    verdict = evaluate(DEFAULT_POLICY, facts(members=(member("ann"), member("bob"))))
    assert verdict.decision is PolicyDecision.REQUIRES_APPROVAL
    assert "/invite approver" in verdict.note


def test_the_only_approver_asking_is_told_that_nobody_can_sign() -> None:
    pair = (member("cat", Role.APPROVER), member("ann"))
    verdict = evaluate(DEFAULT_POLICY, facts(requester=CAT, role=Role.APPROVER, members=pair))
    assert verdict.note == "Nobody here can sign this. An admin can bring somebody in with /invite approver."


@pytest.mark.parametrize(
    ("members", "change", "note"),
    [
        (
            ("dan", "ann"),
            {},
            "This needs 2 signatures, and only Dan can sign here. An admin can bring somebody in ",
        ),
        (("dan", "cat", "ann"), {}, ""),
        (("dan", "cat", "ann"), {"count": 3}, "This needs 3 signatures, and only 2 people can sign here."),
        (
            ("dan", "cat", "ann"),
            {"approvers": Role.ADMIN},
            "only Dan can sign here. An admin can bring somebody in with /invite admin.",
        ),
        (
            ("dan", "cat", "ann"),
            {"names": ("Ann",), "count": 1},
            "Nobody here can sign this. An admin can change the rule in the policy file.",
        ),
    ],
)
def test_too_few_people_is_said_at_once_with_what_would_help(
    members: tuple[str, ...], change: dict[str, Any], note: str
) -> None:
    team = tuple(each for each in TEAM if each.person_id in members)
    verdict = judged(rule(**({"count": 2} | change)), risk=Risk.CRITICAL, members=team)
    assert verdict.decision is PolicyDecision.REQUIRES_APPROVAL
    assert note in verdict.note
    assert bool(note) is bool(verdict.note)


def test_so_many_have_to_say_no_as_there_are_at_most() -> None:
    assert judged(rule(denials=2)).denials == 2
    assert judged(rule(denials=5)).denials == 2
    assert judged(rule(denials=5, names=("Ann",))).denials == 1
    assert judged(rule()).denials == 1


def test_how_many_they_were_counts_not_how_many_are_known_today() -> None:
    """As a backtest asks: the team had one member then."""
    assert "only member" in evaluate(DEFAULT_POLICY, facts(size=1)).note
    alone = (member("ann"),)
    assert "Nobody here" in evaluate(DEFAULT_POLICY, facts(size=4, members=alone)).note


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
        ({"channels": frozenset({Channel.TELEGRAM, Channel.API})}, True),
        ({"channels": frozenset({Channel.API})}, False),
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
    more = rule(remind_after_s=60, escalate_to=Role.ADMIN, cards_to="-100", denials=2)
    verdict2 = judged(more)
    assert (verdict2.remind_after_s, verdict2.escalate_to, verdict2.cards_to) == (60, Role.ADMIN, "-100")
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


@pytest.mark.parametrize(
    ("decision", "risk", "change", "reason"),
    [
        ("allow", Risk.HIGH, {}, "a rule of this team allows it"),
        ("allow", Risk.LOW, {}, "low risk runs at once"),
        ("requires_approval", Risk.LOW, {}, "a rule of this team asks for a signature"),
        ("requires_approval", Risk.HIGH, {}, "high risk needs an approver who is not the requester"),
        (
            "requires_approval",
            Risk.HIGH,
            {"approvers": Role.ADMIN},
            "a rule of this team asks for a signature",
        ),
        ("requires_approval", Risk.HIGH, {"count": 2}, "a rule of this team asks for a signature"),
        ("requires_approval", Risk.HIGH, {"names": ("Cat",)}, "a rule of this team asks for a signature"),
        ("deny", Risk.HIGH, {}, "a rule of this team forbids it"),
    ],
)
def test_a_rule_without_a_reason_gives_one_that_is_true(
    decision: str, risk: Risk, change: dict[str, Any], reason: str
) -> None:
    assert judged(rule(decision, **change), risk=risk).reason == reason


# --------------------------------------------------------------------------- the limit set in chat

EURO: Final = Tenant(
    id=TenantId("acme"), name="Acme", active=True, currency="EUR", timezone="UTC", ask_above="50"
)


def limited(amount: str, risk: Risk = Risk.LOW, *, rules: tuple[Rule, ...] = (), **changes: Any) -> Verdict:
    spent = {"amount": amount, "currency": "EUR", "tenant": EURO} | changes
    return evaluate(Policy(rules=rules), facts(risk, **spent))


@pytest.mark.parametrize("risk", [Risk.LOW, Risk.MEDIUM, Risk.HIGH])
@pytest.mark.parametrize("amount", ["0", "0.01", "49.99", "50", "50.00"])
def test_amounts_up_to_the_limit_run_at_once(risk: Risk, amount: str) -> None:
    verdict = limited(amount, risk)
    assert (verdict.decision, verdict.rule) == (PolicyDecision.ALLOW, LIMIT_RULE)
    assert "50 EUR" in verdict.reason


@pytest.mark.parametrize("amount", ["50.01", "51", "1e9", "-1", "NaN", "Infinity", "many", "sNaN"])
def test_larger_ones_and_what_cannot_be_read_ask_at_least_as_medium_risk_does(amount: str) -> None:
    verdict = limited(amount)
    assert (verdict.decision, verdict.rule) == (PolicyDecision.REQUIRES_APPROVAL, LIMIT_RULE)
    assert verdict.self_approval
    for risk in (Risk.MEDIUM, Risk.HIGH):
        assert limited(amount, risk) == evaluate(DEFAULT_POLICY, facts(risk, tenant=EURO))


def test_another_currency_is_above_the_limit() -> None:
    assert limited("1", currency="USD").decision is PolicyDecision.REQUIRES_APPROVAL
    assert limited("1", currency="").decision is PolicyDecision.ALLOW


def test_the_limit_never_speaks_of_critical_calls_of_what_spends_nothing_or_over_a_rule() -> None:
    assert limited("1", Risk.CRITICAL).rule == "default for critical risk"
    assert limited("", Risk.HIGH).rule == "default for high risk"
    assert limited("1", rules=(rule("deny"),)).rule == "r"
    assert limited("1", Risk.HIGH, tenant=None).rule == "default for high risk"
    assert limited("1", Risk.HIGH, tenant=replace(EURO, ask_above=None)).rule == "default for high risk"


def test_a_tenant_of_one_signs_what_is_above_its_limit() -> None:
    alone = (member("ann", Role.ADMIN),)
    assert "only member" in limited("900", members=alone, role=Role.ADMIN).note


def test_the_amount_is_that_of_the_tools_own_field() -> None:
    spends = create_expense(ExpenseLimits())
    assert money_of(spends, {"amount": "12.50", "currency": "EUR"}) == ("12.50", "EUR")
    assert money_of(spends, {"amount": 12}) == ("12", "")
    assert money_of(spends, {"amount": True, "currency": None}) == ("", "")
    assert money_of(tool("note"), {"amount": "12.50", "currency": "EUR"}) == ("", "")


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
        ("dan", Role.ADMIN, {"named": (CAT,), "escalate_to": Role.ADMIN}, False),
        ("dan", Role.ADMIN, {"named": (CAT,), "escalate_to": Role.ADMIN, "escalated": True}, True),
        ("bob", Role.MEMBER, {"named": (CAT,), "escalate_to": Role.ADMIN, "escalated": True}, False),
        ("ann", Role.ADMIN, {"escalate_to": Role.ADMIN, "escalated": True}, False),
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
        assert verdict.count == (1 if len(team) == 1 else count or (2 if risk is Risk.CRITICAL else 1))
    if decision is PolicyDecision.DENY:
        assert verdict.decision is PolicyDecision.DENY


def test_a_loaded_policy_decides_as_it_reads() -> None:
    policy = load_policy(
        '[[rule]]\nname = "tea"\ntool = "note"\ndecision = "deny"\nreason = "no tea"\n', tools=["note"]
    )
    verdict = evaluate(policy, facts())
    assert (verdict.decision, verdict.rule, verdict.reason) == (PolicyDecision.DENY, "tea", "no tea")
