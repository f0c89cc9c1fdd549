"""`countersign status`: how everything is, whether or not the bot runs."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.cli.common import AsJson, Config, Data, answer, say, settings_of

if TYPE_CHECKING:
    from datetime import datetime

    from bot.config import Settings
    from bot.machine import Machine
    from core.engine.status import Overview
    from core.model import Alarm, Backlog


def status(*, config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """Shows the queue, workers, breakers, switches, limits, what waits to go out, and the last alarms."""
    settings = settings_of(config, data)
    answer(_found(settings), as_json=as_json, show=_show)


def _found(settings: Settings) -> dict[str, Any]:
    from bot.cli import records as opened
    from bot.machine import Machine, limits_of
    from core.engine.status import overview
    from core.ports import Now

    registry, now = opened.registry_of(settings), opened.now()
    at = Now(wall=now, real=now)
    seen = opened.look(
        settings, lambda records: overview(records, tenant=None, home=None, registry=registry, now=at)
    )
    return _plain(seen, Machine(settings.storage.folder, limits=limits_of(settings)), now=now)


def _plain(seen: Overview, machine: Machine, *, now: datetime) -> dict[str, Any]:
    """What was seen, as JSON tells it. Durations are in seconds."""
    from core.engine.status import ALIVE
    from core.switches import what

    disk = machine.disk()
    return {
        "version": machine.version,
        "running": any(now - each.beat_at < ALIVE for each in seen.workers),
        "queue": {
            "proposed": _waits(seen.proposed, now),
            "pending": _waits(seen.pending, now),
            "running": seen.running,
            "held": dict(seen.held),
        },
        "workers": [
            {
                "name": each.name,
                "in_hand": each.running,
                "up_s": round((now - each.started_at).total_seconds()),
                "heartbeat_age_s": round((now - each.beat_at).total_seconds()),
            }
            for each in seen.workers
        ],
        "breakers": [
            {"adapter": each.adapter, "state": each.state.value, "since": each.changed_at.isoformat()}
            for each in seen.breakers
        ],
        "switches": [
            {
                "paused": what(each),
                "team": each.tenant_id,
                "reason": each.reason,
                "by": each.by_name,
                "until": each.until and each.until.isoformat(),
            }
            for each in seen.switches
        ],
        "limits": list(machine.limits),
        "outbox": _waits(seen.outbox, now),
        "inbox": _waits(seen.inbox, now),
        "webhooks": {"live": seen.webhooks, "dead_letters": seen.dead_letters},
        "alarms": [_alarm(each) for each in seen.alarms],
        "disk": None if disk is None else {"free_bytes": disk.free, "used_percent": round(disk.used, 1)},
        "database_bytes": seen.database_bytes,
    }


def _waits(backlog: Backlog, now: datetime) -> dict[str, Any]:
    since = backlog.since
    return {
        "count": backlog.count,
        "oldest_s": None if since is None else round((now - since).total_seconds()),
    }


def _alarm(alarm: Alarm) -> dict[str, Any]:
    from core.alarms import RULES, Kind

    known = RULES.get(Kind(alarm.kind)) if alarm.kind in set(Kind) else None
    return {
        "alarm": alarm.kind,
        "title": alarm.kind if known is None else known.title,
        "detail": alarm.detail,
        "team": alarm.tenant_id,
        "since": alarm.since.isoformat(),
        "over": alarm.cleared_at and alarm.cleared_at.isoformat(),
        "seen_by": alarm.seen_by,
    }


def _show(found: dict[str, Any]) -> None:
    queue = found["queue"]
    say(f"Countersign {found['version']}, {'running' if found['running'] else 'not running'}")
    say(
        f"Calls: {_count(queue['proposed'])} to sign, {_count(queue['pending'])} to run, "
        f"{queue['running']} running"
    )
    for why, number in queue["held"].items():
        say(f"  {number} held: {why}")
    for each in found["switches"]:
        say(f"Paused: {each['paused']}{_until(each['until'])}, by {each['by']}: {each['reason']}")
    for each in found["workers"]:
        say(
            f"Worker {each['name']}: {each['in_hand']} in hand, up {each['up_s']} s, "
            f"heard of {each['heartbeat_age_s']} s ago"
        )
    for each in found["breakers"]:
        say(f"Adapter {each['adapter']}: {each['state']} since {each['since']}")
    for limit in found["limits"]:
        say(f"Limit: {limit}")
    hooks = found["webhooks"]
    say(f"Messages: {_count(found['outbox'])} to send, {_count(found['inbox'])} to read")
    say(f"Webhooks: {hooks['live']}, {hooks['dead_letters']} dead letters")
    disk = "" if found["disk"] is None else f"{found['disk']['free_bytes'] / 1000**3:.1f} GB free, "
    say(f"Disk: {disk}database {found['database_bytes'] / 1000**2:.1f} MB")
    for each in found["alarms"]:
        say(f"Alarm: {each['title']} since {each['since']}{_over(each)}: {each['detail']}")
    if not found["alarms"]:
        say("No alarms so far.")


def _count(waits: dict[str, Any]) -> str:
    oldest = waits["oldest_s"]
    return str(waits["count"]) if not oldest else f"{waits['count']} (the oldest for {oldest} s)"


def _until(until: str | None) -> str:
    return "" if until is None else f" until {until}"


def _over(alarm: dict[str, Any]) -> str:
    return "" if alarm["over"] is None else f", over since {alarm['over']}"
