"""A call's attempts, as people read them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bot.telegram.render.parts import Scene
from bot.telegram.render.tries import again, attempts, tried
from core.lifecycle import Status
from core.model import Attempt
from core.registry import ToolRegistry
from tests.kit.clock import NOON
from tests.kit.records import attempt, call
from tests.kit.tools import tool
from tests.unit.render.kit import view


def scene(*tries: Attempt, status: Status = Status.COMPLETED) -> Scene:
    made = call(status=status, attempts=len(tries))
    known = tool(made.tool, adapter="mail")
    seen = replace(view(made), attempts=tries)
    return Scene(view=seen, tool=known, now=NOON, registry=ToolRegistry([known]), private=True)


def one(
    number: int, adapter: str | None = "mail", error: str | None = None, kind: str | None = None
) -> Attempt:
    return replace(attempt(call()), number=number, adapter=adapter, error=error, error_class=kind)


def failures(count: int) -> list[Attempt]:
    return [one(number, error="busy") for number in range(1, count + 1)]


def test_most_calls_say_nothing_of_attempts() -> None:
    assert (tried(scene(one(1))), attempts(scene(one(1))), again(scene(one(1)))) == ("", [], "")
    assert (tried(scene()), again(scene())) == ("", "")


@pytest.mark.parametrize(("count", "nth"), [(2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st")])
def test_a_call_that_took_several_says_how_many(count: int, nth: str) -> None:
    assert tried(scene(*failures(count))) == f"🔁 Done at the {nth} attempt."
    assert tried(scene(*failures(count), status=Status.FAILED)) == f"🔁 Failed after {count} attempts."


def test_one_that_waited_and_was_never_begun_does_not_count() -> None:
    assert tried(scene(one(1), one(2, None), one(3))) == "🔁 Done at the 2nd attempt."


def test_another_adapter_is_named() -> None:
    assert tried(scene(one(1, "spare"))) == "🔁 Run over spare, since mail did not answer."
    told = tried(scene(one(1), one(2, "<b>")))
    assert told == "🔁 Done at the 2nd attempt over &lt;b&gt;, since mail did not answer."


def test_each_failure_is_listed_with_its_reason_and_many_are_cut() -> None:
    (line,) = attempts(scene(one(1, error="<i>busy"), one(2)))
    assert line.startswith("Attempt 1, ")
    assert line.endswith(": <i>&lt;i&gt;busy</i>")
    listed = attempts(scene(*failures(9)))
    assert (len(listed), listed[0]) == (7, "… 3 earlier attempts")


def test_a_running_call_says_which_attempt_it_is_and_why() -> None:
    lost = one(1, error="x", kind="worker_lost")
    assert again(scene(lost, one(2))) == "attempt 2, the worker before it stopped"
    assert again(scene(one(1, error="busy", kind="busy"), one(2))) == "attempt 2"
