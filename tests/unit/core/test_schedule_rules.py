"""When a rule is due: against a slow oracle that walks every minute, where zones change their clocks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.schedule_rules import At, Cron, in_words, last_time, next_time, read_rule, zone_of
from tests.e2e.rounds import rounds

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",  # changed at a minute past midnight
    "America/Sao_Paulo",  # changed at midnight: a day without 00:00
    "Australia/Lord_Howe",  # by half an hour
    "Antarctica/Troll",  # by two hours
    "Africa/Casablanca",
    "Pacific/Apia",  # skipped a day in 2011
    "Asia/Tehran",
    "UTC",
)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@lru_cache(maxsize=512)
def changes(zone: str, year: int) -> tuple[datetime, ...]:
    """About when the clocks of a zone changed in a year; the year's middle where they did not."""
    there, start = ZoneInfo(zone), datetime(year, 1, 1, tzinfo=UTC)
    moments = [start + HOUR * 12 * n for n in range(2 * 366 + 1)]
    offsets = [moment.astimezone(there).utcoffset() for moment in moments]
    found = [moment for moment, (was, then) in zip(moments, pairwise(offsets), strict=False) if was != then]
    return tuple(found) or (start + DAY * 180,)


def oracle(rule: Cron, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """All times of a rule in a stretch of time, from what the zone's clock shows in each of its minutes."""
    there = ZoneInfo(zone)
    minutes = [start + MINUTE * n for n in range(int((end - start) / MINUTE))]
    shown = [moment.astimezone(there).replace(tzinfo=None) for moment in minutes]
    if rule.every_hour:
        return [m for m, local in zip(minutes, shown, strict=True) if wanted(rule, local)]
    first: dict[datetime, datetime] = {}
    for moment, local in zip(minutes, shown, strict=True):
        first.setdefault(local, moment)
    found, local, newest = set(), shown[0], max(shown)
    while local <= newest:
        if wanted(rule, local):
            later = (m for m, clock in zip(minutes, shown, strict=True) if clock > local)
            found.add(first.get(local) or next(later))
        local += MINUTE
    return sorted(found)


def wanted(rule: Cron, local: datetime) -> bool:
    return local.minute in rule.minutes and local.hour in rule.hours and rule.falls_on(local.date())


def told(rule: str, zone: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """The same, as the rules tell it."""
    at = next_time(rule, timezone=zone, after=start - MINUTE)
    while at is not None and at < end:
        yield at
        at = next_time(rule, timezone=zone, after=at)


some = st.lists(st.integers(0, 23), min_size=1, max_size=4, unique=True).map(lambda n: ",".join(map(str, n)))
minutes = st.lists(st.integers(0, 59), min_size=1, max_size=3, unique=True).map(
    lambda n: ",".join(map(str, n))
)
RULES = st.builds(
    "cron {} {} {} * {}".format,
    minutes | st.sampled_from(["0", "30", "7,37"]),
    some | st.sampled_from(["*", "0", "0-3", "1-2"]),
    st.sampled_from(["*", "*", "1-31/2", "28-31"]),
    st.sampled_from(["*", "*", "mon-fri", "sat,sun"]),
)


@settings(max_examples=rounds(normal=15, full=30), deadline=None)
@given(
    rule=RULES,
    zone=st.sampled_from(ZONES),
    year=st.integers(1995, 2037),
    which=st.integers(0, 3),
    data=st.data(),
)
def test_no_time_is_lost_or_doubled_where_clocks_change(
    rule: str, zone: str, year: int, which: int, data: st.DataObject
) -> None:
    found = changes(zone, year)
    change = found[which % len(found)]
    start, end = change - DAY * 2, change + DAY * 2 + HOUR * 12
    read = read_rule(rule)
    assert isinstance(read, Cron)
    expected = [at for at in oracle(read, zone, start, end) if start + DAY <= at < end - DAY]
    assert list(told(rule, zone, start + DAY, end - DAY)) == expected
    if expected:
        at = data.draw(st.sampled_from(expected))
        assert last_time(rule, timezone=zone, until=at) == at
        assert last_time(rule, timezone=zone, until=at + MINUTE / 2) == at
        assert next_time(rule, timezone=zone, after=at - MINUTE / 2) == at


@pytest.mark.parametrize(
    ("rule", "zone", "after", "due"),
    [
        ("cron 30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:00"),  # 02:30 is not there
        ("cron 30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30"),  # there twice
        ("cron 30 2 * * *", "Europe/Berlin", "2026-10-25T00:30", "2026-10-26T01:30"),  # and comes once
        (
            "cron 30 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:30",
            "2026-10-25T01:30",
        ),  # every hour that passes
        (
            "cron 0 12 30 * *",
            "Pacific/Apia",
            "2011-12-01T00:00",
            "2011-12-30T10:00",
        ),  # a day that was skipped
        ("cron 0 0 29 2 *", "UTC", "2096-03-01T00:00", "2104-02-29T00:00"),
        ("cron 0 9 1 * mon", "UTC", "2026-11-24T00:00", "2026-11-30T09:00"),  # the first, or a Monday
        ("at 2026-12-24T18:00", "Europe/Berlin", "2026-11-20T00:00", "2026-12-24T17:00"),
        ("at 2026-10-25T02:30+01:00", "Europe/Berlin", "2026-10-25T00:30", "2026-10-25T01:30"),
        ("at 2026-12-24T18:00", "Europe/Berlin", "2026-12-24T17:00", None),
        ("cron 0 0 30 2 *", "UTC", "2026-01-01T00:00", None),
    ],
)
def test_the_next_time(rule: str, zone: str, after: str, due: str | None) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    expected = None if due is None else datetime.fromisoformat(due).replace(tzinfo=UTC)
    assert next_time(rule, timezone=zone, after=moment) == expected
    if expected is not None:
        assert last_time(rule, timezone=zone, until=expected) == expected
        assert last_time(rule, timezone=zone, until=moment) != expected


def test_a_rule_ends_with_the_calendar() -> None:
    assert next_time("cron 0 9 * * *", timezone="UTC", after=datetime(9999, 12, 31, 10, tzinfo=UTC)) is None


def test_days_are_read_as_cron_reads_them() -> None:
    read = read_rule("cron 0-4/2 9 * jan-mar sun,1,7")
    assert isinstance(read, Cron)
    assert read.minutes == (0, 2, 4)
    assert read.months == frozenset({1, 2, 3})
    assert read.weekdays == frozenset({0, 6})
    assert isinstance(read_rule("at 2026-12-24T18:00"), At)
    assert not read.falls_on(date(2026, 4, 5))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cron",
        "cron 0 9 * *",
        "cron 60 9 * * *",
        "cron 0 24 * * *",
        "cron 0 9 0 * *",
        "cron 0 9 * 13 *",
        "cron 0 9 * * 8",
        "cron 5-1 9 * * *",
        "cron */0 9 * * *",
        "cron 0 9 * * fri-",
        "cron 0 ² * * *",
        "cron 0 9 * * funday",
        "at tomorrow",
        "at 2026-12-24",
        "at 1999-12-24T10:00",
        "every monday",
        "cron " + "0," * 200 + "0 9 * * *",
    ],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_rule(text)


def test_what_is_no_zone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Europe/Berlin"):
        zone_of("Mars/Base")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("cron 0 9 * * mon", "every Monday at 09:00"),
        ("cron 0 8 * * mon-fri", "every weekday at 08:00"),
        ("cron 0 18 * * *", "every day at 18:00"),
        ("cron 30 9,17 * * mon,wed,fri", "every Monday, Wednesday and Friday at 09:30 and 17:30"),
        ("cron 0 9 1,22 * *", "on the 1st and 22nd of every month at 09:00"),
        ("cron 0 9 13 * *", "on the 13th of every month at 09:00"),
        ("cron 0 9 31 * *", "on the 31st of every month, in months that have one at 09:00"),
        ("cron */5 * * * *", "by the rule “*/5 * * * *”"),
        ("cron 0 9 * 12 *", "by the rule “0 9 * 12 *”"),
        ("cron 0 9 1 * mon", "by the rule “0 9 1 * mon”"),
        ("at 2026-12-24T18:00", "once"),
    ],
)
def test_a_rule_in_words(rule: str, words: str) -> None:
    assert in_words(rule) == words
