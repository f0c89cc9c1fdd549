"""Times and durations as people read them. A moment is shown in the reader's own zone by Telegram; what
stands there for apps that cannot is in UTC and says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_DAYS: Final = "Mon Tue Wed Thu Fri Sat Sun".split()
_NEAR: Final = timedelta(hours=12)


def moment(when: datetime, *, now: datetime) -> str:
    """HTML of a moment: the time of day, with the date where it is more than 12 hours away."""
    utc = when.astimezone(UTC)
    near = abs(when - now) <= _NEAR
    plain = f"{utc:%H:%M} UTC" if near else f"{_day(utc)}, {utc:%H:%M} UTC"
    shape = "t" if near else "dt"
    return f'<tg-time unix="{int(utc.timestamp())}" format="{shape}">{plain}</tg-time>'


def local(when: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """Plain text of a moment in a zone: "14:13" today, "Fri 20 Nov 14:13" on other days."""
    there = when.astimezone(zone)
    if there.date() == now.astimezone(zone).date():
        return f"{there:%H:%M}"
    year = "" if there.year == now.astimezone(zone).year else f" {there.year}"
    return f"{_DAYS[there.weekday()]} {_day(there)}{year} {there:%H:%M}"


def zone_of(name: str) -> ZoneInfo:
    """The zone of this IANA name; UTC where there is none, so that nothing fails to be shown."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def lasted(milliseconds: int) -> str:
    """A duration that was measured: "under 0.1 s", "0.4 s", "4 s", "2 min 5 s"."""
    seconds = milliseconds / 1000
    if seconds < 0.1:
        return "under 0.1 s"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    return f"{round(seconds)} s" if seconds < 60 else span(round(seconds), exact=True)


def span(seconds: int, *, exact: bool = False) -> str:
    """A stretch of time in its largest units: "30 min", "24 h", "2 days 12 h"; with `exact`, "2 min 5 s"."""
    if exact and seconds < 3600:
        minutes, rest = divmod(seconds, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    if seconds < 48 * 3600:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} days {hours} h" if hours and days < 7 else f"{round(seconds / 86400)} days"


def _day(when: datetime) -> str:
    return f"{when.day} {_MONTHS[when.month - 1]}"


def stamp(when: datetime) -> str:
    """HTML of a moment to the second, with its date."""
    utc = when.astimezone(UTC)
    return f'<tg-time unix="{int(utc.timestamp())}" format="dT">{_day(utc)}, {utc:%H:%M:%S} UTC</tg-time>'
