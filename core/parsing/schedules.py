"""A sentence that begins with a time: when it is meant, and what is left of it.

A leading time with an hour ("tomorrow 8am …", "in 2 hours …") or a leading "every …" makes a schedule. A day
without an hour does not: it stays what it was, a word of the sentence. Whatever has two meanings is asked
about, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from core.parsing.dates import LONGEST, Day, read_date
from core.parsing.language import ENGLISH, Language
from core.parsing.records import ParseContext
from core.parsing.text import fold
from core.parsing.times import ENGLISH_TIMES, part_of_day, take_time
from core.schedule_rules import next_time

_WORD: Final = re.compile(r"\S+")
_ORDINAL: Final = re.compile(r"([0-9]{1,2})([a-z]{2})")
_COUNT: Final = re.compile(r"[0-9]{1,4}")
_LONGEST: Final = 4096
_JOINTS: Final = " ,:;-\u2013\u2014"
_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTH_DAYS: Final = 31

_EVERY: Final = frozenset({"every", "each"})
_DAILY: Final = frozenset({"daily", "everyday"})
_DAY: Final = frozenset({"day"})
_WORKDAYS: Final = frozenset({"weekday", "weekdays", "workday"})
_AND: Final = frozenset({"and", "&"})
_OF_THE_MONTH: Final = ("of the month", "of each month", "of every month", "of a month")
_FIRST: Final = {"first": 1}
_ON: Final = frozenset({"on", "the"})
_SPANS: Final = {
    **dict.fromkeys(("minute", "minutes", "min", "mins"), timedelta(minutes=1)),
    **dict.fromkeys(("hour", "hours", "h", "hr", "hrs"), timedelta(hours=1)),
}
_PERIODS: Final = frozenset(
    "other second third minute minutes hour hours week weeks weekend month months year years quarter "
    "fortnight night days weekdays".split()
)
"""What "every" may go on with: that is meant as a schedule, though perhaps not one that is known."""


class Timed(Struct, frozen=True, kw_only=True):
    """A time and what is to be done then. `rule` is one of `core.schedule_rules`, in the person's zone."""

    rule: str
    rest: str


class Unclear(Struct, frozen=True, kw_only=True):
    """A time is meant and it is not clear which. `why` is what to ask; the answer belongs behind `keep`."""

    why: str
    keep: str
    rest: str


class NotKnown(Struct, frozen=True, kw_only=True):
    """It is to be done again and again, in a way that is not known here."""


When = Timed | Unclear | NotKnown


class _Said(Struct, frozen=True):
    """A text by its words: as they are compared, and where they stand."""

    text: str
    words: Sequence[str]
    spans: Sequence[tuple[int, int]]

    def between(self, start: int, end: int) -> str:
        """The text of some words, as written."""
        return self.text[self.spans[start][0] : self.spans[end - 1][1]] if start < end else ""

    def rest(self, start: int) -> str:
        """What follows, without what only joins it."""
        return self.text[self.spans[start][0] :].lstrip(_JOINTS) if start < len(self.words) else ""


def read_when(text: str, *, context: ParseContext, language: Language = ENGLISH) -> When | None:
    """The schedule that a sentence begins with; None where it begins with none. Never raises."""
    if len(text) > _LONGEST or not _may_begin(text, language):
        return None
    spans = [found.span() for found in _WORD.finditer(text)]
    said = _Said(text, [fold(text[start:end]) for start, end in spans], spans)
    try:
        return (
            _again(said, language)
            or _ahead(said, context, language)
            or _dated(said, context, language)
            or _clock_first(said, context, language)
        )
    except (ValueError, OverflowError):
        return None


def answer_when(unclear: Unclear, answer: str, *, context: ParseContext) -> When:
    """What an answer makes of an unclear time; the same question again where it makes nothing clear."""
    read = read_when(f"{unclear.keep} {answer.strip()}".strip(), context=context)
    if isinstance(read, Timed) and not read.rest:
        return Timed(rule=read.rule, rest=unclear.rest)
    why = read.why if isinstance(read, Unclear) and not read.rest else unclear.why
    keep = read.keep if isinstance(read, Unclear) and not read.rest else unclear.keep
    return Unclear(why=why, keep=keep, rest=unclear.rest)


def _may_begin(text: str, language: Language) -> bool:
    """A quick look at the first word: nearly all that is said is no schedule."""
    found = _WORD.search(text)
    if found is None:
        return False
    word = fold(found[0][:32])
    return word[:1].isdigit() or word in _leads(language)


def _leads(language: Language) -> frozenset[str]:
    known = _LEADS.get(id(language))
    if known is None:
        phrases = [*language.days, *language.ends, *ENGLISH_TIMES.named, *ENGLISH_TIMES.parts]
        known = _LEADS[id(language)] = frozenset(
            {
                *(phrase.partition(" ")[0] for phrase in phrases),
                *language.weekdays,
                *language.months,
                *language.next,
                *language.this,
                *language.ahead,
                *language.before_dates,
                *ENGLISH_TIMES.at,
                *_EVERY,
                *_DAILY,
            }
        )
    return known


