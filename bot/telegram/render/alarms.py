"""An alarm as people read it: what is wrong, since when, what to do; and that it is over."""

from __future__ import annotations

from datetime import datetime

from bot.telegram.buttons import Page, PageButton
from bot.telegram.render.message import Button, Shown
from bot.telegram.render.parts import lines
from bot.telegram.render.safe import brief
from bot.telegram.render.times import moment, span
from core.alarms import RULES, Kind, Rule
from core.engine.alarms import Told
from core.ids import opaque
from core.model import Alarm

DETAIL_MOST = 300


def alarm(alarm: Alarm, told: Told, *, now: datetime) -> Shown:
    """The message about an alarm. `told` is why it comes now."""
    rule = rule_of(alarm)
    if told is Told.CLEARED:
        lasted = span(round((alarm.last_at - alarm.since).total_seconds()))
        return Shown(html=lines(f"✅ <b>{title(alarm)}</b>: this is over.", f"It lasted {lasted}."))
    why = {
        Told.AGAIN: "It goes on.",
        Told.ESCALATED: "Nobody has said yet that they saw this.",
    }.get(told, "")
    return Shown(
        html=lines(
            f"🚨 <b>{title(alarm)}</b>",
            why,
            brief(alarm.detail, DETAIL_MOST),
            f"Since {moment(alarm.since, now=now)}.",
            "" if rule is None else f"<b>What to do</b>: {brief(rule.todo, DETAIL_MOST)}",
        ),
        buttons=((_seen(alarm), _status()),),
    )


def seen(alarm: Alarm, *, now: datetime) -> Shown:
    """The message once somebody has seen it."""
    return Shown(
        html=lines(
            f"👀 <b>{title(alarm)}</b>",
            brief(alarm.detail, DETAIL_MOST),
            f"Since {moment(alarm.since, now=now)}.",
            f"{brief(alarm.seen_by or '', 40)} has seen this. I tell you when it is over.",
        ),
        buttons=((_status(),),),
    )


def title(alarm: Alarm) -> str:
    """What is wrong, in few words, safe."""
    rule = rule_of(alarm)
    return brief(alarm.kind if rule is None else rule.title, 60)


def rule_of(alarm: Alarm) -> Rule | None:
    """The rule of a recorded alarm; None for a kind that this version does not know."""
    return RULES.get(Kind(alarm.kind)) if alarm.kind in set(Kind) else None


def _seen(alarm: Alarm) -> Button:
    return Button(text="👀 Seen", data=PageButton(Page.ALARM, opaque(alarm.id)).encode())


def _status() -> Button:
    return Button(text="🩺 Status", data=PageButton(Page.STATUS, "new").encode())
