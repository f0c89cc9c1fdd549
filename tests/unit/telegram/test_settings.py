"""/settings in words: what is taken, what is refused and how that is told."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.telegram.render.settings import quiet_hours
from bot.telegram.settings import Place, changed, said
from core.errors import InvalidInput
from core.ids import PersonId, TenantId
from core.model import Membership, Person, Role

NOW = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)  # a Saturday
ANN = Person(id=PersonId("ann"), name="Ann", timezone=None, currency=None, end_replies=True)
NAMES = {"ann": "Ann", "bob": "Bob Smith", "bo": "Bo Smith", "eve": "Eve"}
PLACE = Place(
    now=NOW,
    timezone="Europe/Berlin",
    members=[
        Membership(tenant_id=TenantId("t"), person_id=PersonId(key), role=Role.APPROVER, name=name)
        for key, name in NAMES.items()
    ],
)


def after(words: str, person: Person = ANN) -> Person:
    found = said(person, words, place=PLACE)
    assert found is not None
    return found


def problem(words: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        said(ANN, words, place=PLACE)
    return caught.value


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ("quiet 22:00-07:00", "22:00-07:00"),
        ("Quiet 22-7", "22:00-07:00"),
        ("quiet 22:30 – 6:15", "22:30-06:15"),
        ("quiet 0-24", None),
        ("quiet 24-6", "00:00-06:00"),
        ("quiet off", ""),
    ],
)
def test_quiet_hours(words: str, hours: str | None) -> None:
    if hours is None:
        assert "22:00-07:00" in problem(words).allowed
    else:
        assert quiet_hours(after(words)) == hours


@pytest.mark.parametrize(
    "words", ["quiet", "quiet 25-7", "quiet 7-7", "quiet 22:60-7", "quiet please", "quiet 22"]
)
def test_hours_that_there_are_not_are_refused(words: str) -> None:
    assert problem(words).field == "quiet"


@pytest.mark.parametrize(
    ("words", "until"),
    [
        ("away 3d", NOW + timedelta(days=3)),
        ("away for 2 weeks", NOW + timedelta(days=14)),
        ("away 12h", NOW + timedelta(hours=12)),
        ("away until 2026-12-01", datetime(2026, 11, 30, 23, 0, tzinfo=UTC)),
        ("away until friday", datetime(2026, 11, 26, 23, 0, tzinfo=UTC)),
        ("away tomorrow", datetime(2026, 11, 21, 23, 0, tzinfo=UTC)),
    ],
)
def test_away_until(words: str, until: datetime) -> None:
    assert after(words).away_until == until


@pytest.mark.parametrize(
    "words", ["away", "away 0d", "away 999d", "away until 2020-01-01", "away until never", "away -3d"]
)
def test_a_time_that_is_over_too_far_or_none_is_refused(words: str) -> None:
    told = problem(words)
    assert told.field == "away"
    assert "until friday" in told.allowed


def test_back_again() -> None:
    away = after("away 3d")
    assert after("away off", away).away_until is None
    assert after("away back", away).away_until is None


@pytest.mark.parametrize(
    ("words", "who"),
    [
        ("stand-in Eve", "eve"),
        ("standin bob smith", "bob"),
        ("stand-in Bob", "bob"),
        ("stand-in @eve", "eve"),
    ],
)
def test_a_stand_in_is_a_member_by_name(words: str, who: str) -> None:
    assert after(words).stand_in == who
    assert after("stand-in off", after(words)).stand_in is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("stand-in Smith", "several"),
        ("stand-in Ann", "nobody else"),
        ("stand-in Zoe", "nobody else"),
        ("stand-in", "nobody"),
    ],
)
def test_a_stand_in_who_is_not_one_other_member_is_refused(words: str, told: str) -> None:
    assert told in problem(words).allowed


@pytest.mark.parametrize("words", ["", "nonsense", "tz", "replies2 on", "quietly 22-7"])
def test_words_that_name_nothing_set_nothing(words: str) -> None:
    assert said(ANN, words, place=PLACE) is None


@pytest.mark.parametrize(("name", "value"), [("tz", "Mars"), ("cur", "XXX"), ("replies", "maybe")])
def test_a_forged_value_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidInput):
        changed(ANN, name, value, place=PLACE)
    assert changed(ANN, "role", "admin", place=PLACE) is None


@given(st.text(max_size=60))
def test_whatever_is_said_is_set_refused_or_unknown(words: str) -> None:
    for begin in ("", "quiet ", "away ", "away until ", "stand-in "):
        with suppress(InvalidInput):
            found = said(ANN, begin + words, place=PLACE)
            assert found is None or found.id == ANN.id
