"""Explaining tells the very trials that decide; rules are told in plain words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import Channel, PolicyDecision, Risk, Role
from core.policy import Policy, evaluate, load_policy
from core.policy.conditions import read_condition
from core.policy.describe import by_risk, decides, either, lasting, speaks_of
from core.policy.explain import Explanation, explain
from core.policy.rules import DEFAULTS, Default
from tests.unit.core.test_policy_evaluate import EURO, facts, rule


def explained(*rules: Any, **changes: Any) -> Explanation:
    return explain(Policy(rules=rules), facts(**changes))


def test_every_rule_tried_is_told_with_why_it_did_not_speak_and_the_one_that_did() -> None:
    told = explained(
        rule(name="pay", tool="pay_*"),
        rule(name="calm", risks=frozenset({Risk.LOW, Risk.MEDIUM})),
        rule(name="boss", roles=frozenset({Role.ADMIN})),
        rule(name="group", chat="group"),
        rule(name="api", channels=frozenset({Channel.API, Channel.MCP})),
        rule(name="much", when=read_condition("args.n > 3")),
        rule("deny", name="yes"),
        rule("allow", name="never reached"),
        arguments={"n": 1},
    )
    assert [(step.name, step.decides, step.why) for step in told.steps] == [
        ("pay", False, "the tool is note, not pay_*"),
        ("calm", False, "the risk is high, not low or medium"),
        ("boss", False, "the requester is member, not admin"),
        ("group", False, "the chat is 100 (private), not group"),
        ("api", False, "it comes by telegram, not api or mcp"),
        ("much", False, "its condition is not true of it: args.n > 3"),
        ("yes", True, "it matches"),
    ]
    assert (told.verdict.decision, told.verdict.rule) == (PolicyDecision.DENY, "yes")


def test_a_group_is_called_one() -> None:
    (step, _) = explained(rule(chat="private"), private=False).steps
    assert step.why == "the chat is 100 (group), not private"


def test_a_condition_that_fails_is_told_as_what_denied() -> None:
    told = explained(rule("allow", when=read_condition("args.n > 3")))
    (step,) = told.steps
    assert step.decides
    assert step.why == "its condition could not be told (there is no n), so it denies"
    assert told.verdict.decision is PolicyDecision.DENY


@pytest.mark.parametrize(
    ("rules", "changes", "last"),
    [
        ((), {}, ("default for high risk", "there are no rules")),
        ((rule(tool="pay"),), {}, ("default for high risk", "no rule speaks of it")),
        ((), {"role": None}, ("membership", "the requester is not a member any more")),
        (
            (),
            {"tenant": EURO, "amount": "9", "currency": "EUR"},
            ("limit set in chat", "no rule speaks of it, and an admin set a limit"),
        ),
    ],
)
def test_what_decides_behind_the_rules(
    rules: tuple[Any, ...], changes: dict[str, Any], last: tuple[str, str]
) -> None:
    told = explained(*rules, **changes)
    assert (told.steps[-1].name, told.steps[-1].why) == last
    assert told.steps[-1].decides
    assert told.verdict == evaluate(Policy(rules=rules), facts(**changes))


def test_a_limit_that_does_not_speak_is_told_as_well() -> None:
    told = explained(tenant=EURO)
    assert [(step.name, step.decides) for step in told.steps] == [
        ("limit set in chat", False),
        ("default for high risk", True),
    ]


CONDITIONS = st.sampled_from([None, "true", "false", "args.nope == 1"]).map(
    lambda source: None if source is None else read_condition(source)
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "decision": st.sampled_from(PolicyDecision),
                "tool": st.sampled_from(["*", "note", "pay"]),
                "roles": st.sampled_from([frozenset(), frozenset({Role.MEMBER}), frozenset({Role.ADMIN})]),
                "when": CONDITIONS,
            }
        ),
        max_size=5,
    ),
    st.sampled_from([None, *Role]),
)
def test_what_is_explained_is_what_is_decided(tables: list[dict[str, Any]], role: Role | None) -> None:
    policy = Policy(
        rules=tuple(rule(table.pop("decision"), name=f"r{n}", **table) for n, table in enumerate(tables))
    )
    told = explain(policy, facts(role=role))
    assert told.verdict == evaluate(policy, facts(role=role))
    assert [step.decides for step in told.steps] == [False] * (len(told.steps) - 1) + [True]
    if told.verdict.rule.startswith("r"):
        assert told.steps[-1].name == told.verdict.rule


WRITTEN = """
[[rule]]
tool = "create_expense"
risk = ["critical", "high"]
role = "member"
chat = "group"
channel = ["cli", "telegram"]
when = "args.n > 3"
decision = "requires_approval"
approvers = "approver"
count = 2
denials = 2
self_approval = false
expires_after = "4h"
remind_after = "90m"
escalate_to = "admin"
cards_to = "approvers"
"""


def test_a_whole_rule_in_plain_words() -> None:
    (written,) = load_policy(WRITTEN, tools=["create_expense"]).rules
    assert speaks_of(written) == (
        "create_expense, high or critical risk, asked by member, in a group, by telegram or cli, "
        "when args.n > 3"
    )
    assert decides(written) == (
        "is signed by 2 approvers, never by the requester, denied by 2, within 4 hours, reminded after 90 "
        "minutes, then an admin is asked too, cards go to those who may sign"
    )


@pytest.mark.parametrize(
    ("change", "matches", "decided"),
    [
        ({"decision": "allow"}, "every tool", "runs at once"),
        ({"decision": "deny", "chat": "-5"}, "every tool, in chat -5", "is denied"),
        ({"chat": "private"}, "every tool, in a private chat", "is signed by whoever its risk asks for"),
        ({"count": 1}, "every tool", "is signed by an approver"),
        ({"approvers": Role.MEMBER}, "every tool", "is signed by a member"),
        ({"approvers": Role.ADMIN, "count": 3}, "every tool", "is signed by 3 admins"),
        ({"names": ("Ann", "Bo")}, "every tool", "is signed by Ann or Bo"),
        ({"names": ("Ann", "Bo"), "count": 2}, "every tool", "is signed by 2 of Ann, Bo"),
        (
            {"self_approval": True, "approvers": Role.ADMIN, "denials": 1},
            "every tool",
            "is signed by an admin or the requester",
        ),
        (
            {"cards_to": "-7"},
            "every tool",
            "is signed by whoever its risk asks for, cards go to chat -7",
        ),
    ],
)
def test_rules_in_plain_words(change: dict[str, Any], matches: str, decided: str) -> None:
    made = rule(change.pop("decision", "requires_approval"), **change)
    assert (speaks_of(made), decides(made)) == (matches, decided)


def test_defaults_and_durations_in_plain_words() -> None:
    assert by_risk(Risk.LOW, DEFAULTS[Risk.LOW]) == "low risk runs at once"
    assert by_risk(Risk.HIGH, DEFAULTS[Risk.HIGH]) == "high risk needs an approver who is not the requester"
    assert by_risk(Risk.LOW, Default(decision=PolicyDecision.DENY, reason="")) == "low risk is denied"
    told = [lasting(seconds) for seconds in (1, 90, 60, 5400, 3600, 86400, 7 * 86400)]
    assert told == ["1 second", "90 seconds", "1 minute", "90 minutes", "1 hour", "1 day", "7 days"]
    assert either(frozenset({Role.ADMIN, Role.MEMBER})) == "member or admin"
