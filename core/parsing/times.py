"""Times of day as people write them: "8am", "8:30 pm", "18:30", "noon", "at 8 in the evening".

A bare hour from 1 to 12 is two times of day. Unless the part of the day is said it is read as unclear, never
as either of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import time
from typing import Final

from msgspec import Struct

_CLOCK: Final = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?([a-z.]{0,4})")
_NOON: Final = 12
_MORNING, _AFTERNOON, _EVENING = range(12), range(12, 19), range(17, 24)


class TimeWords(Struct, frozen=True, kw_only=True):
    """The words of a language for times of day, folded. Phrases are words joined by one blank."""

    at: frozenset[str]
    named: Mapping[str, time]
    halves: Mapping[str, int]  # "am" -> 0, "pm" -> 12
    parts: Mapping[str, range]  # a part of the day -> the hours that it can hold
    fillers: frozenset[str]  # "o'clock"


ENGLISH_TIMES: Final = TimeWords(
    at=frozenset({"at", "@"}),
    named={"noon": time(12), "midday": time(12), "midnight": time(0)},
    halves={"am": 0, "a.m": 0, "pm": 12, "p.m": 12},
    parts={
        **dict.fromkeys(("in the morning", "morning", "this morning"), _MORNING),
        **dict.fromkeys(("in the afternoon", "afternoon", "this afternoon"), _AFTERNOON),
        **dict.fromkeys(("in the evening", "evening", "this evening", "tonight"), _EVENING),
    },
    fillers=frozenset({"oclock"}),
)


class TimeOfDay(Struct, frozen=True, kw_only=True):
    """A time that stands before word number `end`. `value` None: it has two meanings, or is none; `said` is
    how it was written."""

    value: time | None
    end: int
    said: str = ""


def part_of_day(
    words: Sequence[str], at: int, *, language: TimeWords = ENGLISH_TIMES
) -> tuple[range, int] | None:
    """The part of the day that a phrase at this word names, and the word behind it."""
    for length in (3, 2, 1):
        part = language.parts.get(" ".join(words[at : at + length]))
        if part is not None and at + length <= len(words):
            return part, at + length
    return None


def take_time(
    words: Sequence[str],
    at: int,
    *,
    part: range | None = None,
    bare: bool = False,
    language: TimeWords = ENGLISH_TIMES,
) -> TimeOfDay | None:
    """The time of day that stands at this word; None where there is none. `part` is the part of the day that
    was said before it; `bare`: a number alone is meant as an hour too, but never clear."""
    begun, said_at = at, at < len(words) and words[at] in language.at
    at += said_at
    if at >= len(words):
        return None
    if words[at] in language.named:
        return TimeOfDay(value=language.named[words[at]], end=at + 1, said=words[at])
    found = _CLOCK.fullmatch(words[at])
    if found is None or (found[3] and found[3] not in language.halves):
        return None
    at, half = at + 1, found[3]
    if not half and at < len(words) and words[at] in language.halves:
        at, half = at + 1, words[at]
    if not (half or found[2] or said_at or bare):
        return None
    if at < len(words) and words[at] in language.fillers:
        at += 1
    later = None if half else part_of_day(words, at, language=language)
    if later is not None:
        part, at = later
    value = _twelve(found, language.halves[half]) if half else _time(found, part, said_at=said_at)
    return TimeOfDay(value=value, end=at, said=" ".join(words[begun:at]))


def _twelve(found: re.Match[str], half: int) -> time | None:
    """The time of a clock with am and pm."""
    hour, minute = int(found[1]), int(found[2] or 0)
    return time(hour % _NOON + half, minute) if 1 <= hour <= _NOON and minute < 60 else None


def _time(found: re.Match[str], part: range | None, *, said_at: bool) -> time | None:
    """The time of a clock of 24 hours, or of that part of the day; None where there is none, or are two."""
    hour, minute = int(found[1]), int(found[2] or 0)
    if minute > 59 or hour > 23:
        return None
    if part is not None:
        hours = [each for each in (hour, hour + _NOON) if each in part]
        return time(hours[0], minute) if len(hours) == 1 else None
    clear = found[2] is not None or (said_at and (hour == 0 or hour > _NOON))
    return time(hour, minute) if clear else None
