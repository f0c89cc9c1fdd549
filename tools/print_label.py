"""print_label: the demo's example of a tool whose repeat would do harm.

It takes its time and is not idempotent, so that a crash in the middle can be seen for what it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from core.errors import ToolError
from core.model import Risk
from core.tool import Effect, Preview, Run, Slot, SlotKind, Tool, ToolContext, ToolInput, ToolResult

_STEPS: Final = 10
_TEXT_MOST: Final = 100


def _read_label(text: str) -> str:
    if not text or len(text) > _TEXT_MOST or not text.isprintable():
        raise ValueError(f"it should be 1 to {_TEXT_MOST} printable characters on one line")
    return text


class PrintLabelInput(ToolInput):
    """What the label says."""

    text: Annotated[
        str, AfterValidator(_read_label), Field(json_schema_extra={"minLength": 1, "maxLength": _TEXT_MOST})
    ]


def _run(label_file: Path, step_s: float) -> Run:
    async def run(arguments: PrintLabelInput, context: ToolContext) -> ToolResult:
        for step in range(_STEPS):
            _stop_if_asked(context)
            await context.progress(step / _STEPS, "printing the label")
            await asyncio.sleep(step_s)
        _stop_if_asked(context)
        await _to_the_end(label_file, _entry(arguments, context))
        await context.progress(1.0, "printed")
        return ToolResult(
            text=f"Printed a label: {arguments.text}",
            data={"text": arguments.text},
            references={"label_file": str(label_file)},
        )

    return run


def _stop_if_asked(context: ToolContext) -> None:
    """Ends the run as cancelled, before anything was printed."""
    if context.cancellation.requested:
        raise asyncio.CancelledError


def _entry(arguments: PrintLabelInput, context: ToolContext) -> bytes:
    entry = {"call_id": context.call_id, "text": arguments.text, "at": context.now.isoformat()}
    return json.dumps(entry, ensure_ascii=False).encode() + b"\n"


async def _to_the_end(label_file: Path, entry: bytes) -> None:
    """Prints, and outlasts a cancellation: it comes too late, and a thread that writes cannot be stopped."""
    printing = asyncio.ensure_future(asyncio.to_thread(_append, label_file, entry))
    while not printing.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(printing)
    printing.result()


def _append(label_file: Path, entry: bytes) -> None:
    """Appends durably. Raises ToolError, unclear unless nothing can have been written."""
    try:
        descriptor = os.open(label_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise ToolError(
            f"The label printer cannot be reached: {error.strerror}", error_class="printer"
        ) from error
    try:
        with os.fdopen(descriptor, "ab", buffering=0) as file:
            file.write(entry)
            os.fsync(descriptor)
    except OSError as error:
        message = f"The label printer broke off, look whether a label came out: {error.strerror}"
        raise ToolError(message, error_class="printer", unclear=True) from error


def _preview(arguments: PrintLabelInput) -> Preview:
    return Preview(title=f"Print a label: {arguments.text}")


def print_label(label_file: Path, *, step_s: float = 0.5) -> Tool:
    """The tool, printing to the end of this file in ten steps of `step_s` seconds. Data: {"text"}."""
    return Tool(
        name="print_label",
        title="Print a label",
        version="1",
        description="Prints one label (in the demo: appends it to a file), which takes a few seconds.",
        input=PrintLabelInput,
        risk=Risk.HIGH,
        effects=frozenset({Effect.EXECUTES}),
        run=_run(label_file, step_s),
        preview=_preview,
        timeout_s=30.0,
        examples=(
            "print label {text}",
            "print a label {text}",
            "print label: {text}",
            "print a label: {text}",
            "print a label saying {text}",
            "print the label {text}",
        ),
        slots={"text": Slot(kind=SlotKind.TEXT, question="What should the label say?", placeholder="Box 7")},
        scope=("text",),
    )
