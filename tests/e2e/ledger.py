"""A tool whose effects can be counted from outside: an fsynced line a run, in a file no engine reads."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from core.model import Risk
from core.tool import Effect, Preview, Slot, SlotKind, Tool, ToolContext, ToolInput, ToolResult


class StampInput(ToolInput):
    text: str


def stamp(ledger: Path, *, risk: Risk = Risk.HIGH) -> Tool:
    """High risk and not idempotent: "stamp hello" appends a line and cannot be repeated harmlessly."""

    async def run(arguments: StampInput, context: ToolContext) -> ToolResult:
        append(ledger, f"{context.call_id} {arguments.text}")
        return ToolResult(text=f"Stamped {arguments.text}")

    return Tool(
        name="stamp",
        title="Stamp",
        version="1",
        description="Stamps a text.",
        input=StampInput,
        risk=risk,
        effects=frozenset({Effect.EXECUTES}),
        run=run,
        preview=lambda arguments: Preview(title=f"Stamp {arguments.text}"[:100]),
        command="stamp",
        form="{text}",
        slots={"text": Slot(kind=SlotKind.TEXT, question="What should be stamped?")},
    )


def append(ledger: Path, line: str) -> None:
    """One line, durable before this returns."""
    descriptor = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, (line.replace("\n", " ") + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def effects(ledger: Path) -> Counter[str]:
    """How often each call had its effect."""
    if not ledger.exists():
        return Counter()
    return Counter(line.split(" ", 1)[0] for line in ledger.read_text().splitlines())
