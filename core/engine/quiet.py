"""When people want to hear nothing: quiet hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.model import Person


def quiet_until(person: Person, *, timezone: str, now: datetime) -> datetime | None:
    """The end of the person's quiet hours, while they last; None outside of them. `timezone` is the team's,
    for people who set none."""
    if person.quiet_from is None or person.quiet_to is None or person.quiet_from == person.quiet_to:
        return None
    here = now.astimezone(_zone(person.timezone or timezone))
    minute = here.hour * 60 + here.minute
    overnight = person.quiet_from > person.quiet_to
    if overnight:
        quiet = minute >= person.quiet_from or minute < person.quiet_to
    else:
        quiet = person.quiet_from <= minute < person.quiet_to
    if not quiet:
        return None
    day = here.date() + timedelta(days=1 if overnight and minute >= person.quiet_from else 0)
    end = datetime(day.year, day.month, day.day, tzinfo=here.tzinfo) + timedelta(minutes=person.quiet_to)
    return end.astimezone(now.tzinfo)


def _zone(name: str) -> ZoneInfo:
    """UTC where the zone is not known here (any more): nobody is left without a reminder for it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
