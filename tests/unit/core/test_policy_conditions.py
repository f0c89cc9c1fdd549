"""Conditions: what they see, that whatever goes wrong in one denies, that absurd ones never get in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ids import TenantId
from core.model import Channel, PolicyDecision, Risk, Tenant
from core.policy import Policy, evaluate
from core.policy.conditions import (
    MOST_CHARACTERS,
    MOST_DEEP,
    MOST_VALUES,
    ConditionError,
    ConditionFailed,
    Scene,
    read_condition,
)
from tests.e2e.rounds import rounds
from tests.unit.core.test_policy_evaluate import facts, judged, rule

TEAM = Tenant(id=TenantId("acme"), name="Acme", active=True, currency="EUR", timezone="Asia/Kolkata")
LATE = datetime(2026, 11, 20, 23, 45, tzinfo=UTC)
SEEN: dict[str, Any] = {
    "arguments": {"amount": "42.50", "count": 3, "tags": ["a", "b"], "none": None, "note": "Café “x”"},
    "title": "Note tea",
    "requester_name": "Ann",
    "tenant": TEAM,
    "now": LATE,
    "channel": Channel.API,
}


def holds(source: str, **changes: Any) -> bool:
    return read_condition(source).holds(Scene(facts(**(SEEN | changes))))


def fails(source: str, **changes: Any) -> str:
    with pytest.raises(ConditionFailed) as raised:
        holds(source, **changes)
    return raised.value.message


def mistake(source: str) -> ConditionError:
    with pytest.raises(ConditionError) as raised:
        read_condition(source)
    return raised.value


@pytest.mark.parametrize(
    "source",
    [
        "double(args.amount) > 42.0",
        "args.count == 3 && args.count < 4u",
        "args.tags.exists(tag, tag == 'b')",
        "args.tags.all(tag, size(tag) == 1)",
        "has(args.count) && !has(args.nope)",
        "args.none == null",
        "args.note.startsWith('Caf\\u00e9')",
        "args.note.matches(r'^\\w+ .x.$')",
        "user.id == 'ann' && user.name == 'Ann' && user.role == 'member'",
        "tenant.id == 'acme' && tenant.name == 'Acme' && tenant.currency == 'EUR' && tenant.members == 4",
        "tenant.timezone == 'Asia/Kolkata'",
        "call.tool == 'note' && call.risk == 'high' && call.title == 'Note tea'",
        "call.chat == '100' && call.private && call.channel == 'api'",
        "now == timestamp('2026-11-20T23:45:00Z')",
        "now - duration('1h') < now",
        "'all of it, exists (x) filter(' != '' // all, map",
        "args['count'] in [1, 2, 3]",
        "true || args.nope",
    ],
)
def test_what_conditions_see(source: str) -> None:
    assert holds(source)
    assert not holds(f"!({source.partition(' //')[0]})")


def test_the_hour_is_the_one_of_the_teams_clocks() -> None:
    assert holds("now.getHours() == 5 && now.getMinutes() == 15 && now.getDate() == 21")
    assert holds("now.getDayOfWeek() == 6")
    summer = datetime(2026, 7, 1, 12, tzinfo=UTC)
    berlin = Tenant(id=TEAM.id, name="B", active=True, currency="EUR", timezone="Europe/Berlin")
    assert holds("now.getHours() == 14", tenant=berlin, now=summer)
    assert holds("now.getHours() == 13", tenant=berlin, now=summer + timedelta(days=183))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("args.nope == 1", "there is no nope"),
        ("args.amount > 40", "No such overload"),
        ("args.count", "neither true nor false"),
        ("'true'", "neither true nor false"),
        ("args.none", "neither true nor false"),
        ("args.count / 0 == 1", "division by zero"),
        ("int(args.note) > 1", "invalid digit"),
        ("args.note.matches('[')", "not a valid regex"),
        ("args.tags.exists(t, t == 'a') && t == 'a'", "Undefined variable"),
        ("args.tags[5] == 'a'", "5"),
    ],
)
def test_a_condition_that_comes_to_no_answer_denies_with_the_reason(source: str, says: str) -> None:
    assert says in fails(source)
    for decision in PolicyDecision:
        verdict = judged(rule(decision.value, when=read_condition(source)), rule("allow", name="s"), **SEEN)
        assert verdict.decision is PolicyDecision.DENY
        assert verdict.rule == "r"
        assert says in verdict.reason


def test_what_is_not_known_is_not_there_and_denies() -> None:
    assert "Undefined" in fails("now.getHours() > 1", now=None)
    assert "Undefined" in fails("now.getHours() > 1", tenant=None)
    assert "Undefined" in fails("tenant.members > 1", tenant=None)
    mars = Tenant(id=TEAM.id, name="x", active=True, currency="EUR", timezone="Mars/Olympus")
    assert "Mars" in fails("now.getHours() > 1", tenant=mars)


def test_a_condition_that_is_not_true_passes_the_call_on_and_one_that_is_decides() -> None:
    small = rule("allow", name="small", when=read_condition("double(args.amount) <= 20.0"))
    large = rule("deny", name="large", when=read_condition("double(args.amount) > 40.0"))
    assert judged(small, large, **SEEN).rule == "large"
    assert judged(small, **SEEN).rule == "default for high risk"


def test_a_condition_is_asked_only_where_the_plain_fields_match() -> None:
    broken = read_condition("args.nope == 1")
    for change in (
        {"tool": "pay"},
        {"risks": frozenset({Risk.LOW})},
        {"chat": "group"},
        {"channels": frozenset({Channel.MCP})},
    ):
        assert judged(rule("allow", when=broken, **change), **SEEN).rule == "default for high risk"


@pytest.mark.parametrize(
    ("source", "line", "column", "says"),
    [
        ("", 1, 1, "the end"),
        ("args.count >", 1, 13, "the end"),
        ("args.count = 3", 1, 12, "token recognition error"),
        ("args.count == 3 &&\n  (args.count", 2, 14, "the end"),
        ("who == 'me'", 1, 1, "there is no variable 'who'; there are args, call, now, tenant, user"),
        ("args.count == 3 && usr.role == 'admin'", 1, 20, "did you mean 'user'?"),
        ("user.rol == 'admin'", 1, 6, "user has no 'rol'; it has id, name, role; did you mean 'role'?"),
        ("true &&\n tenant . size > 3", 2, 11, "tenant has no 'size'"),
        ("args.count == 3 && lenght(args.tags) > 1", 1, 20, "there is no function 'lenght'"),
        ("args.tags.exist(t, true)", 1, 11, "there is no function 'exist'; there are all"),
        ("type(args.count) == int", 1, 1, "there is no function 'type'; there are all, contains,"),
        ("dyn(args.count) == 3", 1, 1, "there is no function 'dyn'"),
        (
            "args.tags.all(a, args.tags.all(b, a == b))",
            1,
            28,
            "only one of all, exists, exists_one, map, filter",
        ),
        ("'''x''' == args.note", 1, 1, "single quotes"),
        ('args.note == """x"""', 1, 14, "single quotes"),
        ("(" * (MOST_DEEP + 1) + "true" + ")" * (MOST_DEEP + 1), 1, MOST_DEEP + 1, "nested more than"),
        ("true" + " " * MOST_CHARACTERS, 1, 1, "at most 1,000 characters, this has 1,004"),
        ("9" * 40 + " > 1", 1, 1, "cannot be read"),
        ('"\\ud800" == args.note', 1, 1, "cannot be read"),
        ("\x00", 1, 1, "cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_place(source: str, line: int, column: int, says: str) -> None:
    found = mistake(source)
    assert says in found.message
    assert (found.line, found.column) == (line, column)


def test_what_stands_in_a_text_or_a_comment_is_no_loop_and_no_bracket() -> None:
    assert holds("args.note != 'x.map(' && args.note != \"y.filter(\" && args.tags.exists(t, t == 'a')")
    assert holds(f"args.note != '{'(' * 40}' && args.note != r'\\' && args.note != 'it\\'s ((('")


def nested(deep: int) -> Any:
    value: Any = 1
    for _ in range(deep):
        value = [value]
    return value


def test_arguments_beyond_all_measure_never_reach_the_library() -> None:
    """Nested 20,000 deep they end the process; a loop over as many takes minutes."""
    for deep in (MOST_DEEP, 20_000):
        assert "nested more than" in fails("size(args) > 0", arguments={"x": nested(deep)})
    assert holds("size(args) > 0", arguments={"x": nested(MOST_DEEP - 3)})
    assert "more than 1,000 values" in fails("size(args) > 0", arguments={"x": [0] * MOST_VALUES})
    assert "more than 1,000 values" in fails(
        "size(args) > 0", arguments={"x": {str(n): n for n in range(MOST_VALUES)}}
    )
    assert holds("args.x.map(n, n + 1).size() == 998", arguments={"x": [0] * (MOST_VALUES - 2)})


class Interrupted(dict[str, Any]):
    """Arguments during whose reading somebody presses Ctrl+C."""

    def keys(self) -> Any:
        raise KeyboardInterrupt

    def __iter__(self) -> Iterator[str]:
        raise KeyboardInterrupt


def test_somebody_who_stops_the_process_is_no_denial() -> None:
    with pytest.raises(KeyboardInterrupt):
        holds("size(args) > 0", arguments=Interrupted())


def test_two_of_the_same_source_are_the_same_condition() -> None:
    one, other = read_condition("true"), read_condition("true")
    assert one == other
    assert one != read_condition("false")
    assert "true" in repr(one)


def test_the_library_is_loaded_with_the_first_condition_and_without_its_command_line() -> None:
    code = (
        "import sys; import core.policy; assert 'cel.cel' not in sys.modules;"
        "from core.policy.conditions import read_condition; read_condition('true');"
        "assert 'cel.cel' in sys.modules; assert not {'cel', 'prompt_toolkit', 'cel.cli'} & set(sys.modules);"
        "import cel; assert cel.compile('true').execute({}) is True"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


WORDS = st.sampled_from(
    """args args.amount args.count args.tags args.note args.nope args.none user.role tenant.members now x
    1 0 -1 9223372036854775807 1u 1.5 'a' "b" '' b'x' true false null == != < > <= >= && || + - * / % ? : in
    ! ( ) [ ] { } , . size( has( int( double( string( timestamp( duration( dyn( .matches( .contains( .map(x,
    .all(x, .exists(x, .filter(x, .getHours() '\\u00e9' '\\xff' '1h' // ''' optional A{ \n é \u202e""".split(
        " "
    )
)
SOURCES = (
    st.text(max_size=60)
    | st.lists(WORDS, max_size=40).map(" ".join)
    | st.lists(WORDS, max_size=9).map("".join)
)


@settings(max_examples=rounds(normal=250, full=1000), deadline=None)
@given(SOURCES)
def test_no_source_makes_anything_but_an_answer_a_failure_or_a_mistake(source: str) -> None:
    """And what is no plain true or false denies, whatever the rule would have decided."""
    try:
        condition = read_condition(source)
    except ConditionError as error:
        assert error.line >= 1  # noqa: PT017
        assert error.column >= 1  # noqa: PT017
        return
    seen = facts(**SEEN)
    verdict = evaluate(Policy(rules=(rule("allow", when=condition),)), seen)
    try:
        answer = condition.holds(Scene(seen))
    except ConditionFailed:
        assert verdict.decision is PolicyDecision.DENY
    else:
        assert (verdict.rule == "r") is answer


def test_a_condition_may_be_asked_in_another_thread() -> None:
    condition, scene = read_condition("args.count == 3"), Scene(facts(**SEEN))
    assert condition.holds(scene)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(condition.holds, scene).result()
        assert pool.submit(condition.holds, Scene(facts(**SEEN))).result()
