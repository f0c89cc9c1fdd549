"""T12: whatever the text, there is a result, and soon."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.parsing import Candidate, Reading, fill
from core.registry import validate
from tests.e2e.rounds import FULL, rounds
from tests.unit.parsing.kit import CONTEXT, REGISTRY, best, read
from tests.unit.parsing.test_understand import ROWS

ALL_TEXTS = 1_000
ROUNDS = rounds(normal=ALL_TEXTS // 10, full=ALL_TEXTS)
LONG = 100_000

PARSERS = {
    "commands": ["/", "/task ", "/expense 5 ", "/label "],
    "calls": ["create_task title=", 'create_task title="', "http_call {", "http_call headers="],
    "sentences": ["", "create task: ", "add ", "done with ", "expense ", "i spent ", "can you "],
    "answers": ["/task", "/expense", "/expense 5", "/done"],
}
"""What each parser's texts begin with; for answers, the command that asks."""
HEADS = [head for parser in ("commands", "calls", "sentences") for head in PARSERS[parser]]
BODIES = [
    "a ",
    ". ",
    ":",
    "a:",
    '"',
    '\\"',
    "\\",
    "[",
    '{"a":',
    "{",
    "9",
    "due friday ",
    "due:friday ",
    "to my ",
]
BODIES += [
    "and ",
    "and expense 5 ",
    ", done with ",
    " -",
    "\0",
    "\ud800",
    "\u202e",
    "\u200b",
    "аb",
    "👩\u200d",
]
BODIES += [
    "\n/task a",
    "\uff21",
    "“",
    "; ",
    "5 ",
    "1,",
    "please ",
    "x",
    "\t",
    "\u2028",
    "for @",
    "= ",
    "é",
    "не ",
]


def hostile(source: random.Random, head: str, number: int) -> str:
    """Every class of payload in turn, at short and at full length, alone and mixed."""
    body = BODIES[number % len(BODIES)]
    match (number + number // len(BODIES)) % 4:
        case 0:
            return (head + body * LONG)[:LONG]
        case 1:
            return (head + body * 4096)[:4096]
        case 2:
            return head + "".join(source.choice(BODIES) for _ in range(400))
        case _:
            return (
                "".join(chr(source.randrange(0x110000)) for _ in range(source.randrange(200))) + head + body
            )


def give(parser: str, source: random.Random, number: int) -> Callable[[], Reading]:
    """Giving a parser the hostile text of this number."""
    head = PARSERS[parser][(number // 4) % len(PARSERS[parser])]
    if parser != "answers":
        text = hostile(source, head, number)
        return lambda: read(text).reading
    asked, answer = best(head), hostile(source, "", number)
    return lambda: answered(asked, answer)


def answered(asked: Candidate, answer: str) -> Reading:
    try:
        return fill(asked, asked.missing[0], answer, registry=REGISTRY, context=CONTEXT).reading
    except InvalidInput:
        return Reading.INVALID


@pytest.mark.parametrize("parser", PARSERS)
def test_t12_any_text_gives_a_result_in_time(parser: str) -> None:
    """The times are the parser's own, on its processor: what else runs on the machine does not count."""
    source = random.Random(12)
    read("warm up")
    took: list[float] = []
    for number in range(ROUNDS):
        work = give(parser, source, number)
        start = time.thread_time()
        assert work() in Reading
        took.append(time.thread_time() - start)
    took.sort()
    p99, longest = took[int(len(took) * 0.99) - 1], took[-1]
    if FULL:
        assert p99 < 0.05
        assert longest < 1
    print(
        f"T12 {parser}: {len(took)}/{ALL_TEXTS} texts, 0 exceptions,"
        f" p99 {p99 * 1e3:.1f} ms, longest {longest * 1e3:.1f} ms"
    )


@pytest.mark.parametrize("head", HEADS)
def test_every_length_limit_is_safe_on_both_sides(head: str) -> None:
    for size in (4095, 4096, 4097, 8191, 8192, 8193, 262_144, 262_145):
        assert read((head + "a " * size)[:size]).reading in Reading, size


def test_long_text_is_kept_whole() -> None:
    text = "expense_note " + "wörd " * 30_000 + "end"
    found = read("http_call url=x tags=[] headers={}")
    assert found.reading is Reading.PROPOSE
    assert read(text).reading is Reading.UNKNOWN
    assert (
        read("create_expense amount=5 description=" + f'"{text}"').candidates[0].arguments["description"]
        == text
    )
    assert read(f"/expense 5 {text}").candidates[0].arguments["description"] == text


@given(st.text(max_size=300))
@settings(max_examples=rounds(normal=80, full=200))
def test_no_text_raises(text: str) -> None:
    sound(text)


_WORDS = sorted({word for row in ROWS for word in row[0].split(" ")} | {"/task", "\n", '"', ";", "\u200b"})


@given(st.lists(st.sampled_from(_WORDS), max_size=14))
@settings(max_examples=rounds(normal=120, full=300))
def test_no_mixture_of_known_words_raises(words: list[str]) -> None:
    sound(" ".join(words))


def sound(text: str) -> None:
    """The result of any text is consistent and what it would run is valid."""
    found = read(text)
    if found.reading is Reading.INVALID:
        assert found.problem is not None
        assert not found.candidates
    for one in found.candidates:
        assert 0.5 <= one.confidence <= 1
        if not one.missing:
            validate(REGISTRY.get(one.tool), one.arguments)
    assert all(a.confidence >= b.confidence for a, b in pairwise(found.candidates))
    if found.reading is Reading.UNKNOWN:
        assert not found.candidates
        assert all(REGISTRY.find(name) for name in found.nearest)
