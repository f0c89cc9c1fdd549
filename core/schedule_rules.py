"""When a schedule is due: the text of a rule, read in a time zone, and its next and last times.

A rule is "at 2026-11-22T09:00", or "cron" with five fields: minute, hour, day of the month, month, day of
the week (0 or 7 is Sunday, or mon to sun). Where both days are narrowed, either is enough, as in any cron.

Clocks that change lose nothing and double nothing: a time of day that a day skips comes at the first moment
after the gap, one that a day has twice comes the first time. Only a rule for every hour ("*") goes by the
hours that really pass: it comes in both, and has nothing to make up for where one is skipped.
"""

from __future__ import annotations

import re
from calendar import day_name
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from core.errors import InvalidInput

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_LONGEST_WAIT: Final = 366 * 8 + 10
"""Days: from the 29th of February 2096 to the next one. What does not come by then never comes."""
_LONGEST: Final = 200
_SHORTEST_MONTH: Final = 28
_MOST_TIMES: Final = 4
"""A day with more times than that is told by its fields."""
_PART: Final = re.compile(r"(\*|[a-z0-9]+(?:-[a-z0-9]+)?)(?:/([0-9]{1,2}))?")
_MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAYS: Final = "sun mon tue wed thu fri sat".split()
_FIELDS: Final = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_ALLOWED: Final = (
    'it is "at 2026-11-22T09:00", or "cron" and five fields: minute, hour, day of the month, month, day of '
    'the week, as in "cron 0 9 * * mon-fri"'
)


class At(Struct, frozen=True, kw_only=True):
    """Once, at this time of the zone's clock; one that carries its offset is that very moment."""

    when: datetime


class Cron(Struct, frozen=True, kw_only=True):
    """Again and again. Days of the week count from Monday = 0, as Python's do; an empty set means any."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    month_days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    every_hour: bool

    def falls_on(self, day: date) -> bool:
        """Whether it has times on this day."""
        if day.month not in self.months:
            return False
        if self.month_days and self.weekdays:
            return day.day in self.month_days or day.weekday() in self.weekdays
        if self.month_days:
            return day.day in self.month_days
        return not self.weekdays or day.weekday() in self.weekdays


@lru_cache(maxsize=256)
def read_rule(text: str) -> At | Cron:
    """What a rule's text says. Raises InvalidInput naming what is wrong with it."""
    kind, _, rest = text.strip().partition(" ")
    if len(text) <= _LONGEST and kind == "at":
        return _at(rest.strip())
    if len(text) <= _LONGEST and kind == "cron":
        return _cron(rest.lower().split())
    raise _wrong(text)


def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises InvalidInput where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidInput(
            field="timezone", given=name, allowed="it is an IANA time zone, such as Europe/Berlin"
        ) from None


def next_time(rule: str, *, timezone: str, after: datetime) -> datetime | None:
    """The first time later than this moment, in UTC; None where there is none. Raises InvalidInput."""
    read, zone = read_rule(rule), zone_of(timezone)
    if isinstance(read, At):
        when = _moment(read.when, zone)
        return when if when > after else None
    days = _days(read, _day_of(after, zone) - _DAY, forward=True)
    return min((when for when in _near(read, zone, days, after, forward=True)), default=None)


def last_time(rule: str, *, timezone: str, until: datetime) -> datetime | None:
    """The newest time that is not later than this moment, in UTC; None where there was none in the last
    eight years. Raises InvalidInput."""
    read, zone = read_rule(rule), zone_of(timezone)
    if isinstance(read, At):
        when = _moment(read.when, zone)
        return when if when <= until else None
    days = _days(read, _day_of(until, zone) + _DAY, forward=False)
    return max((when for when in _near(read, zone, days, until, forward=False)), default=None)


def in_words(rule: str) -> str:
    """The rule as people say it: "every Monday at 09:00", "once"; its fields where there are no plain words
    for it. Raises InvalidInput."""
    read = read_rule(rule)
    if isinstance(read, At):
        return "once"
    days = _days_in_words(read)
    if not days or len(read.minutes) * len(read.hours) > _MOST_TIMES:
        return f"by the rule “{rule.removeprefix('cron').strip()}”"
    times = [f"{hour:02}:{minute:02}" for hour in read.hours for minute in read.minutes]
    return f"{days} at {_listed(times)}"


