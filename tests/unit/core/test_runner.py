"""The one place that calls tool code: what a tool does becomes an envelope, and the runner never raises."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from core.engine import Started
from core.errors import ToolError
from core.ids import CallId
from core.lifecycle import Status
from core.model import CallView, Outcome
from core.registry import ToolRegistry
from core.runner import FALLBACK_ERROR, ToolRunner
from core.tool import RunResult, ToolContext, ToolFault, ToolResult, Undo
from tests.kit.clock import NOON
from tests.kit.records import attempt, call
from tests.kit.tools import tool, wait_for_stop
from tests.unit.core.running import Behaviour, context, giving, raising, ran, runner, started


async def test_a_result_becomes_an_envelope_with_the_duration() -> None:
    result = await ran(giving(ToolResult(text="hi", data=[1], references={"url": "u"})))
    assert result == RunResult(
        status=Status.COMPLETED,
        text="hi",
        data=[1],
        references={"url": "u"},
        error=None,
        error_class=None,
        duration_ms=250,
        healthy=True,
    )


async def test_a_tool_gets_its_typed_input_and_its_context() -> None:
    seen: list[tuple[Any, ToolContext]] = []

    async def look(arguments: Any, given: ToolContext) -> ToolResult:
        seen.append((arguments, given))
        return ToolResult()

    given = context()
    await runner(tool(run=look)).run(started(), given)
    assert seen[0][0].text == "tea"
    assert seen[0][1] is given


# what a tool does, and the status, error and class that are recorded (SPEC 2: the order of error texts)
FAILURES: list[tuple[Behaviour, str, str, str]] = [
    (raising(ToolError("no ink", error_class="ink")), "failed", "no ink", "ink"),
    (raising(ToolError("")), "failed", FALLBACK_ERROR, "tool_error"),
    (raising(ToolError("gone?", unclear=True)), "interrupted", "gone?", "tool_error"),
    (raising(ValueError("bad weather")), "failed", "bad weather", "ValueError"),
    (raising(KeyError()), "failed", FALLBACK_ERROR, "KeyError"),
    (raising(RuntimeError("  ")), "failed", FALLBACK_ERROR, "RuntimeError"),
    (raising(ExceptionGroup("two", [ValueError("a"), KeyError("b")])), "failed", "two", "ExceptionGroup"),
    (raising(asyncio.CancelledError()), "cancelled", "The tool was stopped.", "cancelled"),
    (raising(TimeoutError()), "failed", FALLBACK_ERROR, "TimeoutError"),
    (giving(ToolResult(error=ToolFault(message="jam", error_class="paper"))), "failed", "jam", "paper"),
    (giving(ToolResult(error=ToolFault(message=""))), "failed", FALLBACK_ERROR, "tool_error"),
    (giving(None), "failed", FALLBACK_ERROR, "bad_result"),
    (giving({"text": "hi"}), "failed", FALLBACK_ERROR, "bad_result"),
]


@pytest.mark.parametrize(("behaviour", "status", "error", "error_class"), FAILURES)
async def test_every_way_of_failing_is_an_envelope(
    behaviour: Behaviour, status: str, error: str, error_class: str
) -> None:
    result = await ran(behaviour)
    assert result.status.value == status
    assert error in (result.error or "")
    assert result.error_class == error_class
    assert result.data is None


async def test_a_structured_failure_keeps_what_the_tool_did_until_then() -> None:
    failing = ToolResult(
        text="3 of 5", data={"done": 3}, references={"path": "p"}, error=ToolFault(message="jam")
    )
    result = await ran(giving(failing))
    assert (result.status, result.text, result.data, result.references) == (
        Status.FAILED,
        "3 of 5",
        {"done": 3},
        {"path": "p"},
    )


async def test_a_tool_that_does_not_exist_any_more_is_an_envelope() -> None:
    result = await runner().run(started(), context())
    assert (result.status, result.error_class) == (Status.FAILED, "tool_error")
    assert "note" in (result.error or "")


async def test_arguments_that_do_not_fit_any_more_never_reach_the_tool() -> None:
    result = await runner(tool(run=raising(AssertionError("touched")))).run(
        started(arguments={"text": ""}), context()
    )
    assert (result.status, result.error_class) == (Status.FAILED, "invalid_input")
    assert "text" in (result.error or "")


async def test_a_validator_that_breaks_is_an_envelope() -> None:
    class Breaking:
        @staticmethod
        def model_validate(_values: object) -> object:
            raise ZeroDivisionError

    registry = ToolRegistry([tool()])
    registry._tools["note"] = replace(registry.get("note"), input=Breaking)
    result = await ToolRunner(registry, monotonic=lambda: 0.0).run(started(), context())
    assert (result.status, result.error, result.error_class) == (
        Status.FAILED,
        FALLBACK_ERROR,
        "ZeroDivisionError",
    )


# --------------------------------------------------------------------------- time


async def test_a_tool_that_stops_at_its_deadline_is_timed_out() -> None:
    result = await ran(wait_for_stop, timeout_s=0.001)
    assert (result.status, result.error_class) == (Status.TIMED_OUT, "timeout")
    assert result.error == "It did not finish within 0.001 seconds and was stopped."


async def test_the_default_timeout_is_30_seconds() -> None:
    assert tool().timeout_s == 30


async def test_what_a_tool_says_when_it_is_stopped_is_kept() -> None:
    async def partly(_arguments: Any, _context: ToolContext) -> ToolResult:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return ToolResult(text="3 of 5 printed")
        return ToolResult()

    result = await ran(partly, timeout_s=0.001)
    assert (result.status, result.text) == (Status.TIMED_OUT, "3 of 5 printed")


async def test_a_tool_that_breaks_when_it_is_stopped_has_stopped_all_the_same() -> None:
    async def breaking(_arguments: Any, _context: ToolContext) -> ToolResult:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while cleaning up")

    assert (await ran(breaking, timeout_s=0.001)).status is Status.TIMED_OUT


@pytest.mark.parametrize("after", ["result", "error", "cancelled"])
async def test_a_tool_that_does_not_stop_when_told_to_is_interrupted(after: str) -> None:
    release = asyncio.Event()
    ended = asyncio.Event()

    async def stubborn(_arguments: Any, _context: ToolContext) -> ToolResult:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await release.wait()
            ended.set()
            if after == "error":
                raise ValueError("late") from None
            if after == "cancelled":
                raise
        return ToolResult()

    result = await ran(stubborn, timeout_s=0.001)
    assert (result.status, result.error_class) == (Status.INTERRUPTED, "timeout")
    assert "did not stop when told to" in (result.error or "")
    release.set()
    await ended.wait()
    await asyncio.sleep(0)  # its end is fetched, so that no loop complains of it


async def test_a_tool_that_gives_nonsense_when_it_is_stopped_is_an_envelope() -> None:
    async def swallow(_arguments: Any, _context: ToolContext) -> ToolResult:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return None  # type: ignore[return-value]
        return ToolResult()

    result = await ran(swallow, timeout_s=0.001)
    assert result.status is Status.TIMED_OUT


async def test_a_tool_stopped_in_the_middle_of_sending_is_not_known_to_have_done_nothing() -> None:
    async def send(_arguments: Any, _context: ToolContext) -> ToolResult:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ToolError("it may have gone out", unclear=True) from None
        return ToolResult()

    # Once: ToolRunner._stop drops `unclear` and the tool's message: timed_out says that the end is known.
    result = await ran(send, timeout_s=0.001)
    assert result.status is Status.INTERRUPTED


async def test_a_tool_that_is_no_coroutine_function_is_an_envelope() -> None:
    def plain(_arguments: Any, _context: ToolContext) -> ToolResult:
        return ToolResult(text="done")

    # Once: ensure_future stands outside the try, so a result that cannot be awaited raises TypeError.
    result = await ran(plain)
    assert (result.status, result.error_class) == (Status.FAILED, "TypeError")


@pytest.mark.parametrize("data", [{"at": NOON}, "\ud800"], ids=repr)
async def test_data_that_cannot_be_stored_is_a_bad_result(data: Any) -> None:
    # Once: the runner lets it through and `finish` raises in its unit of work: the outcome is never written,
    # the lease runs out, and an idempotent tool is run again and again.
    result = await ran(giving(ToolResult(text="done", data=data)))
    assert (result.status, result.error_class) == (Status.FAILED, "bad_result")


async def test_a_tool_that_exits_does_not_take_the_process_with_it() -> None:
    def in_a_loop_of_its_own() -> RunResult:
        with asyncio.Runner() as loop:
            return loop.run(ran(raising(SystemExit(3))))

    # Once: SystemExit passes through the task into the event loop and ends the bot.
    try:
        result = await asyncio.to_thread(in_a_loop_of_its_own)
    except BaseException as error:  # noqa: BLE001 - SystemExit is what must not come
        pytest.fail(f"the runner raised {error!r}")
    assert result.status is Status.FAILED


# --------------------------------------------------------------------------- undo


def undoing(data: Any = None, *, outcome: bool = True) -> Started:
    original = call()
    ended = Outcome(
        call_id=original.id,
        tenant_id=original.tenant_id,
        account_id=original.account_id,
        status=Status.COMPLETED,
        result=data,
        formatted="",
        error=None,
        error_class=None,
        started_at=NOON,
        completed_at=NOON,
        duration_ms=1,
        attempt_count=1,
        worker="w1",
        references={},
    )
    view = CallView(call=original, approvals=(), attempts=(), outcome=ended if outcome else None)
    undo = call(id=CallId("01890a5d-ac96-774b-bcce-b302099a8059"), undo_of=original.id)
    return Started(call=undo, attempt=attempt(undo), original=view)


async def test_an_undo_is_given_the_originals_result() -> None:
    seen: list[tuple[Any, Any]] = []

    async def take_back(arguments: Any, data: Any, _context: ToolContext) -> ToolResult:
        seen.append((arguments.text, data))
        return ToolResult(text="gone")

    reversible = tool(run=raising(AssertionError("the original ran again")), undo=Undo(run=take_back))
    result = await runner(reversible).run(undoing({"id": 7}), context())
    assert (result.status, result.text) == (Status.COMPLETED, "gone")
    assert seen == [("tea", {"id": 7})]


@pytest.mark.parametrize("missing", ["undo", "original", "outcome"])
async def test_an_undo_that_cannot_be_is_an_envelope(missing: str) -> None:
    async def take_back(_arguments: Any, _data: Any, _context: ToolContext) -> ToolResult:
        raise AssertionError("touched")

    wanted = undoing(outcome=missing != "outcome")
    if missing == "original":
        wanted = replace(wanted, original=None)
    reversible = tool(undo=None if missing == "undo" else Undo(run=take_back))
    result = await runner(reversible).run(wanted, context())
    assert (result.status, result.error) == (Status.FAILED, "note cannot be undone.")


# --------------------------------------------------------------------------- metrics


async def test_each_execution_is_counted() -> None:
    registry = ToolRegistry([tool(), tool("bad", run=raising(ValueError()))])
    ticks = itertools.count()
    running = ToolRunner(registry, monotonic=lambda: next(ticks) * 0.25)
    await running.run(started(), context())
    await running.run(started(), context())
    await running.run(started(tool="bad"), context())
    metrics = registry.metrics["note"]
    assert (metrics.executions, metrics.by_status, metrics.total_ms) == (2, {Status.COMPLETED: 2}, 500)
    assert metrics.success_rate == 1.0
    assert registry.metrics["bad"].success_rate == 0.0