_LEADS: Final[dict[int, frozenset[str]]] = {}


# ---------------------------------------------------------------------------------------- again and again


def _again(said: _Said, language: Language) -> When | None:
    words = said.words
    if words[0] in _DAILY:
        return _at_its_time(said, ("*", "*"), 1, language, must=False)
    if words[0] not in _EVERY or len(words) == 1:
        return None
    part = part_of_day(words, 1)
    if part is not None and part[1] == 2:
        return _at_its_time(said, ("*", "*"), 2, language, part=part[0])
    days = _days(words, 1, language)
    if days is not None:
        return _at_its_time(said, days[0], days[1], language)
    known = words[1] in _PERIODS or _COUNT.fullmatch(words[1]) or words[1] in language.numbers
    return NotKnown() if known or _ordinals(words, 1, language) else None


def _days(words: Sequence[str], at: int, language: Language) -> tuple[tuple[str, str], int] | None:
    """The cron fields of a day of the month and of the week, and the word behind them."""
    if words[at] in _DAY:
        return ("*", "*"), at + 1
    if words[at] in _WORKDAYS:
        return ("*", "mon-fri"), at + 1
    if words[at] in ("week", "month") and at + 2 < len(words) and words[at + 1] == "on":
        inner = at + 3 if words[at + 2] == "the" else at + 2
        return _listed(words, inner, language, of_month=words[at] == "month")
    return _listed(words, at, language, of_month=None)


def _listed(
    words: Sequence[str], at: int, language: Language, *, of_month: bool | None
) -> tuple[tuple[str, str], int] | None:
    """Days of the week, or of the month where it was not said which of both."""
    weekdays = None if of_month else _weekdays(words, at, language)
    if weekdays is not None:
        return ("*", ",".join(_NAMES[day] for day in sorted(set(weekdays[0])))), weekdays[1]
    days = None if of_month is False else _ordinals(words, at, language)
    if days is None:
        return None
    numbers, end = days
    after_day = end + (end < len(words) and words[end] in _DAY)
    if " ".join(words[after_day : after_day + 3]) in _OF_THE_MONTH:
        end = after_day + 3
    return (",".join(str(day) for day in sorted(set(numbers))), "*"), end


def _weekdays(words: Sequence[str], at: int, language: Language) -> tuple[list[int], int] | None:
    found: list[int] = []
    while at < len(words):
        day = language.weekdays.get(words[at], language.weekdays.get(words[at].removesuffix("s")))
        if day is None:
            break
        found.append(day)
        at += 1
        if at + 1 < len(words) and words[at] in _AND and words[at + 1].removesuffix("s") in language.weekdays:
            at += 1
    return (found, at) if found else None


def _ordinals(words: Sequence[str], at: int, language: Language) -> tuple[list[int], int] | None:
    found: list[int] = []
    while at < len(words) and (day := _ordinal(words[at], language)) is not None:
        found.append(day)
        at += 1
        if at + 1 < len(words) and words[at] in _AND and _ordinal(words[at + 1], language) is not None:
            at += 1
    return (found, at) if found else None


def _ordinal(word: str, language: Language) -> int | None:
    found = _ORDINAL.fullmatch(word)
    day = int(found[1]) if found and found[2] in language.ordinals else _FIRST.get(word, 0)
    return day if 1 <= day <= _MONTH_DAYS else None


def _at_its_time(
    said: _Said,
    days: tuple[str, str],
    at: int,
    language: Language,
    *,
    part: range | None = None,
    must: bool = True,
) -> When | None:
    """The rule of these days at the time that follows. Without one it is asked for, if it `must` be a
    schedule."""
    words = said.words
    later = part_of_day(words, at) if part is None else None
    if later is not None:
        part, at = later
    kept = said.between(0, at)
    clock = take_time(words, at, part=part, bare=must)
    if clock is None:
        if not must:
            return None
        if days[0] != "*" and _goes_on(words, at, language):
            return NotKnown()
        return Unclear(why=_WHAT_TIME, keep=kept, rest=said.rest(at))
    if clock.value is None:
        return Unclear(why=_which(clock.said), keep=kept, rest=said.rest(clock.end))
    rule = f"cron {clock.value.minute} {clock.value.hour} {days[0]} * {days[1]}"
    return Timed(rule=rule, rest=said.rest(clock.end))


def _goes_on(words: Sequence[str], at: int, language: Language) -> bool:
    """Whether "every 2nd" is one of something that is not the month: of weeks, of Mondays."""
    return at < len(words) and (
        words[at] in _PERIODS | _DAY | _WORKDAYS or words[at].removesuffix("s") in language.weekdays
    )


# ------------------------------------------------------------------------------------------------ once


