"""What an attempt says of the adapter that carried it, and whether another one may go better."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from core.engine import Started
from core.errors import ToolError
from core.lifecycle import Status
from core.tool import Fallback, ToolContext, ToolFault, ToolResult
from tests.kit.records import attempt, call
from tests.kit.tools import Note, tool, wait_for_stop
from tests.unit.core.running import Behaviour, context, giving, raising, ran, runner

CASES: list[tuple[Behaviour, bool, bool, bool | None]] = [
    # what the tool does, whether it is idempotent: transient, healthy
    (giving(ToolResult()), False, False, True),
    (raising(ToolError("no")), True, False, True),
    (raising(ToolError("busy", transient=True)), False, True, False),
    (giving(ToolResult(error=ToolFault(message="no"))), True, False, True),
    (giving(ToolResult(error=ToolFault(message="busy", transient=True))), False, True, False),
    (raising(ToolError("gone?", unclear=True, transient=True)), True, False, False),
    (raising(TimeoutError()), True, True, False),
    (raising(TimeoutError()), False, False, False),
    (raising(ConnectionResetError()), True, True, False),
    (raising(ConnectionResetError()), False, False, False),
    (raising(ValueError("a mistake")), True, False, False),
    (giving(None), True, False, False),
    (raising(asyncio.CancelledError()), True, False, None),
]


@pytest.mark.parametrize(("behaviour", "idempotent", "transient", "healthy"), CASES)
async def test_what_an_end_says(
    behaviour: Behaviour, idempotent: bool, transient: bool, healthy: bool | None
) -> None:
    result = await ran(behaviour, idempotent=idempotent)
    assert (result.transient, result.healthy) == (transient, healthy)


async def test_a_time_out_counts_against_the_adapter_and_is_not_tried_again() -> None:
    result = await ran(wait_for_stop, idempotent=True, timeout_s=0.001)
    assert (result.status, result.transient, result.healthy) == (Status.TIMED_OUT, False, False)


async def test_input_that_does_not_fit_says_nothing_of_the_adapter() -> None:
    made = call(arguments={"text": ""})
    result = await runner(tool()).run(Started(call=made, attempt=attempt(made)), context())
    assert (result.error_class, result.transient, result.healthy) == ("invalid_input", False, None)


async def test_when_to_come_again_is_handed_on() -> None:
    result = await ran(raising(ToolError("later", transient=True, retry_after_s=7)))
    assert result.retry_after_s == 7


@pytest.mark.parametrize(("adapter", "told"), [("mail", "own"), ("spare", "instead"), (None, "own")])
async def test_the_adapter_of_the_attempt_carries_it(adapter: str | None, told: str) -> None:
    async def instead(_arguments: Note, _context: ToolContext) -> ToolResult:
        return ToolResult(text="instead")

    both = tool(
        adapter="mail", run=giving(ToolResult(text="own")), fallback=Fallback(adapter="spare", run=instead)
    )
    made = call()
    started = Started(call=made, attempt=replace(attempt(made), adapter=adapter))
    assert (await runner(both).run(started, context())).text == told
