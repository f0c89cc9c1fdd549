"""Whatever a tool hands over or raises: the runner does not raise, and gives what can be stored."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ToolError
from core.lifecycle import Status
from core.parsing.text import storable
from core.runner import FALLBACK_ERROR, LONGEST_WAIT_S
from core.tool import RunResult, ToolContext, ToolFault, ToolResult
from tests.e2e.rounds import rounds
from tests.unit.core.running import Behaviour, giving, raising, ran

SOME = settings(max_examples=rounds(normal=150, full=2000), deadline=None)


class Mute(Exception):
    """Breaks where it is to tell of itself."""

    def __str__(self) -> str:
        raise RuntimeError("not even that")


class Unmade(ToolError):
    """Has none of what a ToolError has."""

    def __init__(self) -> None:
        pass


BAD: list[Any] = [
    ToolResult(references={"number": 5}),  # type: ignore[dict-item]
    ToolResult(references={5: "number"}),  # type: ignore[dict-item]
    ToolResult(references={"path": "a\0b"}),
    ToolResult(references=[("path", "p")]),  # type: ignore[arg-type]
    ToolResult(data={"ratio": math.nan}),
    ToolResult(data=[-math.inf]),
    ToolResult(error="bad"),  # type: ignore[arg-type]
    ToolResult(text=None),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("given_back", BAD, ids=repr)
async def test_what_is_no_proper_result_is_a_bad_one(given_back: Any) -> None:
    result = await ran(giving(given_back))
    assert (result.status, result.error, result.error_class) == (Status.FAILED, FALLBACK_ERROR, "bad_result")
    assert result.healthy is False


RAISED: list[tuple[BaseException, str, str]] = [
    (ValueError("no file 'a\udcffb'"), "no file 'a\ufffdb'", "ValueError"),
    (ValueError("no\0ink"), "no\ufffdink", "ValueError"),
    (Mute(), FALLBACK_ERROR, "Mute"),
    (ToolError(7), "7", "tool_error"),  # type: ignore[arg-type]
    (ToolError(Mute()), FALLBACK_ERROR, "tool_error"),  # type: ignore[arg-type]
    (ToolError("no", error_class="a\0b"), "no", "a\ufffdb"),
    (ToolError("no", error_class=None), "no", "tool_error"),  # type: ignore[arg-type]
    (Unmade(), FALLBACK_ERROR, "bad_result"),
]


@pytest.mark.parametrize(("error", "told", "error_class"), RAISED, ids=lambda value: type(value).__name__)
async def test_what_cannot_be_told_as_it_is_is_told_all_the_same(
    error: BaseException, told: str, error_class: str
) -> None:
    result = await ran(raising(error))
    assert (result.status, result.error, result.error_class) == (Status.FAILED, told, error_class)


async def test_what_may_have_been_done_stays_so_whatever_its_words() -> None:
    result = await ran(raising(ToolError(Mute(), unclear=True)))  # type: ignore[arg-type]
    assert (result.status, result.error) == (Status.INTERRUPTED, FALLBACK_ERROR)


async def test_a_result_is_not_lost_over_a_character() -> None:
    result = await ran(giving(ToolResult(text="5 \0\ud800 printed", data="a\0b")))
    assert (result.status, result.text, result.data) == (
        Status.COMPLETED,
        "5 \ufffd\ufffd printed",
        "a\0b",  # which is escaped in JSON
    )


async def test_a_tool_that_breaks_before_it_can_be_awaited_is_told_of() -> None:
    def plain(_arguments: Any, _context: ToolContext) -> ToolResult:
        raise Unmade

    assert (await ran(plain)).status is Status.FAILED


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        (7, 7),
        (0.0, 0.0),
        (math.nan, None),
        (-1, None),
        ("soon", None),
        (math.inf, LONGEST_WAIT_S),
        (10**400, LONGEST_WAIT_S),
    ],
)
async def test_only_a_length_of_time_is_waited_for(wanted: Any, kept: float | None) -> None:
    for behaviour in (
        raising(ToolError("later", transient=True, retry_after_s=wanted)),
        giving(ToolResult(error=ToolFault(message="later", transient=True, retry_after_s=wanted))),
    ):
        result = await ran(behaviour)
        assert (result.error, result.retry_after_s) == ("later", kept)


TEXT = st.text(st.characters() | st.sampled_from("\0\ud800\udcff"), max_size=8)
THING = st.none() | st.integers() | st.floats() | st.binary(max_size=2) | st.builds(object) | st.builds(Mute)
WORDS = TEXT | THING
DATA = st.recursive(
    WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
TOLD = {"error_class": WORDS, "transient": st.booleans(), "retry_after_s": WORDS}
FAULT = st.builds(ToolFault, message=WORDS, **TOLD)
RESULT = st.builds(
    ToolResult,
    text=WORDS,
    data=DATA,
    references=st.dictionaries(TEXT, TEXT, max_size=2) | DATA,
    error=st.none() | FAULT | WORDS,
)
ERROR = (
    st.builds(ToolError, WORDS, unclear=st.booleans(), **TOLD)
    | st.builds(ValueError, WORDS)
    | st.builds(OSError, st.integers(0, 40), TEXT, TEXT)
    | st.builds(Mute)
    | st.builds(Unmade)
)
ENDING = (RESULT | DATA).map(giving) | ERROR.map(raising)


def after(text: Any, data: Any, ending: Behaviour) -> Behaviour:
    async def behaviour(arguments: Any, context: ToolContext) -> ToolResult:
        context.partial(text, data)
        return await ending(arguments, context)

    return behaviour


@SOME
@given(WORDS, DATA, ENDING)
def test_nothing_that_a_tool_hands_over_is_raised_or_cannot_be_stored(
    text: Any, data: Any, ending: Behaviour
) -> None:
    result: RunResult = asyncio.run(ran(after(text, data, ending)))
    names = [word for pair in result.references.items() for word in pair]
    told = [result.text, result.error or "", result.error_class or "", *names]
    assert all(storable(each) for each in told)
    assert (result.error is None) == (result.status is Status.COMPLETED)
    json.dumps(result.data, ensure_ascii=False, allow_nan=False).encode()
    assert result.retry_after_s is None or 0 <= result.retry_after_s <= LONGEST_WAIT_S
