"""Tools of a victim, whose effects can be counted from outside, and which take as long as a test needs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.adapters import Adapter
from core.digest import Json
from core.errors import ToolError
from core.model import Risk
from core.tool import (
    Effect,
    Preview,
    Retry,
    Run,
    Slot,
    SlotKind,
    Tool,
    ToolContext,
    ToolInput,
    ToolResult,
    Undo,
)
from tests.e2e.ledger import StampInput, append, effects, stamp
from tools.print_label import print_label

LEDGER, LABELS, GATE, JAMMED = "effects.ledger", "labels.jsonl", "open", "jammed"
SLOW_S = 1.2


async def pause(seconds: float) -> None:
    """Time passes; what is waited for never comes."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


def tools_of(data: Path, *, label_step_s: float) -> list[Tool]:
    """Idempotent ones and others; ones that take a while, that wait for the file `GATE`, that never end."""
    ledger = data / LEDGER

    async def tick(arguments: StampInput, context: ToolContext) -> ToolResult:
        # The callee that makes a repeat harmless: it knows the idempotency key.
        if not effects(ledger)[context.idempotency_key]:
            append(ledger, f"{context.idempotency_key} tick")
        return ToolResult(text=f"Ticked {arguments.text}", data={"ticked": True})

    async def untick(arguments: StampInput, data: Json, context: ToolContext) -> ToolResult:
        return await tick(arguments, context)

    async def linger(arguments: StampInput, context: ToolContext) -> ToolResult:
        while not (data / GATE).exists():
            await pause(0.02)
        return await tick(arguments, context)

    async def hold(_: StampInput, context: ToolContext) -> ToolResult:
        while not (data / GATE).exists():
            await pause(0.02)
        append(ledger, f"{context.call_id} hold")
        return ToolResult(text="Held")

    async def slow(arguments: StampInput, context: ToolContext) -> ToolResult:
        await pause(SLOW_S)
        append(ledger, f"{context.call_id} slow")
        return ToolResult(text=f"Slowly {arguments.text}")

    async def hang(_: StampInput, context: ToolContext) -> ToolResult:
        await asyncio.Event().wait()
        return ToolResult(text="never")

    return [
        stamp(ledger),
        _tool("tick", run=tick, idempotent=True, undo=Undo(run=untick)),
        _tool("waver", run=_wavering(tick), idempotent=True, retry=Retry(attempts=5, within_s=300.0)),
        _tool("linger", run=linger, idempotent=True, timeout_s=300.0),
        _tool("hold", run=hold, timeout_s=300.0),
        _tool("slow", run=slow, timeout_s=60.0),
        _tool("hang", run=hang, timeout_s=60.0),
        _tool("stumble", run=_stumble),
        print_label(data / LABELS, step_s=label_step_s),
    ]


def press(data: Path) -> Adapter:
    """An adapter that says it does not work, once for each time that there is the file `JAMMED`."""

    async def check() -> None:
        if (data / JAMMED).exists():
            (data / JAMMED).unlink()
            raise ConnectionError("the press is jammed")

    return Adapter(name="press", check=check)


async def _stumble(_: StampInput, context: ToolContext) -> ToolResult:
    raise LookupError("a mistake of ours")


def _wavering(run: Run) -> Run:
    """The same, not at the first try."""

    async def waver(arguments: StampInput, context: ToolContext) -> ToolResult:
        if context.attempt == 1:
            raise ToolError("not yet", error_class="busy", transient=True)
        return await run(arguments, context)

    return waver


def _tool(name: str, **more: Any) -> Tool:
    return Tool(
        name=name,
        title=name.capitalize(),
        version="1",
        description=f"{name.capitalize()}s a text.",
        input=StampInput,
        risk=Risk.LOW,
        effects=frozenset({Effect.EXECUTES}),
        preview=_preview(name),
        command=name,
        form="{text}",
        slots={"text": Slot(kind=SlotKind.TEXT)},
        **more,
    )


def _preview(name: str) -> Callable[[ToolInput], Preview]:
    return lambda arguments: Preview(title=f"{name.capitalize()} {getattr(arguments, 'text', '')}")
