"""What a signal says, read from committed records when it is delivered."""

from __future__ import annotations

from core.digest import Json
from core.engine.report import shown_as
from core.engine.runs import run_view
from core.ids import CallId, RunId
from core.model import Signal, SignalKind
from core.ports import Records, view
from core.registry import ToolRegistry
from core.signals import told_of_call, told_of_run


def told_of(records: Records, signal: Signal, *, registry: ToolRegistry) -> dict[str, Json] | None:
    """What a signal says, from committed records; None where what it is about is not there any more. Raises
    CorruptRecord where it cannot be read."""
    if signal.kind is SignalKind.EXECUTION_FINISHED:
        run = records.runs.get(RunId(signal.subject))
        return None if run is None else told_of_run(signal, run, run_view(records, run).views)
    call = records.calls.get(CallId(signal.subject))
    if call is None:
        return None
    seen = view(records, call)
    clean, private = shown_as(seen, registry=registry)
    return told_of_call(signal, seen, clean=clean, private=private)