def _days_in_words(rule: Cron) -> str:
    """ "every weekday", "on the 1st of every month"; "" where that takes more words."""
    if len(rule.months) < 12 or (rule.month_days and rule.weekdays):
        return ""
    if rule.month_days:
        ending = ", in months that have one" if max(rule.month_days) > _SHORTEST_MONTH else ""
        return f"on the {_listed([_nth(day) for day in sorted(rule.month_days)])} of every month{ending}"
    if len(rule.weekdays) in (0, 7):
        return "every day"
    if rule.weekdays == frozenset(range(5)):
        return "every weekday"
    return f"every {_listed([day_name[day] for day in sorted(rule.weekdays)])}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _nth(day: int) -> str:
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _near(
    rule: Cron, zone: ZoneInfo, days: Iterator[date], moment: datetime, *, forward: bool
) -> Iterator[datetime]:
    """The times on the right side of a moment, of the first day that has any and of those next to it: a clock
    that is changed around midnight brings one day's times behind the next one's."""
    found: date | None = None
    for day in days:
        if found is not None and abs(day - found) > _DAY:
            return
        for when in _times(rule, zone, day):
            if when > moment if forward else when <= moment:
                found = found or day
                yield when


def _days(rule: Cron, first: date, *, forward: bool) -> Iterator[date]:
    """The days on which a rule falls, from one on, as far as it is worth looking."""
    for number in range(_LONGEST_WAIT):
        try:
            day = first + _DAY * (number if forward else -number)
        except OverflowError:
            return
        if rule.falls_on(day):
            yield day


def _times(rule: Cron, zone: ZoneInfo, day: date) -> Iterator[datetime]:
    """The moments that a day of the zone's calendar has for a rule."""
    for hour in rule.hours:
        for minute in rule.minutes:
            local = datetime.combine(day, time(hour, minute))
            if not rule.every_hour:
                yield _moment(local, zone)
                continue
            for fold in (0, 1):
                when = local.replace(fold=fold, tzinfo=zone).astimezone(UTC)
                if when.astimezone(zone).replace(tzinfo=None) == local:
                    yield when


def _moment(local: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the zone's clock first shows this time, or would have: then the end of the gap."""
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    when = local.replace(tzinfo=zone).astimezone(UTC)
    if when.astimezone(zone).replace(tzinfo=None) == local:
        return when
    return _end_of_gap(local, zone)


def _end_of_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """The moment from which on the zone's clock shows more than a time that it skips."""
    # Before the gap the offset is fold 0's, behind it fold 1's: the change lies between the two readings.
    late = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    early = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while late - early > _SECOND:
        middle = early + _SECOND * ((late - early) // _SECOND // 2)
        if middle.astimezone(zone).replace(tzinfo=None) > local:
            late = middle
        else:
            early = middle
    return late


def _day_of(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


def _at(text: str) -> At:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(f"at {text}") from None
    if "T" not in text or not 2000 <= when.year < 3000:
        raise _wrong(f"at {text}")
    return At(when=when)


def _cron(fields: Sequence[str]) -> Cron:
    if len(fields) != len(_FIELDS):
        raise _wrong(f"cron {' '.join(fields)}")
    minutes, hours, days, months, weekdays = map(_field, fields, range(len(_FIELDS)))
    return Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        month_days=frozenset() if fields[2] == "*" else days,
        months=months,
        weekdays=frozenset() if fields[4] == "*" else frozenset((day - 1) % 7 for day in weekdays),
        every_hour=fields[1] == "*",
    )


def _field(text: str, place: int) -> frozenset[int]:
    """The numbers that one field names. Raises InvalidInput."""
    return frozenset(number for part in text.split(",") for number in _part(part, place))


def _part(text: str, place: int) -> range:
    name, least, most, _ = _FIELDS[place]
    found = _PART.fullmatch(text)
    problem = InvalidInput(
        field=name,
        given=text,
        allowed=f'it is "*", or numbers from {least} to {most}, as in 1,3 or 1-5 or */2',
    )
    if found is None:
        raise problem
    begin, _, end = found[1].partition("-")
    every = int(found[2] or 1)
    first = least if begin == "*" else _number(begin, place)
    alone = begin != "*" and not end and found[2] is None
    last = _number(end, place) if end else first if alone and first is not None else most
    if first is None or last is None or not least <= first <= last <= most or every < 1:
        raise problem
    return range(first, last + 1, every)


def _number(word: str, place: int) -> int | None:
    names = _FIELDS[place][3]
    if word in names:
        return list(names).index(word) + (1 if place == 3 else 0)
    return int(word) if word.isascii() and word.isdigit() and len(word) <= 2 else None


def _wrong(text: str) -> InvalidInput:
    return InvalidInput(field="rule", given=text, allowed=_ALLOWED)
