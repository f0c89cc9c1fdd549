"""Small tools to test with, and the ledger that proves effects from outside the engine."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from core.digest import Json
from core.errors import ToolError
from core.model import Risk
from core.registry import ToolRegistry
from core.tool import (
    AssessContext,
    Effect,
    Preview,
    Slot,
    SlotKind,
    Tool,
    ToolContext,
    ToolFault,
    ToolInput,
    ToolResult,
    Undo,
)


class Note(ToolInput):
    """What every test tool takes."""

    text: Annotated[str, Field(min_length=1, max_length=10_000)]
    amount: int = 1


class Ledger:
    """A file that tools append to and sync: what really happened, whatever the engine's tables say."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def write(self, what: str, call_id: str, attempt: int) -> None:
        with self.path.open("a") as file:
            file.write(f"{what} {call_id} {attempt}\n")
            file.flush()
            os.fsync(file.fileno())

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()

    @property
    def effects(self) -> Counter[str]:
        """How often each call took effect."""
        return Counter(line.split()[1] for line in self.lines)


def preview(arguments: Any) -> Preview:
    return Preview(title=f"Note {arguments.text} ({arguments.amount})")


async def nothing(_arguments: Any, _context: ToolContext) -> ToolResult:
    """Does nothing, well."""
    return ToolResult(text="done", data={"ok": True})


async def wait_for_stop(_arguments: Any, _context: ToolContext) -> ToolResult:
    """Runs until it is stopped."""
    await asyncio.Event().wait()
    return ToolResult(text="never")


def tool(name: str = "note", **changes: Any) -> Tool:
    """A tool that does nothing, changed as a test needs it."""
    settings: dict[str, Any] = {
        "title": f"The tool {name}",
        "version": "1",
        "description": "For tests.",
        "input": Note,
        "risk": Risk.LOW,
        "effects": frozenset({Effect.WRITES}),
        "run": nothing,
        "preview": preview,
        "slots": {"text": Slot(kind=SlotKind.TEXT)},
    }
    return Tool(name=name, **(settings | changes))


def assess(arguments: Note, _context: AssessContext) -> Risk:
    if arguments.amount <= 50:
        return Risk.LOW
    return Risk.MEDIUM if arguments.amount <= 500 else Risk.HIGH


def price(arguments: Note, _context: AssessContext) -> Risk:
    if arguments.amount <= 100:
        return Risk.MEDIUM
    return Risk.HIGH if arguments.amount <= 1000 else Risk.CRITICAL


def registry_of(ledger: Ledger) -> ToolRegistry:
    """The tools of a test world. Names say risk and kind: `high_once` is of high risk, not idempotent."""

    async def write(_arguments: Note, context: ToolContext) -> ToolResult:
        ledger.write("did", context.call_id, context.attempt)
        return ToolResult(
            text=f"Noted: {_arguments.text}", data={"attempt": context.attempt}, references={"path": "ledger"}
        )

    async def take_back(_arguments: Note, data: Json, context: ToolContext) -> ToolResult:
        ledger.write("undid", context.call_id, context.attempt)
        return ToolResult(text="Taken back.", data=data)

    async def fail(_arguments: Note, _context: ToolContext) -> ToolResult:
        return ToolResult(error=ToolFault(message="no paper", error_class="paper"))

    async def unclear(_arguments: Note, context: ToolContext) -> ToolResult:
        ledger.write("did", context.call_id, context.attempt)
        raise ToolError("the line went dead", error_class="connection", unclear=True)

    return ToolRegistry(
        [
            *(tool(f"{risk}_once", risk=risk, run=write) for risk in Risk),
            *(tool(f"{risk}_again", risk=risk, run=write, idempotent=True) for risk in Risk),
            tool("spend", run=write, assess=assess),
            tool("pay", risk=Risk.MEDIUM, run=write, assess=price, scope=("text",)),
            tool("undoable", run=write, undo=Undo(run=take_back)),
            tool("undo_asks", run=write, undo=Undo(run=take_back, risk=Risk.HIGH, within_s=60)),
            tool("fails", run=fail),
            tool("unclear", run=unclear),
            tool("slow", run=wait_for_stop, timeout_s=0.001),
        ]
    )
