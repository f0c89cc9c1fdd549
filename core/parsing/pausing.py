"""What "/pause tool create_task for 2h deploy freeze" means. Nothing here pauses anything."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from core.errors import InvalidInput
from core.model import Target
from core.parsing.dates import LONGEST, read_date
from core.parsing.language import ENGLISH
from core.parsing.text import first_word

_SECONDS: Final = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_UNIT: Final = r"(m|h|d|w|min|mins|minutes?|hours?|days?|weeks?)"
_FOR: Final = re.compile(rf"(?:for\s+(\d{{1,4}})\s*{_UNIT}|(\d{{1,4}})([mhdw]|min))(?:\s+|$)", re.IGNORECASE)
_UNTIL: Final = re.compile(r"until\s+", re.IGNORECASE)
_CLOCK: Final = re.compile(r"(\d{1,2})(?:[:.]([0-5]\d)\s*(am|pm)?|\s*(am|pm))", re.IGNORECASE)
_EVERYWHERE: Final = "everywhere"
_UNTIL_ALLOWED: Final = "it takes a time such as 18:00, friday 9:00 or 2026-12-01; or say for 2h"


class PauseWish(Struct, frozen=True, kw_only=True):
    """What somebody wants to pause, or to resume. `name` is the tool's or the adapter's; `until` and `reason`
    are as said, None and "" where they were not."""

    target: Target
    name: str
    everywhere: bool
    until: datetime | None = None
    reason: str = ""


def read_pause(text: str, *, now: datetime, zone: ZoneInfo) -> PauseWish:
    """The wish that these words are; everything where they name nothing else. Raises InvalidInput for an end
    that cannot be read."""
    target, name, everywhere, rest = _target(text.strip())
    until, reason = _until(rest, now=now, zone=zone)
    return PauseWish(target=target, name=name, everywhere=everywhere, until=until, reason=reason)


def read_resume(text: str) -> PauseWish | None:
    """What is to be resumed; None where the words name nothing. Raises InvalidInput."""
    target, name, everywhere, rest = _target(text.strip())
    if rest or not text.strip():
        return None
    return PauseWish(target=target, name=name, everywhere=everywhere)


def read_end(text: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """The moment that "2h", "18:00" or "friday 9:00" names. Raises InvalidInput."""
    span = _FOR.fullmatch(text.strip())
    if span is not None:
        return now + _span(span)
    found = _moment(text.split(), now=now, zone=zone)
    if found is None:
        raise InvalidInput(field="until", given=text.strip(), allowed=_UNTIL_ALLOWED)
    return found


def _target(text: str) -> tuple[Target, str, bool, str]:
    first, rest = first_word(text)
    word = first.casefold()
    if word in {Target.TOOL.value, Target.ADAPTER.value}:
        if not rest:
            raise InvalidInput(field=word, given="nothing", allowed=f"say which {word}, by its name")
        name, rest = first_word(rest)
        everywhere, rest = _everywhere(rest)
        return Target(word), name, everywhere, rest
    if word == Target.EVERYTHING.value:
        everywhere, rest = _everywhere(rest)
        return Target.EVERYTHING, "", everywhere, rest
    everywhere, rest = _everywhere(text)
    return Target.EVERYTHING, "", everywhere, rest


def _everywhere(text: str) -> tuple[bool, str]:
    first, rest = first_word(text)
    return (True, rest) if first.casefold() == _EVERYWHERE else (False, text)


def _until(text: str, *, now: datetime, zone: ZoneInfo) -> tuple[datetime | None, str]:
    """When it is to end, and what is left of the text: the reason."""
    span = _FOR.match(text)
    if span is not None:
        return now + _span(span), text[span.end() :].strip()
    until = _UNTIL.match(text)
    if until is None:
        return None, text
    words = text[until.end() :].split()
    for number in range(min(LONGEST + 2, len(words)), 0, -1):
        found = _moment(words[:number], now=now, zone=zone)
        if found is not None:
            return found, " ".join(words[number:])
    raise InvalidInput(field="until", given=" ".join(words), allowed=_UNTIL_ALLOWED)


def _span(found: re.Match[str]) -> timedelta:
    count, unit = (found[1], found[2]) if found[1] else (found[3], found[4])
    return timedelta(seconds=int(count) * _SECONDS[unit[0].lower()])


def _moment(words: list[str], *, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The moment of a day, a time of day, or both; None where the words are none of these."""
    here = now.astimezone(zone)
    for cut in range(len(words) + 1):
        day, clock = _day(words[:cut], today=here.date()), _clock(" ".join(words[cut:]))
        if cut and day is None:
            continue
        if clock is None and cut < len(words):
            continue
        there = datetime.combine(day or here.date(), clock or time(), tzinfo=zone)
        if day is None and there <= here:
            there = datetime.combine(here.date() + timedelta(days=1), clock or time(), tzinfo=zone)
        return there.astimezone(now.tzinfo)
    return None


def _day(words: list[str], *, today: date) -> date | None:
    found = read_date(" ".join(words), today=today, language=ENGLISH) if words else None
    return None if found is None else found.value


def _clock(text: str) -> time | None:
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    hour, half = int(found[1]), (found[3] or found[4] or "").lower()
    if half and not 1 <= hour <= 12:
        return None
    hour = hour % 12 + (12 if half == "pm" else 0) if half else hour
    return time(hour, int(found[2] or 0)) if hour < 24 else None
