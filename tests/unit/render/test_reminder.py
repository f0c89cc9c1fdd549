"""Short words around a card: nothing of the arguments, and what is still to be done."""

from __future__ import annotations

from datetime import timedelta

from bot.telegram.render.reminder import for_nobody, reminder
from core.lifecycle import Status
from tests.unit.render.kit import NOW
from tests.unit.render.kit import call as call_of


def test_a_reminder_names_the_call_and_until_when() -> None:
    call = call_of(expires_at=NOW + timedelta(hours=1))
    shown = reminder(call, now=NOW)
    assert call.short_id in shown.html
    assert "still waits for a signature" in shown.html
    assert "tg-time" in shown.html
    assert call.title not in shown.html
    assert not shown.buttons


def test_what_was_settled_meanwhile_is_not_asked_for() -> None:
    shown = reminder(call_of(status=Status.DENIED), now=NOW)
    assert "settled" in shown.html
    assert "waits" not in shown.html


def test_a_card_of_a_team_that_was_left_shows_nothing_of_the_call() -> None:
    call = call_of(status=Status.COMPLETED)
    shown = for_nobody(call)
    assert call.title not in shown.html
    assert not shown.complete
    assert not shown.buttons
