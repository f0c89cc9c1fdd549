"""How long to wait before an attempt."""

from __future__ import annotations

from msgspec.structs import replace

from bot.workers.backoff import Backoff
from core.engine import Started
from core.registry import ToolRegistry
from core.tool import Retry
from tests.kit.records import attempt, call
from tests.kit.tools import tool

RETRY = Retry(attempts=9, first_wait_s=0.5, longest_wait_s=6.0, jitter_s=0.0)


def waits(retry: Retry | None, numbers: range) -> list[float]:
    made = call()
    backoff = Backoff(ToolRegistry([tool(made.tool, idempotent=True, retry=retry)]))
    first = attempt(made)
    return [backoff(Started(call=made, attempt=replace(first, number=number))) for number in numbers]


def test_each_wait_is_twice_the_one_before_up_to_the_longest() -> None:
    assert waits(RETRY, range(1, 7)) == [0.5, 1.0, 2.0, 4.0, 6.0, 6.0]


def test_no_two_calls_come_back_at_once() -> None:
    jittered = waits(replace(RETRY, jitter_s=1.0), range(1, 2)) + waits(
        replace(RETRY, jitter_s=1.0), range(1, 2)
    )
    assert jittered[0] != jittered[1]
    assert all(0.5 <= each <= 1.5 for each in jittered)


def test_what_is_not_tried_again_has_no_wait() -> None:
    assert waits(None, range(1, 3)) == [0.0, 0.0]
    made = call()
    assert Backoff(ToolRegistry())(Started(call=made, attempt=attempt(made))) == 0.0
