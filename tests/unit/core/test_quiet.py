"""Quiet hours: when they are, and when they end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine.quiet import quiet_until
from core.ids import PersonId
from core.model import Person


def somebody(start: int | None, end: int | None, zone: str | None = None) -> Person:
    return Person(
        id=PersonId("ann"),
        name="Ann",
        timezone=zone,
        currency=None,
        end_replies=True,
        quiet_from=start,
        quiet_to=end,
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "zone", "now", "until"),
    [
        (22 * 60, 7 * 60, None, "2026-11-20 21:59", None),
        (22 * 60, 7 * 60, None, "2026-11-20 22:00", "2026-11-21 07:00"),
        (22 * 60, 7 * 60, None, "2026-11-21 06:59", "2026-11-21 07:00"),
        (22 * 60, 7 * 60, None, "2026-11-21 07:00", None),
        (12 * 60, 13 * 60 + 30, None, "2026-11-20 12:29", "2026-11-20 13:30"),
        (12 * 60, 13 * 60 + 30, None, "2026-11-20 13:30", None),
        (22 * 60, 7 * 60, "America/New_York", "2026-11-20 22:00", None),
        (22 * 60, 7 * 60, "America/New_York", "2026-11-21 03:00", "2026-11-21 12:00"),
        (22 * 60, 7 * 60, "Asia/Kathmandu", "2026-11-20 16:15", "2026-11-21 01:15"),
        (0, 0, None, "2026-11-20 00:00", None),
        (None, 7 * 60, None, "2026-11-20 03:00", None),
        (22 * 60, None, None, "2026-11-20 23:00", None),
        # The night in which clocks go back an hour, and the one in which they go forward.
        (22 * 60, 7 * 60, "Europe/Berlin", "2026-10-24 21:00", "2026-10-25 06:00"),
        (22 * 60, 7 * 60, "Europe/Berlin", "2026-03-28 22:00", "2026-03-29 05:00"),
    ],
)
def test_when_it_is_quiet_and_until_when(
    start: int | None, end: int | None, zone: str | None, now: str, until: str | None
) -> None:
    found = quiet_until(somebody(start, end, zone), timezone="UTC", now=at(now))
    assert found == (None if until is None else at(until))


def test_the_teams_zone_stands_in_for_ones_own() -> None:
    night = somebody(22 * 60, 7 * 60)
    assert quiet_until(night, timezone="Asia/Tokyo", now=at("2026-11-20 14:00")) == at("2026-11-20 22:00")


def test_a_zone_that_is_not_known_is_utc() -> None:
    lost = somebody(22 * 60, 7 * 60, "Atlantis/Capital")
    assert quiet_until(lost, timezone="Asia/Tokyo", now=at("2026-11-20 23:00")) == at("2026-11-21 07:00")


_MINUTES = st.integers(min_value=0, max_value=24 * 60 - 1)


@given(_MINUTES, _MINUTES, st.integers(min_value=0, max_value=3 * 24 * 60))
def test_quiet_hours_end_and_are_over_then(start: int, end: int, minutes: int) -> None:
    person, now = somebody(start, end), at("2026-11-20 00:00") + timedelta(minutes=minutes)
    until = quiet_until(person, timezone="UTC", now=now)
    if until is None:
        return
    assert now < until <= now + timedelta(days=1)
    assert quiet_until(person, timezone="UTC", now=until - timedelta(minutes=1)) == until
    assert quiet_until(person, timezone="UTC", now=until) is None
