"""Days as people name them, relative to a day that is passed in.

* "friday" is the next one to come; said on a friday it means in a week, unsure.
* "next friday" is the friday of next week (weeks begin on monday), "this friday" that of this week;
  where that day is over, the one after, unsure.
* Without a year, a day that has passed is next year's; unsure if it passed less than 60 days ago.
* With dots, the day comes first. With slashes or dashes too, but unsure where the month could as well.
* "next week" and "next month" are their first day, unsure; "end of week" is its sunday, unsure.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

from msgspec import Struct

from core.parsing.language import Language
from core.parsing.text import fold

LONGEST: Final = 6
"""No date has more words."""

_ISO: Final = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_NUMERIC: Final = re.compile(r"([0-9]{1,2})([./-])([0-9]{1,2})(?:\2([0-9]{4}|[0-9]{2}))?")
_DAY: Final = re.compile(r"([0-9]{1,2})([a-z]{0,3})")
_YEAR: Final = re.compile(r"[0-9]{4}")
_COUNT: Final = re.compile(r"[0-9]{1,4}")
_MISSED_DAYS: Final = 60


class Day(Struct, frozen=True):
    """A day that was read; `sure` False where the same words have two meanings."""

    value: date
    sure: bool = True


def read_date(text: str, *, today: date, language: Language) -> Day | None:
    """The day that the whole text names, or None. Never raises."""
    if len(text) > 64:
        return None
    words = [word for word in (fold(part) for part in text.split()) if word]
    while words and words[0] in language.before_dates:
        words = words[1:]
    if not 0 < len(words) <= LONGEST:
        return None
    try:
        return next((day for rule in _RULES if (day := rule(words, today, language)) is not None), None)
    except (ValueError, OverflowError):
        return None


def _named(words: Sequence[str], today: date, language: Language) -> Day | None:
    offset = language.days.get(" ".join(words))
    return None if offset is None else Day(today + timedelta(days=offset))


def _weekday(words: Sequence[str], today: date, language: Language) -> Day | None:
    weekday = language.weekdays.get(words[-1])
    if weekday is None or len(words) > 2:
        return None
    monday = today - timedelta(days=today.weekday())
    if len(words) == 1:
        ahead = (weekday - today.weekday()) % 7
        return Day(today + timedelta(days=ahead or 7), ahead != 0)
    if words[0] in language.next:
        return Day(monday + timedelta(days=7 + weekday))
    if words[0] in language.this:
        over = weekday < today.weekday()
        return Day(monday + timedelta(days=weekday + 7 * over), not over)
    return None


def _ahead(words: Sequence[str], today: date, language: Language) -> Day | None:
    if len(words) != 3 or words[0] not in language.ahead or words[2] not in language.units:
        return None
    count = int(words[1]) if _COUNT.fullmatch(words[1]) else language.numbers.get(words[1])
    return None if count is None else Day(_later(today, count, language.units[words[2]]))


def _later(day: date, count: int, unit: str) -> date:
    if unit in {"day", "week"}:
        return day + timedelta(days=count * (7 if unit == "week" else 1))
    months = day.month - 1 + count * (12 if unit == "year" else 1)
    year, month = day.year + months // 12, months % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _end(words: Sequence[str], today: date, language: Language) -> Day | None:
    unit = language.ends.get(" ".join(words))
    if unit == "week":
        return Day(today + timedelta(days=6 - today.weekday()), sure=False)
    if unit == "month":
        return Day(today.replace(day=monthrange(today.year, today.month)[1]))
    return Day(date(today.year, 12, 31)) if unit == "year" else None


def _next_unit(words: Sequence[str], today: date, language: Language) -> Day | None:
    if len(words) != 2 or words[0] not in language.next:
        return None
    match language.units.get(words[1]):
        case "week":
            return Day(today + timedelta(days=7 - today.weekday()), sure=False)
        case "month":
            return Day(_later(today.replace(day=1), 1, "month"), sure=False)
        case _:
            return None


def _iso(words: Sequence[str], _today: date, _language: Language) -> Day | None:
    found = _ISO.fullmatch(words[0]) if len(words) == 1 else None
    return Day(date(int(found[1]), int(found[2]), int(found[3]))) if found else None


def _numeric(words: Sequence[str], today: date, _language: Language) -> Day | None:
    found = _NUMERIC.fullmatch(words[0]) if len(words) == 1 else None
    if found is None or (found[2] == "-" and not found[4]):
        return None
    day, month = int(found[1]), int(found[3])
    either = found[2] != "." and day <= 12 and month <= 12 and day != month
    if found[2] != "." and month > 12:
        day, month = month, day
    year = int(found[4]) + (2000 if len(found[4]) == 2 else 0) if found[4] else None
    read = _on(day, month, year, today)
    return Day(read.value, read.sure and not either)


def _month_name(words: Sequence[str], today: date, language: Language) -> Day | None:
    parts = [word for word in words if word not in language.inside_dates]
    year = int(parts.pop()) if len(parts) == 3 and _YEAR.fullmatch(parts[2]) else None
    if len(parts) != 2:
        return None
    first, second = parts
    name, number = (first, second) if first in language.months else (second, first)
    month, found = language.months.get(name), _DAY.fullmatch(number)
    if month is None or found is None or (found[2] and found[2] not in language.ordinals):
        return None
    return _on(int(found[1]), month, year, today)


def _day_only(words: Sequence[str], today: date, language: Language) -> Day | None:
    found = _DAY.fullmatch(words[0]) if len(words) == 1 else None
    if found is None or found[2] not in language.ordinals:
        return None
    day = int(found[1])
    for months in range(1 if day <= today.day else 0, 4):
        start = _later(today.replace(day=1), months, "month")
        if day <= monthrange(start.year, start.month)[1] and day > 0:
            return Day(start.replace(day=day), day != today.day)
    return None


def _on(day: int, month: int, year: int | None, today: date) -> Day:
    """Raises ValueError if there is no such day."""
    if year is not None:
        return Day(date(year, month, day))
    date(2000, month, day)  # a day that no year has
    year = next(y for y in range(today.year, today.year + 9) if _exists(y, month, day) >= today)
    missed = _exists(today.year, month, day)
    late = date.min < missed < today and (today - missed).days < _MISSED_DAYS
    return Day(date(year, month, day), not late)


def _exists(year: int, month: int, day: int) -> date:
    return date(year, month, day) if day <= monthrange(year, month)[1] else date.min


_Rule = Callable[[Sequence[str], date, Language], Day | None]
_RULES: Final[tuple[_Rule, ...]] = (
    _named,
    _weekday,
    _ahead,
    _end,
    _next_unit,
    _iso,
    _numeric,
    _month_name,
    _day_only,
)
