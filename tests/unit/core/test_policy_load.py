from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.model import PolicyDecision, Risk, Role
from core.policy import PolicyError, load_policy

TOOLS = ["create_task", "create_expense", "print_label"]

GOOD = """
# Small things run at once.
[[rule]]
name = "small expenses"
tool = "create_expense"
risk = "low"
decision = "allow"

[[rule]]
name = "labels"
tool = "print_*"
risk = ["high", "critical"]
role = ["member"]
chat = "group"
decision = "requires_approval"
reason = "labels cost money"
approvers = "admin"
count = 2
self_approval = false
expires_after = "30m"

[[rule]]
chat = -100123
decision = "requires_approval"
approvers = ["Carol", " Dave "]
"""


def test_a_policy_is_read_whole() -> None:
    policy = load_policy(GOOD, tools=TOOLS)
    first, second, third = policy.rules
    assert (first.name, first.decision, first.risks) == (
        "small expenses",
        PolicyDecision.ALLOW,
        frozenset({Risk.LOW}),
    )
    assert second.approvers is Role.ADMIN
    assert (second.count, second.self_approval, second.expires_after_s) == (2, False, 1800)
    assert (second.roles, second.chat, second.reason) == (
        frozenset({Role.MEMBER}),
        "group",
        "labels cost money",
    )
    assert (third.name, third.tool, third.chat) == ("rule 3", "*", "-100123")
    assert third.names == ("Carol", "Dave")
    assert (third.approvers, third.count, third.self_approval, third.expires_after_s) == (None,) * 4


def test_an_empty_text_is_the_defaults_and_its_version_follows_the_text() -> None:
    empty = load_policy("", tools=TOOLS)
    assert empty.rules == ()
    assert empty.version != load_policy("# changed\n", tools=TOOLS).version
    assert empty.version == load_policy("", tools=TOOLS).version


def after(line: str) -> str:
    """A rule on lines 1 and 2, and a line under test as line 3."""
    return f'[[rule]]\ndecision = "requires_approval"\n{line}\n'


