"""Several actions in one text: parted only where every part is clear, and never at the cost of a word."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.parsing import Candidate, Reading, understand_several
from core.parsing.index import index_of
from core.parsing.reader import LONGEST_SENTENCE
from core.parsing.several import MOST, split
from tests.e2e.rounds import rounds
from tests.unit.parsing.kit import CONTEXT, REGISTRY, RISKY, read
from tests.unit.parsing.test_dangerous import DANGEROUS

TAXI = "expense 12 EUR taxi"
DINNER = "expense 40 EUR dinner"


def several(text: str) -> Sequence[Candidate] | None:
    return understand_several(text, registry=REGISTRY, context=CONTEXT)


def parts(text: str) -> list[str]:
    return split(text, index=index_of(REGISTRY), context=CONTEXT)


def tools(text: str) -> list[str] | None:
    found = several(text)
    return None if found is None else [each.tool for each in found]


@pytest.mark.parametrize(
    "text",
    [
        f"{TAXI} and {DINNER}",
        f"{TAXI}, and {DINNER}",
        f"{TAXI} and then {DINNER}",
        f"{TAXI}, then {DINNER}",
        f"{TAXI} AND {DINNER}",
        f"{TAXI}; {DINNER}",
        f"{TAXI}\n{DINNER}",
        f"{TAXI}\r\n\r\n{DINNER}\n",
        f"- {TAXI}\n- {DINNER}",
        f"1. {TAXI}\n2) {DINNER}",
        f"\u2022 {TAXI}\n\u2022 {DINNER}",
    ],
)
def test_two_actions_are_two(text: str) -> None:
    found = several(text)
    assert found is not None
    assert [(each.tool, each.arguments["amount"], each.arguments["description"]) for each in found] == [
        ("create_expense", "12", "taxi"),
        ("create_expense", "40", "dinner"),
    ]


def test_three_of_different_kinds_stay_in_their_order() -> None:
    assert tools(f"add task buy milk and list tasks and {TAXI}") == [
        "create_task",
        "list_tasks",
        "create_expense",
    ]


def test_commands_and_calls_are_parted_by_lines_only() -> None:
    assert tools("/task a\n/expense 3 EUR b\nlist tasks") == ["create_task", "create_expense", "list_tasks"]
    assert several(f"/task buy milk and {TAXI}") is None
    assert several(f"create_task title=x and {TAXI}") is None
    assert several(f"/nothing and {TAXI}") is None


@pytest.mark.parametrize(
    "text",
    [
        "create task: buy milk and eggs",
        "add task buy milk, butter and bread",
        "remind me to call mum and dad",
        "expense 12 EUR taxi and dinner",
        "expense 12 EUR taxi and 40 EUR dinner",
        TAXI,
        "",
        "and",
        "what's on my list",
        f'add task "{TAXI} and {DINNER}"',
        f"add task \u201c{TAXI} and {DINNER}\u201d",
        f"add task 'buy and {DINNER}'",
        f'add task "buy and {DINNER}',
        f'add task "first\n{DINNER}"',
    ],
)
def test_one_action_stays_one(text: str) -> None:
    assert several(text) is None


@pytest.mark.parametrize(
    "text",
    [
        f"don't {TAXI} and {DINNER}",
        f"if it rains, {TAXI} and {DINNER}",
        f"he said {TAXI} and {DINNER}",
        f"{TAXI} and {DINNER}, just kidding",
        f"{TAXI} and {DINNER}?",
        f"{TAXI} and expense 40",
        f"{TAXI} and expense",
        f"{TAXI}\nsome other line",
        f"{TAXI}\n/nothing",
        f"{TAXI} and print label\u200b: hello",
        f"{TAXI} and {DINNER} or {DINNER}",
    ],
)
def test_one_part_in_doubt_leaves_the_text_whole(text: str) -> None:
    assert several(text) is None


def test_apostrophes_part_nothing_and_hide_nothing() -> None:
    assert tools(f"add task call Ann's mum and {TAXI}") == ["create_task", "create_expense"]
    assert tools(f"add task water the dogs' bowl and {TAXI}") == ["create_task", "create_expense"]
    assert parts("add task say 'it's time' and list tasks") == ["add task say 'it's time'", "list tasks"]


def test_what_was_forwarded_is_not_parted() -> None:
    quoted = replace(CONTEXT, quoted=True)
    assert understand_several(f"{TAXI}\n{DINNER}", registry=REGISTRY, context=quoted) is None


def test_too_many_and_too_long_are_left_whole() -> None:
    assert tools("\n".join([TAXI] * MOST)) == ["create_expense"] * MOST
    assert several("\n".join([TAXI] * (MOST + 1))) is None
    assert several(f"{TAXI}\nadd task {'x' * LONGEST_SENTENCE}") is None


# --- properties --------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        TAXI,
        DINNER,
        "add task buy milk",
        "list tasks",
        "print label: hello",
        "/task a",
        "create_task title=x",
        "eggs",
        "don't",
        '"quoted',
        'text"',
        "Ann's",
        "'single'",
        "\u201cq\u201d",
        "12 EUR",
        "- x",
    ]
)
JOINTS = st.sampled_from(
    [" and ", ", and ", "; ", "\n", " then ", " also ", ", ", " or ", " ", "\r\n", " and then "]
)
TEXTS = st.lists(st.tuples(PIECES, JOINTS), min_size=1, max_size=7).map(
    lambda pairs: "".join(piece + joint for piece, joint in pairs)
)
_DROPPED = re.compile(r"(?i)\b(?:and|then|also|plus)\b|[\s,;\-*\u2022\u2013]|[0-9]{1,2}[.)]\s")


@given(st.one_of(TEXTS, st.text(max_size=200)))
@settings(max_examples=rounds(normal=150, full=400), deadline=None)
def test_parting_loses_nothing_but_joints(text: str) -> None:
    found = parts(text)
    assert _DROPPED.sub("", "".join(found)) == _DROPPED.sub("", text.strip())
    at = 0
    for part in found:
        at = text.index(part, at) + len(part)


@given(TEXTS)
@settings(max_examples=rounds(normal=100, full=300), deadline=None)
def test_every_part_is_what_it_would_be_alone(text: str) -> None:
    found = several(text)
    if found is None:
        return
    alone = [read(part) for part in parts(text)]
    assert all(each.reading is Reading.PROPOSE for each in alone)
    assert [each.candidates[0] for each in alone] == list(found)
    assert len(found) >= 2


@pytest.mark.parametrize("joint", [" and ", "\n", "; ", ", then "])
def test_t13_a_dangerous_part_is_never_let_through_by_being_joined(joint: str) -> None:
    """What is not proposed for a risky tool by itself is not in company either, before or after something
    harmless. Texts that are several actions already are none of these: each part of them is judged alone."""
    single = [text for text in DANGEROUS if len(parts(text)) == 1]
    harmless = {"12", "40"}
    for text in single:
        for joined in (
            f"{text}{joint}list tasks",
            f"list tasks{joint}{text}",
            f"{TAXI}{joint}{text}{joint}{DINNER}",
        ):
            risky = [each for each in several(joined) or () if each.tool in RISKY]
            assert {str(each.arguments.get("amount")) for each in risky} <= harmless, joined
    assert len(single) > 100
    tried = 3 * len(single)
    print(f"T13: {tried}/{tried} texts, joined by {joint!r}, 0 proposed for a risky tool")
