"""What people may set for themselves, by a button or in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from msgspec import Struct
from msgspec.structs import replace

from bot.telegram.render import texts, toasts
from bot.telegram.render.message import Shown
from bot.telegram.render.times import zone_of
from bot.telegram.render.toasts import Toast
from bot.telegram.replies import say
from bot.telegram.turn import Turn, known_person
from core.errors import InvalidInput
from core.model import Membership, Person
from core.parsing.dates import read_date
from core.parsing.language import ENGLISH
from core.parsing.money import CURRENCIES
from core.parsing.text import first_word
from core.ports import Records

OFF: Final = "off"
_QUIET: Final = re.compile(r"(\d{1,2})(?::([0-5]\d))?\s*[-–]\s*(\d{1,2})(?::([0-5]\d))?")  # noqa: RUF001 - a dash
_FOR: Final = re.compile(r"(?:for\s+)?(\d{1,3})\s*(h|d|w)(?:ours?|ays?|eeks?)?")
_HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24}
_LONGEST: Final = timedelta(days=366)


class Place(Struct, frozen=True, kw_only=True):
    """Where and when something is set: who else is there, and in which zone the person's day is."""

    now: datetime
    timezone: str
    members: Sequence[Membership]


def page(records: Records, turn: Turn, person: Person) -> Shown:
    """What this person has set."""
    tenant = turn.team(records)
    other = None if person.stand_in is None else records.people.person(person.stand_in)
    return texts.settings(person, tenant, now=turn.now.wall, stand_in="" if other is None else other.name)


def written(records: Records, turn: Turn, person: Person, words: str) -> Shown:
    """Sets what the words say; shows what is set then, or what was wrong with them."""
    try:
        after = said(person, words, place=_place(records, turn, person))
    except InvalidInput as problem:
        return texts.refusal(problem)
    if after is None:
        return texts.no_such_setting(words)
    records.people.save_settings(after)
    return page(records, turn, after)


def tapped(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    """One setting of the person who taps, who is a member."""
    person = known_person(records, turn)
    name, _, value = argument.partition("=")
    try:
        after = changed(person, name, value, place=_place(records, turn, person))
    except InvalidInput:
        after = None
    if after is None:
        return toasts.unknown_button()
    records.people.save_settings(after)
    say(records, turn, page(records, turn, after), edit=message_id)
    return toasts.saved(value if name in {"tz", "cur"} else f"{name} {value}")


def _place(records: Records, turn: Turn, person: Person) -> Place:
    tenant = turn.team(records)
    return Place(
        now=turn.now.wall,
        timezone=person.timezone or tenant.timezone,
        members=records.people.members(tenant.id),
    )


def changed(person: Person, name: str, value: str, *, place: Place) -> Person | None:
    """The person with one setting changed; None for a setting that there is not. Raises InvalidInput for a
    value that it cannot have."""
    change = _SETTINGS.get(name)
    return None if change is None else change(person, value.strip(), place)


def said(person: Person, words: str, *, place: Place) -> Person | None:
    """The same from words: "Europe/Lisbon", "chf", "quiet 22-7", "away 3d", "stand-in Bob". None for words
    that name nothing that can be set."""
    name, rest = first_word(words)
    named = _NAMES.get(name.casefold())
    if named is not None:
        return changed(person, named, rest, place=place)
    zone = next((known for known in _zones() if known.casefold() == words.casefold()), None)
    if zone is not None:
        return replace(person, timezone=zone)
    currency = words.strip().upper()
    return replace(person, currency=currency) if currency in CURRENCIES else None


@cache
def _zones() -> frozenset[str]:
    """All time zones by name: looked up once, since every one of them is a file."""
    return frozenset(available_timezones())


def _zone(person: Person, value: str, _: Place) -> Person:
    if value not in _zones():
        raise InvalidInput(field="time zone", given=value, allowed="a time zone such as Europe/Lisbon")
    return replace(person, timezone=value)


def _currency(person: Person, value: str, _: Place) -> Person:
    if value not in CURRENCIES:
        raise InvalidInput(field="currency", given=value, allowed="a currency such as SEK")
    return replace(person, currency=value)


def _replies(person: Person, value: str, _: Place) -> Person:
    if value.casefold() not in {"on", OFF}:
        raise InvalidInput(field="replies", given=value, allowed="on or off")
    return replace(person, end_replies=value.casefold() == "on")


def _quiet(person: Person, value: str, _: Place) -> Person:
    if value.casefold() == OFF:
        return replace(person, quiet_from=None, quiet_to=None)
    found = _QUIET.fullmatch(value)
    begin, end = (None, None) if found is None else (_minute(*found.group(1, 2)), _minute(*found.group(3, 4)))
    if begin is None or end is None or begin == end:
        allowed = "it takes hours such as 22:00-07:00, or off"
        raise InvalidInput(field="quiet", given=value, allowed=allowed)
    return replace(person, quiet_from=begin, quiet_to=end)


def _minute(hours: str, minutes: str | None) -> int | None:
    """Minutes after midnight; None for a time that there is not. 24 is midnight."""
    minute = int(hours) * 60 + int(minutes or 0)
    return minute % (24 * 60) if minute <= 24 * 60 else None


def _away(person: Person, value: str, place: Place) -> Person:
    if value.casefold() in {OFF, "back"}:
        return replace(person, away_until=None)
    until = _until(value.casefold().removeprefix("until ").strip(), place)
    if until is None or not place.now < until <= place.now + _LONGEST:
        allowed = "it takes a time such as 3d, 2w, until friday or until 2026-12-01 (a year at most), or off"
        raise InvalidInput(field="away", given=value, allowed=allowed)
    return replace(person, away_until=until)


def _until(text: str, place: Place) -> datetime | None:
    span = _FOR.fullmatch(text)
    if span is not None:
        return place.now + timedelta(hours=int(span[1]) * _HOURS[span[2]])
    zone = zone_of(place.timezone)
    day = read_date(text, today=place.now.astimezone(zone).date(), language=ENGLISH)
    if day is None or not day.sure:
        return None
    return datetime(day.value.year, day.value.month, day.value.day, tzinfo=zone).astimezone(place.now.tzinfo)


def _stand_in(person: Person, value: str, place: Place) -> Person:
    if value.casefold() == OFF:
        return replace(person, stand_in=None)
    others = [member for member in place.members if member.person_id != person.id]
    wanted = value.casefold().removeprefix("@")
    found = [member for member in others if member.name.casefold() == wanted]
    found = found or [member for member in others if wanted and wanted in member.name.casefold().split()]
    if len(found) != 1:
        several = "several people have that name" if found else "nobody else here has that name"
        raise InvalidInput(
            field="stand-in", given=value, allowed=f"{several}; it takes a member's whole name, or off"
        )
    return replace(person, stand_in=found[0].person_id)


_SETTINGS: Final[Mapping[str, Callable[[Person, str, Place], Person]]] = {
    "tz": _zone,
    "cur": _currency,
    "replies": _replies,
    "quiet": _quiet,
    "away": _away,
    "standin": _stand_in,
}
_NAMES: Final = {
    "replies": "replies",
    "quiet": "quiet",
    "away": "away",
    "stand-in": "standin",
    "standin": "standin",
}
