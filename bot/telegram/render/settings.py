"""/settings: what a person has set for themselves, and a tap for each usual choice."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bot.telegram.buttons import Page, PageButton
from bot.telegram.render.message import Button, Shown, in_rows
from bot.telegram.render.parts import lines, person
from bot.telegram.render.safe import brief
from bot.telegram.render.times import moment
from core.model import Person, Tenant

ZONES: Final = (
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Kolkata",
    "UTC",
)
CURRENCIES: Final = ("EUR", "USD", "GBP", "CHF", "INR", "JPY")
QUIET: Final = "22:00-07:00"
_PER_ROW: Final = 3


def settings(who: Person, tenant: Tenant, *, now: datetime, stand_in: str = "") -> Shown:
    """What is set. `stand_in` is the name of who stands in for them, "" for nobody."""
    zone, currency = who.timezone or tenant.timezone, who.currency or tenant.currency
    replies = "on" if who.end_replies else "off"
    zones = [_choice("tz", name, name.rpartition("/")[2].replace("_", " "), chosen=zone) for name in ZONES]
    currencies = [_choice("cur", code, code, chosen=currency) for code in CURRENCIES]
    other = "off" if who.end_replies else "on"
    return Shown(
        html=lines(
            "⚙️ <b>Settings</b>",
            f"Time zone: <b>{brief(zone, 40)}</b>",
            f"Currency: <b>{brief(currency, 10)}</b>, for amounts without one",
            f"Replies: <b>{replies}</b>, when a call of yours is denied or ends late",
            f"Quiet hours: {_quiet(who)}",
            f"Away: {_away(who, now)}",
            f"Stand-in: {person(stand_in) if stand_in else '<b>nobody</b>'}",
            "<i>Others in words: <code>/settings Europe/Lisbon</code>, <code>/settings SEK</code>, "
            "<code>/settings quiet 22:00-07:00</code>, <code>/settings away 3d</code>, "
            "<code>/settings away until friday</code>, <code>/settings stand-in Bob</code>.</i>",
        ),
        buttons=(
            *in_rows(zones, per_row=_PER_ROW),
            *in_rows(currencies, per_row=_PER_ROW),
            _presence(who, now),
            (_choice("replies", other, f"Turn replies {other}"),),
        ),
    )


def _quiet(who: Person) -> str:
    hours = quiet_hours(who)
    return f"<b>{hours}</b>, cards come without a sound" if hours else "<b>off</b>"


def quiet_hours(who: Person) -> str:
    """ "22:00-07:00", or "" where there are none."""
    if who.quiet_from is None or who.quiet_to is None:
        return ""
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (who.quiet_from, who.quiet_to))


def _is_away(who: Person, now: datetime) -> bool:
    return who.away_until is not None and now < who.away_until


def _away(who: Person, now: datetime) -> str:
    if who.away_until is None or not _is_away(who, now):
        return "<b>no</b>"
    return f"<b>until {moment(who.away_until, now=now)}</b>, others are asked to sign"


def _presence(who: Person, now: datetime) -> tuple[Button, ...]:
    quiet = (
        _choice("quiet", "off", "Quiet off") if quiet_hours(who) else _choice("quiet", QUIET, "Quiet 22–7")  # noqa: RUF001 - a dash
    )
    if _is_away(who, now):
        return (quiet, _choice("away", "off", "I am back"))
    return (quiet, _choice("away", "1d", "Away 1 day"), _choice("away", "7d", "Away 1 week"))


def no_such_setting(words: str) -> Shown:
    """/settings with something that cannot be set."""
    return Shown(
        html=lines(
            f"I do not know <i>{brief(words, 60)}</i>. Nothing was changed.",
            "It takes a time zone such as <code>Europe/Lisbon</code>, a currency such as <code>SEK</code>, "
            "<code>replies off</code>, <code>quiet 22:00-07:00</code>, <code>away 3d</code> or "
            "<code>stand-in Bob</code>.",
        )
    )


def _choice(name: str, value: str, label: str, *, chosen: str = "") -> Button:
    mark = "✓ " if value == chosen else ""
    return Button(text=mark + label, data=PageButton(Page.SETTING, f"{name}={value}").encode())
