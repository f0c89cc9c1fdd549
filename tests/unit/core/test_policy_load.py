from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.model import Channel, PolicyDecision, Risk, Role
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
approvers = "approver"
count = 2
self_approval = false
expires_after = "30m"
channel = ["telegram", "cli"]
when = "args.count > 3"
denials = 2
remind_after = "10m"
escalate_to = "admin"
cards_to = "approvers"

[[rule]]
chat = -100123
decision = "requires_approval"
approvers = ["Carol", " Dave "]
cards_to = -77
"""


def test_a_policy_is_read_whole() -> None:
    policy = load_policy(GOOD, tools=TOOLS)
    first, second, third = policy.rules
    assert (first.name, first.decision, first.risks) == (
        "small expenses",
        PolicyDecision.ALLOW,
        frozenset({Risk.LOW}),
    )
    assert second.approvers is Role.APPROVER
    assert (second.count, second.self_approval, second.expires_after_s) == (2, False, 1800)
    assert (second.roles, second.chat, second.reason) == (
        frozenset({Role.MEMBER}),
        "group",
        "labels cost money",
    )
    assert second.channels == frozenset({Channel.TELEGRAM, Channel.CLI})
    assert second.when is not None
    assert second.when.source == "args.count > 3"
    assert (second.denials, second.remind_after_s, second.escalate_to) == (2, 600, Role.ADMIN)
    assert (second.cards_to, third.cards_to) == ("approvers", "-77")
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
    (after('desicion = "deny"'), 3, "did you mean 'decision'?"),
    (after('risk = "hihg"'), 3, "did you mean 'high'?"),
    (after('tool = "create_tsk"'), 3, "did you mean 'create_task'?"),
    (after('channel = "sms"'), 3, "it is one of telegram, api, mcp, cli, system"),
    (after("when = true"), 3, "when = True should be a condition in quotes"),
    (after('when = ""'), 3, "when: it cannot be read: mismatched input the end"),
    (after("denials = 0"), 3, "denials = 0 should be a whole number from 1 to 20"),
    (after('remind_after = "x"'), 3, "remind_after = 'x' should be like"),
    (after('expires_after = "1h"\nremind_after = "1h"'), 4, "shorter than expires_after"),
    (after('escalate_to = "boss"'), 3, "it is one of member, approver, admin"),
    (after('escalate_to = "approver"'), 3, "asks nobody besides those who sign anyway"),
    (after('approvers = "admin"\nescalate_to = "admin"'), 4, "asks nobody besides"),
    (after('cards_to = "me"'), 3, 'should be "requester", "approvers" or a chat id'),
    (after('cards_to = ["a"]'), 3, 'should be "requester", "approvers" or a chat id'),
    (after('approvers = ["Ann"]\ncount = 2'), 4, "count = 2 is more than the 1 who are named"),
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
    assert raised.value.message.startswith(f"policy, line {line}, column {raised.value.column}: ")
    assert raised.value.column >= 1
    assert says in raised.value.message


@pytest.mark.parametrize("value", ["[" * 10_000, "9" * 5_000], ids=["nested", "long number"])
def test_what_the_toml_reader_itself_breaks_at_is_a_mistake_too(value: str) -> None:
    with pytest.raises(PolicyError, match="nested too deeply, or holds a number that is far too long"):
        load_policy(after(f"count = {value}"), tools=TOOLS)


def test_a_text_that_breaks_off_is_said_to_do_so_on_its_last_line() -> None:
    with pytest.raises(PolicyError) as raised:
        load_policy('[[rule]]\ndecision = "allow"\n[[rule', tools=TOOLS)
    # Once: a last line without a newline is not counted (load._lines), so line 2 is named.
    assert raised.value.line == 3


# what is written, and where the mistake inside the condition is
PLACES: list[tuple[str, int, int]] = [
    (after('when = "args.count >"'), 3, 21),
    (after("when = 'args.count >'"), 3, 21),
    (after('  "when"   =   "usr.role == 1"'), 3, 17),
    (after('when = "args.note == \\"x\\" && usr.role == 1"'), 3, 31),
    (after('when = "\\u0061rgs.note == 1 && usr.role == 1"'), 3, 32),
    (after('when = "true &&\\n usr == 1"'), 3, 19),
    (after("when = '''\nargs.count == 3 &&\n  usr.role == 1\n'''"), 5, 3),
    (after('when = """args.count == 3 &&\n  usr.role == 1"""'), 4, 3),
    (after('when = """\nargs.count \\\n   == 3 && usr.role == 1"""'), 5, 12),
    ("\n".join([after("count = 1"), after('when = "usr == 1"')]), 7, 9),
    ('rule = [{decision = "deny", when = "usr == 1"}]', 1, 1),
]


@pytest.mark.parametrize(("text", "line", "column"), PLACES)
def test_a_mistake_inside_a_condition_has_the_place_that_it_has_in_the_file(
    text: str, line: int, column: int
) -> None:
    with pytest.raises(PolicyError) as raised:
        load_policy(text, tools=TOOLS)
    assert (raised.value.line, raised.value.column) == (line, column), raised.value.message


def test_a_mistake_has_the_column_of_its_key() -> None:
    for text, column in (
        (after("  count = 0"), 3),
        (after('"count" = 0'), 1),
        ('\n  [[rule]]\ntool = "*"\n', 3),
    ):
        with pytest.raises(PolicyError) as raised:
            load_policy(text, tools=TOOLS)
        assert raised.value.column == column, text


def rules(*tables: str) -> str:
    return "\n".join(
        f'[[rule]]\nname = "r{n}"\ndecision = "deny"\n{table}' for n, table in enumerate(tables, 1)
    )


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("", 'tool = "create_task"'),
        ("", ""),
        ('tool = "create_*"', 'tool = "create_task"\nrisk = "low"'),
        ('tool = "create_*"', 'tool = "create_*"\nwhen = "args.count > 3"'),
        ('risk = ["low", "high"]', 'risk = "low"\nchat = "group"'),
        ('risk = ["low", "medium", "high", "critical"]', ""),
        ('role = ["member", "admin"]', 'role = "admin"'),
        ('channel = ["api", "cli"]', 'channel = "cli"'),
        ('chat = "-100"', "chat = -100\ncount = 2"),
        ('tool = "*_*"', ""),
    ],
)
def test_a_rule_that_one_above_takes_everything_from_is_a_mistake(earlier: str, later: str) -> None:
    with pytest.raises(PolicyError, match="the rule 'r2' never decides: 'r1' above takes all") as raised:
        load_policy(rules(earlier, later), tools=TOOLS)
    assert raised.value.line == rules(earlier, later).splitlines().index("[[rule]]", 1) + 1


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ('when = "args.count > 3"', ""),
        ('tool = "create_task"', 'tool = "create_*"'),
        ('risk = "low"', ""),
        ('risk = "low"', 'risk = ["low", "high"]'),
        ('role = "member"', 'role = "approver"'),
        ('channel = "api"', ""),
        ('chat = "private"', 'chat = "group"'),
        ('chat = "-100"', ""),
    ],
)
def test_a_rule_that_something_is_left_for_is_none(earlier: str, later: str) -> None:
    assert len(load_policy(rules(earlier, later), tools=TOOLS).rules) == 2


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
        "channel",
        "denials",
        "remind_after",
        "escalate_to",
        "cards_to",
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
