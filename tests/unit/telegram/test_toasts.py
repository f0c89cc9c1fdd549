"""Answers to taps: short enough, plain, and an alert exactly where the tap did not count."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from bot.telegram.render import toasts
from bot.telegram.render.message import ALERT_MOST
from bot.telegram.render.toasts import Toast
from core.errors import Code, Refusal
from core.ids import PersonId
from core.lifecycle import Status
from core.model import Approval, Channel, Vote
from tests.unit.render.kit import call

WAITING = call(status=Status.PROPOSED)
PENDING = call(status=Status.PENDING)
APPROVAL = Approval(
    call_id=PENDING.id,
    tenant_id=PENDING.tenant_id,
    account_id=PENDING.account_id,
    revision=1,
    person_id=PersonId("p"),
    person_name="Paul",
    vote=Vote.APPROVED,
    channel=Channel.TELEGRAM,
    comment="",
    consent_digest="",
    at=datetime(2026, 1, 2, 9, 5, tzinfo=UTC),
)

COUNTED = [
    toasts.voted(call(status=Status.DENIED), Vote.DENIED),
    toasts.voted(WAITING, Vote.APPROVED),
    toasts.voted(PENDING, Vote.APPROVED),
    toasts.withdrawn(),
    toasts.undoing(None),
    toasts.asked_again(),
    toasts.marked(call(status=Status.COMPLETED), again=False),
    toasts.marked(call(status=Status.FAILED), again=False),
    toasts.marked(call(status=Status.FAILED), again=True),
    toasts.done(),
    toasts.saved("EUR"),
    toasts.extended(WAITING),
    toasts.choose_below(),
    toasts.write_below(),
    toasts.granted(),
    toasts.revoked(),
    toasts.left(),
    toasts.nothing_more(),
]
DID_NOT_COUNT = [
    *(toasts.voted_before(call(status=status), APPROVAL) for status in Status),
    *(toasts.there_already(call(status=status)) for status in Status),
    toasts.refusal(Refusal(Code.NOT_APPROVER, "Only an approver may sign this.")),
    toasts.still_deciding(),
    toasts.once_more(),
    toasts.unknown_button(),
    toasts.too_old(),
]


@pytest.mark.parametrize("toast", [*COUNTED, *DID_NOT_COUNT], ids=lambda toast: toast.text)
def test_every_answer_fits_and_is_a_plain_sentence(toast: Toast) -> None:
    assert 0 < len(toast.text) <= ALERT_MOST
    assert toast.text.endswith(".")
    assert "<" not in toast.text
    assert "\n" not in toast.text


def test_an_alert_is_where_the_tap_did_not_count() -> None:
    assert not any(toast.alert for toast in COUNTED)
    assert all(toast.alert for toast in DID_NOT_COUNT)


def test_votes_say_what_they_did() -> None:
    assert "Nothing was changed" in toasts.voted(call(status=Status.DENIED), Vote.DENIED).text
    assert "More" in toasts.voted(WAITING, Vote.DENIED).text
    assert "More" in toasts.voted(WAITING, Vote.APPROVED).text
    assert "runs now" in toasts.voted(PENDING, Vote.APPROVED).text


def test_a_vote_given_before_says_when_and_how_it_stands() -> None:
    told = toasts.voted_before(PENDING, APPROVAL).text
    assert "09:05 UTC" in told
    assert "approved" in told
    assert PENDING.short_id in told
    denied = toasts.voted_before(call(status=Status.DENIED), replace(APPROVAL, vote=Vote.DENIED)).text
    assert "denied" in denied


def test_what_was_marked_is_said() -> None:
    assert "not done" not in toasts.marked(call(status=Status.COMPLETED), again=False).text
    assert "not done" in toasts.marked(call(status=Status.FAILED), again=False).text
    assert "new call" in toasts.marked(call(status=Status.FAILED), again=True).text
