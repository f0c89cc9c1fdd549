"""Plain lines for what is harmless, and the one sentence at the end."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bot.telegram.render.card import card, end_reply
from core.lifecycle import Status
from core.model import CallView, Risk, Vote
from core.registry import ToolRegistry
from tests.unit.render.kit import (
    ANNA,
    NOW,
    OTHER,
    READING,
    TOOL,
    call,
    done,
    failed,
    in_status,
    outcome,
    plain_line,
    shown,
    view,
    vote,
)
from tests.unit.render.reading import check, labels, text_of


def test_a_harmless_call_is_one_line_with_undo() -> None:
    made = plain_line(done())
    assert made.html == "✅ <b>Added expense #7: 900.00 EUR for new desk</b> · <code>#A7F3Q2</code>"
    assert labels(made) == ["↩️ Undo"]
    empty = view(call(Status.COMPLETED), outcome=outcome(Status.COMPLETED))
    assert "✅ <b>Done: Add expense of 900.00 EUR for new desk</b>" in plain_line(empty).html


def test_a_list_is_quoted_as_it_is() -> None:
    seen = view(call(Status.COMPLETED), outcome=outcome(Status.COMPLETED, formatted="2 tasks:\n#1 a\n#2 b"))
    assert plain_line(seen, known=READING).html == "<blockquote>2 tasks:\n#1 a\n#2 b</blockquote>"
    assert plain_line(seen).html.endswith("</blockquote>\n<code>#A7F3Q2</code>")


def test_a_line_on_its_way_says_so() -> None:
    made = plain_line(in_status(Status.PENDING))
    assert made.html == "⏳ <b>Add expense of 900.00 EUR for new desk</b> …"


@pytest.mark.parametrize("status", [Status.RUNNING, Status.VALIDATING])
def test_a_line_that_takes_long_can_be_stopped(status: Status) -> None:
    made = plain_line(in_status(status, attempts=1))
    assert text_of(made.html) == "⏳ Add expense of 900.00 EUR for new desk · #A7F3Q2"
    assert labels(made) == ["⏹ Cancel"]


def test_a_line_that_failed_says_why_in_two_lines() -> None:
    made = plain_line(failed("task_not_found"))
    assert text_of(made.html) == "🔴 Add expense of 900.00 EUR for new desk · #A7F3Q2\nNot done: It broke."
    assert labels(made) == ["🔁 Retry"]
    unsaid = view(call(Status.FAILED), outcome=outcome(Status.FAILED, error_class="odd"))
    assert "Not done: <i>it did not say why.</i>" in plain_line(unsaid).html


@pytest.mark.parametrize(
    "seen",
    [
        in_status(Status.PROPOSED),
        in_status(Status.INTERRUPTED),
        in_status(Status.DENIED),
        in_status(Status.TIMED_OUT),
        failed("ReadTimeout"),
        failed("marked_not_done", marked_by=ANNA),
        replace(done(), undone_by=OTHER),
        view(call(Status.COMPLETED, undo_of=OTHER), outcome=outcome(Status.COMPLETED)),
    ],
)
def test_what_needs_a_person_is_a_card_also_where_a_line_was(seen: CallView) -> None:
    whole = card(seen, tool=TOOL, now=NOW, registry=ToolRegistry([TOOL]), private=False)
    assert plain_line(seen) == whole


def test_a_line_of_ours_can_stand_above_a_card() -> None:
    made = shown(in_status(Status.PROPOSED), above="📋 <b>2 of 3</b>")
    assert made.html.startswith("📋 <b>2 of 3</b>\n🟡 ")


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (done(), "🟢 #A7F3Q2 is done; the card above has the result."),
        (failed("x"), "🔴 #A7F3Q2 failed; the card above says why and what to do."),
        (in_status(Status.TIMED_OUT), "🔴 #A7F3Q2 took too long and was stopped; look at the card above."),
        (
            view(call(Status.DENIED), vote(Vote.DENIED, comment="No photo.")),
            "⛔ Anna denied #A7F3Q2: “No photo.” Nothing was changed.",
        ),
        (
            in_status(Status.DENIED),
            "⛔ #A7F3Q2 was denied by policy; the card above says why. Nothing was changed.",
        ),
        (
            in_status(Status.EXPIRED),
            "⚪ #A7F3Q2 has expired: nobody decided in time. Nothing was changed.",
        ),
        (
            view(call(Status.EXPIRED), vote()),
            "⚪ #A7F3Q2 has expired: it was not started in time. Nothing was changed.",
        ),
        (in_status(Status.CANCELLED), "⚪ #A7F3Q2 was cancelled; the card above says by whom."),
        (
            in_status(Status.INTERRUPTED),
            "⚠️ #A7F3Q2 was interrupted and nobody saw its end. Please look, and settle it on the card above.",
        ),
        (in_status(Status.RUNNING), "#A7F3Q2 has changed; the card above shows how it stands."),
    ],
)
def test_the_end_is_told_in_one_sentence(seen: CallView, told: str) -> None:
    made = end_reply(seen)
    check(made)
    assert text_of(made.html) == told


def test_the_fixed_words_are_a_whole_label_before_any_that_contains_them() -> None:
    every = [shown(in_status(status, attempts=1)) for status in Status] + [shown(done())]
    for word in ("Approve", "Deny", "Undo", "Ask again"):
        found = [[label for label in labels(made) if word in label] for made in every]
        assert any(found)
        for containing in filter(None, found):
            assert containing[0].split(" ", 1)[1] == word
            assert all(label.split(" ", 1)[1] != word for label in containing[1:])


@pytest.mark.parametrize("risk", list(Risk))
def test_risk_is_a_word(risk: Risk) -> None:
    assert f"risk <b>{risk.value}</b>" in shown(in_status(Status.PROPOSED, risk=risk)).html
