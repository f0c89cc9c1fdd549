"""A tool that is asked to stop: whether it has, what it did until then, and what is kept of that."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from msgspec.structs import replace

from core.lifecycle import Status
from core.live import Stop
from core.registry import ToolRegistry
from core.runner import ToolRunner
from core.tool import RunResult, ToolContext, ToolFault, ToolResult
from tests.kit.tools import tool, wait_for_stop
from tests.unit.core.running import Behaviour, context, giving, raising, ran, runner, started


def asked(given: ToolContext) -> ToolContext:
    """What a tool is given that somebody has asked to stop already."""
    stop = Stop()
    stop.ask()
    return replace(given, cancellation=stop)


async def stopped(behaviour: Behaviour, *, polite_s: float = 0.0) -> RunResult:
    """What becomes of a tool that is asked to stop as soon as it has begun."""
    stop = Stop()

    async def begun(arguments: Any, given: ToolContext) -> ToolResult:
        stop.ask()
        return await behaviour(arguments, given)

    made = ToolRunner(ToolRegistry([tool(run=begun)]), monotonic=lambda: 0.0, grace_s=0.05, polite_s=polite_s)
    return await made.run(started(), replace(context(), cancellation=stop))


async def test_a_tool_whose_call_was_asked_to_stop_is_not_begun() -> None:
    async def touched(_arguments: Any, _context: ToolContext) -> ToolResult:
        raise AssertionError("touched")

    result = await runner(tool(run=touched)).run(started(), asked(context()))
    assert (result.status, result.error) == (Status.CANCELLED, "It was stopped before it began.")


async def test_a_tool_that_is_asked_to_stop_is_cancelled() -> None:
    result = await stopped(wait_for_stop)
    assert (result.status, result.error_class) == (Status.CANCELLED, "cancelled")


async def test_a_tool_that_finds_out_by_itself_ends_by_itself() -> None:
    async def looks(_arguments: Any, given: ToolContext) -> ToolResult:
        told = asyncio.Event()
        given.cancellation.on_asked(told.set)
        await told.wait()
        await asyncio.sleep(0.01)
        return ToolResult(text="a clean end", data=given.cancellation.requested)

    result = await stopped(looks, polite_s=5.0)
    assert (result.status, result.text, result.data) == (Status.COMPLETED, "a clean end", True)


async def test_a_tool_that_does_not_stop_when_asked_is_interrupted() -> None:
    over = asyncio.Event()

    async def goes_on(_arguments: Any, given: ToolContext) -> ToolResult:
        given.partial("half of it")
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()
        return ToolResult()

    result = await stopped(goes_on)
    over.set()
    assert result.status is Status.INTERRUPTED
    assert result.error == "It was asked to stop and did not stop when told to. Until then: half of it"


async def test_asking_after_the_end_changes_nothing() -> None:
    stop = Stop()
    made = runner(tool())
    result = await made.run(started(), replace(context(), cancellation=stop))
    stop.ask()
    stop.ask()
    assert (result.status, stop.requested) == (Status.COMPLETED, True)


def telling(text: str, data: Any, ending: Behaviour) -> Behaviour:
    async def behaviour(arguments: Any, given: ToolContext) -> ToolResult:
        given.partial("less")
        given.partial(text, data)
        return await ending(arguments, given)

    return behaviour


async def test_what_there_was_is_kept_where_the_end_does_not_come() -> None:
    half = {"half": True}
    for ending, status in (
        (raising(ValueError("no")), Status.FAILED),
        (giving(ToolResult(error=ToolFault(message="jam"))), Status.FAILED),
        (raising(asyncio.CancelledError()), Status.CANCELLED),
    ):
        result = await ran(telling("half of it", half, ending))
        assert (result.status, result.text, result.data) == (status, "half of it", half)
    result = await ran(telling("", half, raising(ValueError("no"))))
    assert (result.text, result.data) == ("", half)
    result = await ran(telling("half of it", half, wait_for_stop), timeout_s=0.001)
    assert (result.status, result.text) == (Status.TIMED_OUT, "half of it")


async def test_what_there_was_does_not_stand_over_what_a_tool_gives_back() -> None:
    whole = ToolResult(text="all of it", data=[1])
    result = await ran(telling("half of it", None, giving(whole)))
    assert (result.status, result.text, result.data) == (Status.COMPLETED, "all of it", [1])
    failing = replace(whole, error=ToolFault(message="jam"))
    result = await ran(telling("half of it", None, giving(failing)))
    assert (result.status, result.text, result.data) == (Status.FAILED, "all of it", [1])
    data_only = replace(failing, text="")
    assert (await ran(telling("half of it", None, giving(data_only)))).data == [1]
    assert (await ran(telling("half", object(), raising(ValueError("no"))))).text == ""
