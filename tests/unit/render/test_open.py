"""A call that is decided and has not ended."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from bot.telegram.buttons import Verb
from core.lifecycle import Status
from core.live import Progress
from core.model import StartMode
from tests.unit.render.kit import (
    ALLOWED,
    ARGUMENTS,
    OTHER,
    attempt,
    call,
    in_status,
    said,
    shown,
    verbs,
    view,
    vote,
)
from tests.unit.render.reading import labels, read_back, text_of


def test_approved_and_waiting_says_who_approved_and_can_be_withdrawn() -> None:
    made = shown(view(call(Status.PENDING), vote()))
    text = text_of(made.html)
    assert text.startswith("🟠 Approved, waiting to run · #A7F3Q2\nAdd expense")
    assert "Approved by Anna, 13:58 UTC · expires 22 Nov, 14:00 UTC if it is not started" in text
    assert verbs(made) == [Verb.CANCEL]
    assert read_back(made.html) == ARGUMENTS


def test_what_policy_allowed_does_not_claim_a_person() -> None:
    text = said(in_status(Status.PENDING, verdict=ALLOWED, start_mode=StartMode.MANUAL, start_by=None))
    assert text.startswith("🟠 Allowed, waiting until somebody starts it · #A7F3Q2")
    assert "Allowed by policy, nobody had to sign" in text


@pytest.mark.parametrize(
    ("fraction", "bar"),
    [
        (0.3, "▰▰▰▱▱▱▱▱▱▱ 30 %"),
        (0.0, "▱▱▱▱▱▱▱▱▱▱ 0 %"),
        (1.0, "▰▰▰▰▰▰▰▰▰▰ 100 %"),
        (7.0, "▰▰▰▰▰▰▰▰▰▰ 100 %"),
        (-1.0, "▱▱▱▱▱▱▱▱▱▱ 0 %"),
        (math.nan, "▱▱▱▱▱▱▱▱▱▱ 0 %"),
        (math.inf, "▰▰▰▰▰▰▰▰▰▰ 100 %"),
    ],
)
def test_running_shows_how_far_it_is(fraction: float, bar: str) -> None:
    made = shown(in_status(Status.RUNNING, attempts=1), progress=Progress(fraction, "printing\nthe label"))
    assert f"{bar} · <i>printing ↵ the label</i>" in made.html
    assert made.html.startswith("🔵 <b>Running</b>")
    assert labels(made) == ["⏹ Cancel"]


def test_running_shows_the_last_lines_and_who_asked_it_to_stop() -> None:
    told = Progress(None, "", ("shelf 1: <b>10</b> boxes", "shelf 2: 17 boxes"))
    made = shown(in_status(Status.RUNNING, attempts=1), progress=told)
    assert "<blockquote>shelf 1: &lt;b&gt;10&lt;/b&gt; boxes\nshelf 2: 17 boxes</blockquote>" in made.html
    assert "▱" not in made.html
    asked = replace(attempt(1), stop_by="Ann <i>")
    made = shown(view(call(Status.RUNNING, attempts=1), attempts=(asked,)), progress=told)
    assert made.html.startswith("🔵 <b>Stopping…</b>")
    assert "<b>Ann &lt;i&gt;</b> asked it to stop." in made.html
    assert made.buttons == ()


def test_running_without_progress_says_when_it_started() -> None:
    assert "Started 13:59 UTC" in said(in_status(Status.RUNNING, attempts=1))
    assert "▱" not in said(in_status(Status.RUNNING, attempts=1))
    assert "100 %" in text_of(shown(in_status(Status.RUNNING), progress=Progress(1.0, " ")).html)
    again = view(call(Status.RUNNING, attempts=2), attempts=(attempt(1), attempt(2)))
    assert "attempt 2, the worker before it stopped" in said(again)
    assert said(in_status(Status.VALIDATING)).startswith("🔵 Running, checking the result")
    assert "Started" not in said(view(call(Status.RUNNING), attempts=()))


def test_interrupted_gives_the_facts_and_asks_a_person() -> None:
    made = shown(
        in_status(Status.INTERRUPTED, attempts=1, note="The worker stopped while it ran (attempt 1).")
    )
    text = text_of(made.html)
    assert text.startswith("⚠️ Interrupted · #A7F3Q2")
    assert "Attempt 1 started 13:59 UTC. Nobody saw its end." in text
    assert "It may have been done, or not. I will not run it again by myself." in text
    assert "What is known: The worker stopped while it ran" in text
    assert labels(made) == ["✅ Mark done", "❌ Mark not done", "🔁 Run again"]
    assert verbs(made) == [Verb.MARK_DONE, Verb.MARK_NOT_DONE, Verb.RUN_AGAIN]
    undo = shown(view(call(Status.INTERRUPTED, undo_of=OTHER), attempts=()))
    assert labels(undo) == ["✅ Mark done", "❌ Mark not done"]
    assert "Nobody saw its end." in undo.html
