"""What came of a run: one line for its card and the command line, and all of it as a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bot.telegram.render.arguments import json_file
from bot.telegram.render.message import Document
from bot.telegram.render.times import lasted
from core.digest import Json
from core.engine.report import has_ended
from core.engine.runs import RunView
from core.lifecycle import Status
from core.signals import span_ms

_WORDS: Final[Mapping[Status, str]] = {
    Status.COMPLETED: "done",
    Status.FAILED: "failed",
    Status.TIMED_OUT: "took too long",
    Status.CANCELLED: "cancelled",
    Status.DENIED: "denied",
    Status.EXPIRED: "expired",
}


def summary(run: RunView) -> str:
    """ "3 done, 1 failed, 12 s in all"; "" before it has ended."""
    if not has_ended(run):
        return ""
    counts = {word: sum(call.status is status for call in run.calls) for status, word in _WORDS.items()}
    took = span_ms(run.views)
    told = [f"{count} {word}" for word, count in counts.items() if count]
    return ", ".join([*told, f"{lasted(took)} in all"] if took else told)


def document(run: RunView, told: Mapping[str, Json]) -> Document:
    """The report as a file."""
    number = run.record.short_id
    return json_file(f"{number}-results.json", told, f"📄 Run <code>#{number}</code>: {summary(run)}")
