"""A call that has ended: what it came to, whether anything was changed, what next."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from bot.telegram.buttons import Verb
from core.lifecycle import Status
from core.model import PolicyDecision, Vote
from core.tool import Tool
from tests.unit.render.kit import (
    ALLOWED,
    ANNA,
    LABEL,
    NOW,
    OTHER,
    READING,
    TOOL,
    VERDICT,
    call,
    done,
    failed,
    in_status,
    outcome,
    said,
    shown,
    verbs,
    view,
    vote,
)
from tests.unit.render.reading import labels, text_of


def test_done_shows_the_result_and_the_way_back() -> None:
    made = shown(done())
    assert text_of(made.html).splitlines() == [
        "🟢 Done · #A7F3Q2 · 4 s",
        "Add expense of 900.00 EUR for new desk",
        "Added expense #7: 900.00 EUR for new desk",
        "Approved by Anna, 13:58 UTC · undo possible until 14:09 UTC",
    ]
    assert (labels(made), verbs(made)) == (["↩️ Undo"], [Verb.UNDO])


def test_undo_is_offered_only_while_it_can_be_done() -> None:
    assert shown(done(completed_at=NOW - timedelta(seconds=600))).buttons == ()
    assert shown(done(), known=LABEL).buttons == ()
    assert shown(done(), known=None).buttons == ()
    assert shown(done(marked_by=ANNA)).buttons == ()
    undo = view(call(Status.COMPLETED, attempts=1, undo_of=OTHER), outcome=outcome(Status.COMPLETED))
    assert shown(undo).buttons == ()
    assert "Takes back #00P88D" in said(undo)


def test_an_undo_is_told_once_it_is_done_and_not_before() -> None:
    asked = shown(replace(done(), undone_by=OTHER))
    assert asked.buttons == ()
    assert asked.html.startswith("🟢 <b>Done</b>")
    assert "An undo was asked for: <code>#00P88D</code>." in asked.html
    seen = replace(done(), undone_by=OTHER)
    undone = shown(replace(seen, undone=True))
    assert undone.buttons == ()
    assert undone.html.startswith("↩️ <b>Undone</b> · <code>#A7F3Q2</code>\n<s>")
    assert "Taken back by <code>#00P88D</code>." in undone.html


def test_a_person_s_mark_is_no_duration() -> None:
    text = said(
        view(call(Status.COMPLETED), outcome=outcome(Status.COMPLETED, marked_by=ANNA, duration_ms=0))
    )
    assert text.splitlines()[0] == "🟢 Done · #A7F3Q2"


def test_a_long_result_says_where_the_whole_is() -> None:
    long = view(call(Status.COMPLETED), outcome=outcome(Status.COMPLETED, formatted="line\n" * 2000))
    made = shown(long, private=False)
    assert "<blockquote expandable>line\nline" in made.html
    assert "… (whole: <code>/call A7F3Q2</code>)" in made.html
    assert made.document is None
    made = shown(long)
    assert "… (all of it: in the file below)" in made.html
    assert made.document is not None
    assert made.document.content == "line\n" * 2000
    assert shown(done()).document is None
    assert "whole" not in said(done())


@pytest.mark.parametrize(
    ("error_class", "known", "told"),
    [
        ("task_not_found", TOOL, "The tool says that it was not done."),
        ("tool_error", TOOL, "The tool says that it was not done."),
        ("ReadTimeout", TOOL, "State unknown: part of it may have been done."),
        ("bad_result", TOOL, "State unknown: part of it may have been done."),
        (None, TOOL, "State unknown: part of it may have been done."),
        ("invalid_input", TOOL, "Nothing was changed. It was not run."),
        ("ReadTimeout", READING, "Nothing was changed. It only reads."),
    ],
)
def test_a_failure_says_whether_its_state_is_known(error_class: str | None, known: Tool, told: str) -> None:
    made = shown(failed(error_class), known=known)
    text = text_of(made.html)
    assert text.startswith("🔴 Failed · #A7F3Q2")
    assert "It broke." in text
    assert told in text
    assert "Retry makes a new call, which goes through approval like any other." in text
    assert (labels(made), verbs(made)) == (["🔁 Retry"], [Verb.AGAIN])


def test_a_failure_names_its_attempts_class_and_duration() -> None:
    text = said(failed("ReadTimeout", attempt_count=2, duration_ms=125_000))
    assert "2 attempts · after 2 min 5 s · ReadTimeout" in text
    assert "Somebody looked: it was not done." in said(failed("marked_not_done", marked_by=ANNA))
    assert "It did not say why." in said(view(call(Status.FAILED), outcome=outcome(Status.FAILED)))


def test_a_failed_undo_offers_no_retry() -> None:
    made = shown(view(call(Status.FAILED, undo_of=OTHER), outcome=outcome(Status.FAILED, error="No.")))
    assert made.buttons == ()
    assert "Retry" not in made.html


def test_timed_out_says_so() -> None:
    ended = outcome(Status.TIMED_OUT, error="It did not finish within 30 seconds.", error_class="timeout")
    text = said(view(call(Status.TIMED_OUT, attempts=1), outcome=ended))
    assert text.startswith("🔴 Timed out: it took too long")
    assert "State unknown" in text


def test_denied_names_who_and_why_and_that_nothing_was_changed() -> None:
    seen = view(call(Status.DENIED), vote(Vote.DENIED, comment="Photo of the damage\nis missing."))
    made = shown(seen)
    assert text_of(made.html).splitlines() == [
        "⛔ Denied by Anna, 13:58 UTC · #A7F3Q2",
        "Add expense of 900.00 EUR for new desk",
        "Photo of the damage",
        "is missing.",
        "Nothing was changed.",
        "Asked by Mia",
    ]
    assert "<s>Add expense of 900.00 EUR for new desk</s>" in made.html
    assert (labels(made), verbs(made)) == (["🔄 Ask again"], [Verb.AGAIN])
    assert "<blockquote>" not in shown(view(call(Status.DENIED), vote(Vote.DENIED))).html


def test_denied_by_policy_names_the_rule_and_no_person() -> None:
    verdict = replace(
        VERDICT, decision=PolicyDecision.DENY, rule="weekends", reason="no spending on weekends"
    )
    text = said(in_status(Status.DENIED, verdict=verdict))
    assert text.startswith("⛔ Denied by policy · #A7F3Q2")
    assert "no spending on weekends\nNothing was changed. Rule: weekends. An admin can change it" in text
    later = view(
        call(Status.DENIED), vote(), outcome=outcome(Status.DENIED, error="Today's policy denies this.")
    )
    assert "Today's policy denies this.\nNothing was changed. No person denied it." in said(later)


def test_expired_is_nobody_s_denial() -> None:
    made = shown(in_status(Status.EXPIRED))
    text = text_of(made.html)
    assert text.startswith("⚪ Expired: nobody decided · #A7F3Q2")
    assert "No decision within 24 h; nobody said no. Nothing was changed." in text
    assert labels(made) == ["🔄 Ask again"]
    for seen in (view(call(Status.EXPIRED), vote()), in_status(Status.EXPIRED, verdict=ALLOWED)):
        assert said(seen).startswith("⚪ Expired: not started in time")


def test_cancelled_says_by_whom_and_what_stands() -> None:
    ended = outcome(Status.CANCELLED, error="Withdrawn by Mia.")
    text = said(view(call(Status.CANCELLED), outcome=ended))
    assert text.startswith("⚪ Cancelled · #A7F3Q2")
    assert "Withdrawn by Mia.\nNothing was changed." in text
    stopped = said(in_status(Status.CANCELLED, attempts=1))
    assert stopped.startswith("⚪ Cancelled while it ran")
    assert "State unknown" in stopped
    assert shown(in_status(Status.CANCELLED, undo_of=OTHER)).buttons == ()
