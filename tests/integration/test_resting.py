"""Calls that rest between two tries: they take no slot, hold up nothing, and go on once that is over."""

from __future__ import annotations

import asyncio

from core.errors import ToolError
from core.ids import CallId
from core.lifecycle import Status
from core.model import ToolCall
from core.tool import Retry, Tool, ToolContext, ToolResult
from tests.integration.test_executor import ended, until, working
from tests.kit.switching import paused, resumed
from tests.kit.tools import Note, tool
from tests.kit.world import World


async def fails_for_now(_arguments: Note, _context: ToolContext) -> ToolResult:
    raise ToolError("busy", error_class="busy", transient=True)


def rests() -> Tool:
    """Tried again after an hour."""
    return tool("rests", run=fails_for_now, idempotent=True, retry=Retry(attempts=3, within_s=7200.0))


async def resting(world: World) -> ToolCall:
    """A call that waits to be tried again."""
    call = await world.propose("rests")

    async def waits() -> bool:
        return len((await world.view(call)).attempts) == 2

    await until(waits, world)
    return call


async def test_a_call_that_waits_to_be_tried_again_is_stopped_at_once_and_takes_no_slot(world: World) -> None:
    async with working(world, rests(), concurrency=1, backoff=lambda started: 3600.0):
        call = await resting(world)
        other = await world.propose("low_once")
        await ended(world, other)
        assert (await world.call(call)).status is Status.RUNNING
        await world.cancel(call)
        await ended(world, call)
    assert (await world.call(call)).status is Status.CANCELLED


async def test_a_call_that_waits_to_be_tried_again_does_not_hold_up_the_end(world: World) -> None:
    async with working(world, rests(), backoff=lambda started: 3600.0) as executor:
        call = await resting(world)
        async with asyncio.timeout(5):
            await executor.drain(60.0)
        assert executor.running == 0
    assert (await world.call(call)).status is Status.RUNNING


async def test_what_a_pause_held_between_two_tries_goes_on_once_it_is_over(world: World) -> None:
    held = asyncio.Event()

    async def pauses_and_fails(_arguments: Note, context: ToolContext) -> ToolResult:
        if context.attempt > 1:
            return ToolResult(text="done")
        await paused(world)
        raise ToolError("busy", error_class="busy", transient=True)

    def watch(call_id: CallId) -> None:
        progress = executor.progress_of(call_id)
        if progress is not None and "paused" in progress.text:
            held.set()

    retry = Retry(attempts=3, within_s=7200.0, first_wait_s=0.01, longest_wait_s=0.01, jitter_s=0.01)
    again = tool("again", run=pauses_and_fails, idempotent=True, retry=retry)
    async with working(world, again, on_progress=watch) as executor:
        call = await world.propose("again")
        async with asyncio.timeout(10):
            await held.wait()
        await resumed(world)
        await ended(world, call)
    assert (await world.call(call)).status is Status.COMPLETED
