"""What people may set for themselves, by a button or in words."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import available_timezones

from core.model import Person
from core.parsing.money import CURRENCIES


def changed(person: Person, name: str, value: str) -> Person | None:
    """The person with one setting changed; None for a setting or value that there is not."""
    if name == "tz" and value in available_timezones():
        return replace(person, timezone=value)
    if name == "cur" and value in CURRENCIES:
        return replace(person, currency=value)
    if name == "replies" and value in {"on", "off"}:
        return replace(person, end_replies=value == "on")
    return None


def said(person: Person, words: str) -> Person | None:
    """The same from words: "Europe/Lisbon", "chf", "replies off"."""
    zone = next((name for name in available_timezones() if name.casefold() == words.casefold()), words)
    replies = words.casefold().removeprefix("replies").strip()
    return (
        changed(person, "tz", zone)
        or changed(person, "cur", words.upper())
        or changed(person, "replies", replies)
    )