# the text, the line of the mistake, what the message must say
MISTAKES: list[tuple[str, int, str]] = [
    ('[[rule]]\ndecision = "allow\n', 2, "Illegal character"),
    ("[[rule]]\ndecision =\n", 2, "Invalid value"),
    ('[[rule]]\ndecision = "allow"\n[[rule\n', 3, "Expected"),
    ('\nrules = "x"\n', 2, "'rules' is not known here; only [[rule]] tables are"),
    ('rule = "allow"\n', 1, "rules are written as [[rule]] tables"),
    ("rule = [1]\n", 1, "rules are written as [[rule]] tables"),
    ('[[rule]]\ntool = "*"\n', 1, "decision is missing; it is allow, requires_approval or deny"),
    (after('desicion = "deny"'), 3, "'desicion' is not known; a rule has name, tool"),
    ('[[rule]]\n\ndecision = "ask"\n', 3, "it is one of allow, requires_approval, deny"),
    ("[[rule]]\ndecision = 1\n", 2, "decision = 1 is not known"),
    (after('risk = "huge"'), 3, "it is one of low, medium, high, critical"),
    (after('risk = ["low", "huge"]'), 3, "risk = 'huge' is not known"),
    (after('risk = [["low"]]'), 3, "risk = ['low'] is not known"),
    (after('role = "boss"'), 3, "it is one of member, approver, admin"),
    (after('chat = "here"'), 3, 'should be "private", "group" or a chat id'),
    (after("chat = true"), 3, 'should be "private", "group" or a chat id'),
    (after("chat = 1.5"), 3, 'should be "private", "group" or a chat id'),
    (after('approvers = "boss"'), 3, "it is one of member, approver, admin"),
    (after("approvers = []"), 3, "a role in quotes, or a list of members' names"),
    (after('approvers = ["Carol", ""]'), 3, "a role in quotes, or a list of members' names"),
    (after("approvers = 3"), 3, "a role in quotes, or a list of members' names"),
    (after("count = 0"), 3, "should be a whole number from 1 to 20"),
    (after("count = 21"), 3, "should be a whole number from 1 to 20"),
    (after("count = true"), 3, "should be a whole number from 1 to 20"),
    (after('count = "2"'), 3, "should be a whole number from 1 to 20"),
    (after('self_approval = "yes"'), 3, "should be true or false"),
    (after('expires_after = "0h"'), 3, 'should be like "30m", "24h" or "7d"'),
    (after('expires_after = "soon"'), 3, 'should be like "30m", "24h" or "7d"'),
    (after("expires_after = 30"), 3, 'should be like "30m", "24h" or "7d"'),
    (after("name = 1"), 3, "should be a text in quotes"),
    (after("reason = false"), 3, "should be a text in quotes"),
    (after("tool = 5"), 3, "should be a text in quotes"),
    (after('tool = "send_mail"'), 3, "there are create_expense, create_task, print_label"),
    (after('"tool" = "send_*"'), 3, "no tool is named 'send_*'"),
    (
        '[[rule]]\nname = "a"\ndecision = "deny"\n\n[[rule]]\nname = "a"\ndecision = "deny"\n',
        6,
        "a rule named 'a' stands above already",
    ),
    # A mistake of the second rule is not put down to the first one's line of the same key.
    (f"{after('count = 1')}\n{after('count = 99')}", 7, "whole number from 1 to 20"),
    (f'{after("count = 1")}\n[[ rule ]]\ntool = "*"\n', 5, "decision is missing"),
    ('rule = [{decision = "deny", count = 99}]', 1, "whole number from 1 to 20"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_is_named_with_its_line_and_what_would_be_right(text: str, line: int, says: str) -> None:
    with pytest.raises(PolicyError) as raised:
        load_policy(text, tools=TOOLS)
    assert raised.value.line == line
    assert raised.value.message.startswith(f"policy, line {line}: ")
    assert says in raised.value.message


def test_a_text_that_breaks_off_is_said_to_do_so_on_its_last_line() -> None:
    with pytest.raises(PolicyError) as raised:
        load_policy('[[rule]]\ndecision = "allow"\n[[rule', tools=TOOLS)
    # Once: a last line without a newline is not counted (load._lines), so line 2 is named.
    assert raised.value.line == 3


@given(st.text(max_size=300))
@example("[[rule]]\nrisk = [[[]]]\n")
def test_no_text_makes_anything_but_a_policy_or_a_policy_error(text: str) -> None:
    try:
        load_policy(text, tools=TOOLS)
    except PolicyError as error:
        assert error.line >= 1  # noqa: PT017 - either answer is right


VALUES = st.recursive(
    st.sampled_from(
        ['"low"', '"allow"', '"deny"', '"admin"', '"private"', '"create_task"', "1", "-1", "true", '""']
    )
    | st.sampled_from(['"7d"', "1.5", "1979-05-27", "nan", '"[["', "99999999999999999999999"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=4,
)
KEYS = st.sampled_from(
    [
        "name",
        "tool",
        "risk",
        "role",
        "chat",
        "decision",
        "reason",
        "approvers",
        "count",
        "self_approval",
        "expires_after",
        "when",
    ]
)


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=5), max_size=3))
def test_tables_of_odd_values_make_a_policy_or_a_policy_error(tables: list[dict[str, str]]) -> None:
    text = "\n".join(
        "[[rule]]\n" + "\n".join(f"{key} = {value}" for key, value in table.items()) for table in tables
    )
    try:
        policy = load_policy(text, tools=TOOLS)
    except PolicyError as error:
        assert 1 <= error.line <= max(1, text.count("\n") + 1)  # noqa: PT017
    else:
        assert len(policy.rules) == len(tables)
