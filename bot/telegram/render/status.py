"""/status: how everything is, on one screen of a phone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bot.machine import Disk
from bot.telegram.buttons import Page, PageButton
from bot.telegram.render.alarms import title
from bot.telegram.render.message import Button, Shown
from bot.telegram.render.parts import lines
from bot.telegram.render.safe import brief
from bot.telegram.render.times import moment, span
from core.engine.status import ALIVE, Overview
from core.model import Alarm, Backlog, BreakerState, Switch, Worker
from core.model.pulse import MOST_COUNTED
from core.ports import Now
from core.switches import what

_MOST: Final = 4
_SHOWN: Final = 40
_STATES: Final = {BreakerState.OPEN: "not called", BreakerState.HALF_OPEN: "being tried"}


def status(seen: Overview, *, version: str, disk: Disk | None, limits: Sequence[str], now: Now) -> Shown:
    """The whole screen. `disk` None: nobody can tell."""
    return Shown(
        html=lines(
            f"🩺 <b>Status</b> · Countersign {brief(version, 20)}",
            _calls(seen),
            *(f"⏳ {number} held: {brief(why, 60)}" for why, number in list(seen.held.items())[:_MOST]),
            *(_switch(each, now=now.wall) for each in seen.switches[:_MOST]),
            _workers(seen.workers, now=now),
            *(
                f"🔌 {brief(each.adapter, _SHOWN)}: {_STATES[each.state]}, "
                f"since {moment(each.opened_at or each.changed_at, now=now.wall)}"
                for each in seen.breakers[:_MOST]
            ),
            *(f"🚦 {brief(limit, _SHOWN)}" for limit in limits),
            f"✉️ {number(seen.outbox)} to send{_for(seen.outbox, now=now.wall)} · "
            f"{number(seen.inbox)} to read",
            _webhooks(seen),
            _disk(seen, disk),
            *_alarms(seen.alarms, now=now.wall),
        ),
        buttons=((Button(text="🔄 Refresh", data=PageButton(Page.STATUS, "again").encode()),),),
    )


def number(backlog: Backlog) -> str:
    """How many, as far as they were counted."""
    return f"{backlog.count}{'+' if backlog.count >= MOST_COUNTED else ''}"


def size(in_bytes: int) -> str:
    """ "12 MB", "1.4 GB"."""
    if in_bytes < 1000**3:
        return f"{in_bytes / 1000**2:.0f} MB"
    return f"{in_bytes / 1000**3:.1f} GB"


def _calls(seen: Overview) -> str:
    return f"📋 {number(seen.proposed)} to sign · {number(seen.pending)} to run · {seen.running} running"


def _switch(switch: Switch, *, now: datetime) -> str:
    until = "" if switch.until is None else f", until {moment(switch.until, now=now)}"
    return f"⏸ {brief(what(switch), _SHOWN)} is paused{until}: {brief(switch.reason, 80)}"


def _workers(workers: Sequence[Worker], *, now: Now) -> str:
    alive = [worker for worker in workers if now.real - worker.beat_at < ALIVE]
    silent = len(workers) - len(alive)
    lost = f" · {silent} silent" if silent else ""
    if not alive:
        return f"⚙️ No worker is alive: nothing runs{lost}"
    up = span(round(max((now.real - worker.started_at).total_seconds() for worker in alive)))
    return f"⚙️ {len(alive)} {'worker' if len(alive) == 1 else 'workers'}, up {up}{lost}"


def _for(backlog: Backlog, *, now: datetime) -> str:
    seconds = 0 if backlog.since is None else round((now - backlog.since).total_seconds())
    return f", for {span(seconds)}" if seconds >= 5 else ""


def _webhooks(seen: Overview) -> str:
    if not seen.webhooks and not seen.dead_letters:
        return ""
    return f"🪝 {seen.webhooks} webhooks · {seen.dead_letters} dead letters"


def _disk(seen: Overview, disk: Disk | None) -> str:
    free = "" if disk is None else f"{size(disk.free)} free · "
    return f"💾 {free}database {size(seen.database_bytes)}"


def _alarms(alarms: Sequence[Alarm], *, now: datetime) -> Sequence[str]:
    if not alarms:
        return ["✅ No alarms so far"]
    return [_alarm(each, now=now) for each in alarms]


def _alarm(alarm: Alarm, *, now: datetime) -> str:
    if alarm.cleared_at is not None:
        return f"✅ {title(alarm)}: over since {moment(alarm.cleared_at, now=now)}"
    return f"🚨 {title(alarm)}: since {moment(alarm.since, now=now)}"
