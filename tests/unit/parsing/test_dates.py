from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.parsing import ParseContext
from core.parsing.dates import read_date
from core.parsing.language import ENGLISH

WEDNESDAY = date(2026, 11, 18)


@pytest.mark.parametrize(
    ("text", "expected", "sure"),
    [
        ("today", "2026-11-18", True),
        ("Tonight", "2026-11-18", True),
        ("tomorrow", "2026-11-19", True),
        ("the day after tomorrow", "2026-11-20", True),
        ("yesterday", "2026-11-17", True),
        ("friday", "2026-11-20", True),
        ("on Fri.", "2026-11-20", True),
        ("wednesday", "2026-11-25", False),
        ("monday", "2026-11-23", True),
        ("next friday", "2026-11-27", True),
        ("next wednesday", "2026-11-25", True),
        ("this friday", "2026-11-20", True),
        ("this monday", "2026-11-23", False),
        ("in 3 days", "2026-11-21", True),
        ("in two weeks", "2026-12-02", True),
        ("in a month", "2026-12-18", True),
        ("in 4 months", "2027-03-18", True),
        ("in 1 year", "2027-11-18", True),
        ("end of month", "2026-11-30", True),
        ("end of the year", "2026-12-31", True),
        ("end of week", "2026-11-22", False),
        ("next week", "2026-11-23", False),
        ("next month", "2026-12-01", False),
        ("2026-12-12", "2026-12-12", True),
        ("2020-01-01", "2020-01-01", True),
        ("12 dec", "2026-12-12", True),
        ("dec 12", "2026-12-12", True),
        ("12th of December", "2026-12-12", True),
        ("Dec 12, 2027", "2027-12-12", True),
        ("12.12.", "2026-12-12", True),
        ("12.1.", "2027-01-12", True),
        ("12.12.2027", "2027-12-12", True),
        ("12.12.27", "2027-12-12", True),
        ("12/11", "2027-11-12", False),
        ("25/12", "2026-12-25", True),
        ("12/25", "2026-12-25", True),
        ("12/12", "2026-12-12", True),
        ("3-4-2027", "2027-04-03", False),
        ("17 nov", "2027-11-17", False),
        ("18 nov", "2026-11-18", True),
        ("29 feb", "2028-02-29", True),
        ("the 20th", "2026-11-20", True),
        ("the 3rd", "2026-12-03", True),
        ("31st", "2026-12-31", True),
        ("18th", "2026-12-18", False),
    ],
)
def test_a_day_is_read(text: str, expected: str, sure: bool) -> None:
    found = read_date(text, today=WEDNESDAY, language=ENGLISH)
    assert found is not None
    assert (found.value.isoformat(), found.sure) == (expected, sure)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the",
        "may",
        "42",
        "soon",
        "friday at 5pm",
        "tonight at 8",
        "31 nov",
        "30 feb",
        "2026-02-30",
        "32.1.",
        "in 9999 years",
        "in many days",
        "last friday",
        "12-11",
        "next century",
        "0th",
        "32nd",
        "12xx",
        "12 foo",
        "a b c d e f g",
        "x" * 100,
        "13/13",
        "next may",
        "12foo dec",
        "2026-13-01",
        "in 3 days or so",
    ],
)
def test_what_is_no_day_is_none(text: str) -> None:
    assert read_date(text, today=WEDNESDAY, language=ENGLISH) is None


def test_a_month_later_stays_in_the_month() -> None:
    found = read_date("in 1 month", today=date(2027, 1, 31), language=ENGLISH)
    assert found is not None
    assert found.value == date(2027, 2, 28)


def test_today_is_the_persons() -> None:
    late = datetime(2026, 11, 18, 23, 30, tzinfo=UTC)
    assert ParseContext(now=late, timezone="Europe/Vienna", currency="EUR").today == date(2026, 11, 19)
    assert ParseContext(now=late, timezone="America/New_York", currency="EUR").today == date(2026, 11, 18)


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", ""])
def test_a_wrong_zone_or_naive_time_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="zone"):
        ParseContext(now=datetime(2026, 1, 1, tzinfo=UTC), timezone=zone, currency="EUR")
    with pytest.raises(ValueError, match="aware"):
        ParseContext(now=datetime(2026, 1, 1), timezone="UTC", currency="EUR")  # noqa: DTZ001


@given(st.dates())
def test_iso_reads_as_itself(day: date) -> None:
    found = read_date(day.isoformat(), today=WEDNESDAY, language=ENGLISH)
    assert found is not None
    assert found.value == day


_PIECES = [
    "next",
    "this",
    "in",
    "3",
    "12",
    "friday",
    "dec",
    "may",
    "2026",
    "end",
    "of",
    "month",
    "12.12.",
    "weeks",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=6), st.dates())
def test_no_words_on_no_day_raise(words: list[str], today: date) -> None:
    read_date(" ".join(words), today=today, language=ENGLISH)


@given(st.text(max_size=70), st.dates())
def test_no_text_raises(text: str, today: date) -> None:
    read_date(text, today=today, language=ENGLISH)


@given(st.sampled_from(sorted(ENGLISH.weekdays)), st.dates(max_value=date(9999, 12, 1)))
def test_a_weekday_is_within_the_week_to_come(name: str, today: date) -> None:
    found = read_date(name, today=today, language=ENGLISH)
    assert found is not None
    assert 1 <= (found.value - today).days <= 7
    assert found.value.weekday() == ENGLISH.weekdays[name]