def _ahead(said: _Said, context: ParseContext, language: Language) -> When | None:
    """ "in 2 hours", "in an hour and a half", "in 90 minutes"."""
    words = said.words
    if len(words) < 3 or words[0] not in language.ahead:
        return None
    at, halved = (2, True) if words[1] == "half" and words[2] in ("a", "an") else (1, False)
    read = _span(words, at, language)
    if read is None:
        return None
    count, unit, end = read
    span = unit / 2 if halved else unit * count
    if not halved and words[end : end + 3] == ["and", "a", "half"]:
        span, end = span + unit / 2, end + 3
    elif end < len(words) and words[end] in _AND and (more := _span(words, end + 1, language)):
        span, end = span + more[1] * more[0], more[2]
    when = context.now + span
    if when.second or when.microsecond:
        when = when.replace(second=0, microsecond=0) + timedelta(minutes=1)
    # With its offset, since the zone's clock may show that time twice.
    local = when.astimezone(ZoneInfo(context.timezone))
    return Timed(rule=f"at {local.isoformat(timespec='minutes')}", rest=said.rest(end))


def _span(words: Sequence[str], at: int, language: Language) -> tuple[int, timedelta, int] | None:
    if at + 1 >= len(words) or words[at + 1] not in _SPANS:
        return None
    count = int(words[at]) if _COUNT.fullmatch(words[at]) else language.numbers.get(words[at])
    return None if not count else (count, _SPANS[words[at + 1]], at + 2)


def _dated(said: _Said, context: ParseContext, language: Language) -> When | None:
    """A day, then a time of it: "tomorrow 8am", "on friday at 17:00", "27 nov noon"."""
    day = _day(said, 0, context, language)
    if day is None:
        return None
    read, end = day
    later, part = part_of_day(said.words, end), _named_part(said.words[:end])
    if later is not None:
        part, end = later
    kept = said.between(0, end)
    clock = take_time(said.words, end, part=part)
    if clock is None:
        return None if later is None else Unclear(why=_WHAT_TIME, keep=kept, rest=said.rest(end))
    rest = said.rest(clock.end)
    if clock.value is None or clock.said.endswith("midnight"):
        return Unclear(why=_which(clock.said), keep=kept, rest=rest)
    return _once(read, clock.value, rest, context)


def _clock_first(said: _Said, context: ParseContext, language: Language) -> When | None:
    """A time, then perhaps its day: "at 18:30", "5pm tomorrow"."""
    clock = take_time(said.words, 0)
    if clock is None:
        return None
    day = _day(said, clock.end, context, language)
    end = clock.end if day is None else day[1]
    kept, rest = ("" if day is None else said.between(clock.end, end)), said.rest(end)
    if clock.value is None or (day is not None and clock.said.endswith("midnight")):
        return Unclear(why=_which(clock.said), keep=kept, rest=rest)
    if day is not None:
        return _once(day[0], clock.value, rest, context)
    next_at = next_time(
        f"cron {clock.value.minute} {clock.value.hour} * * *", timezone=context.timezone, after=context.now
    )
    if next_at is None:
        return None
    local = next_at.astimezone(ZoneInfo(context.timezone))
    return Timed(rule=f"at {local.isoformat(timespec='minutes')}", rest=rest)


def _day(said: _Said, at: int, context: ParseContext, language: Language) -> tuple[Day, int] | None:
    """The day that the longest run of words from one on names, and the word behind it."""
    for end in range(min(len(said.words), at + LONGEST), at, -1):
        read = read_date(said.between(at, end), today=context.today, language=language)
        if read is not None and said.words[end - 1] not in language.inside_dates:
            return read, end
    return None


def _named_part(words: Sequence[str]) -> range | None:
    """The part of the day that the day itself names: "tonight"."""
    part = part_of_day(words, 0)
    return None if part is None else part[0]


def _once(day: Day, clock: time, rest: str, context: ParseContext) -> When:
    if not day.sure:
        return Unclear(why=_which_day(day), keep="", rest=rest)
    rule = f"at {datetime.combine(day.value, clock):%Y-%m-%dT%H:%M}"
    if next_time(rule, timezone=context.timezone, after=context.now) is None:
        here = context.now.astimezone(ZoneInfo(context.timezone))
        return Unclear(why=f"That time has passed; it is {here:%H:%M} now. {_WHEN}", keep="", rest=rest)
    return Timed(rule=rule, rest=rest)


# ------------------------------------------------------------------------------------------- what is asked

_WHAT_TIME: Final = "At what time? For example 9:00, 8am or 18:30."
_WHEN: Final = "When should it be? For example tomorrow 8am, or 2026-12-24 18:00."


def _which(said: str) -> str:
    if said.endswith("midnight"):
        return "Midnight is between two days: which one, at 00:00 or at 23:59?"
    hour = re.search(r"[0-9]{1,2}", said)
    if hour is None or ":" in said or int(hour[0]) > 23:
        return f"{said[:20]} is no time of day that I know. {_WHAT_TIME}"
    if not 1 <= int(hour[0]) <= 12:
        return f"Do you mean {int(hour[0])}:00? Please write it so. {_WHAT_TIME}"
    return (
        f"{int(hour[0])} in the morning or in the evening? Please write {int(hour[0])}am or {int(hour[0])}pm."
    )


def _which_day(day: Day) -> str:
    return f"Which day do you mean? {day.value:%A} {day.value.isoformat()} would be one. {_WHEN}"
