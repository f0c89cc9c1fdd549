"""Alarms as they are recorded: raised once, told again no more than hourly, over after a quiet time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from core import guards
from core.alarms import Finding, Kind
from core.engine.answers import Refused, refused
from core.engine.env import Env
from core.engine.facts import caller
from core.errors import Code, Refusal
from core.ids import AlarmId
from core.model import SYSTEM, Alarm, Principal, Role
from core.ports import Records

QUIET: Final = timedelta(minutes=1)
"""An alarm is over once it was not seen for so long, so that it does not come and go."""
TOUCH: Final = timedelta(seconds=20)
"""How exactly it is recorded when an alarm was last seen."""
AGAIN: Final = timedelta(hours=1)
ESCALATE: Final = timedelta(minutes=30)


class Told(StrEnum):
    """What people are told of an alarm."""

    RAISED = "raised"
    AGAIN = "again"
    ESCALATED = "escalated"
    CLEARED = "cleared"


Tell = Callable[[Records, Alarm, Told], None]
"""Queues a message about an alarm, in the transaction of what it tells."""


class Change(Struct, frozen=True, kw_only=True):
    """An alarm as it will be, and what is told of it; `told` None: nothing, it was only seen again."""

    alarm: Alarm
    told: Told | None


def changes(
    live: Sequence[Alarm], found: Sequence[Finding], *, judged: frozenset[Kind], now: datetime, env: Env
) -> list[Change]:
    """What is to be recorded of what was found, compared with what is recorded. Nothing most of the time."""
    known = {(alarm.tenant_id, alarm.kind, alarm.subject): alarm for alarm in live}
    seen = {finding.key: finding for finding in found}
    fresh = [_raised(finding, now=now, env=env) for key, finding in seen.items() if key not in known]
    going_on = [_lasting(alarm, seen[key], now=now) for key, alarm in known.items() if key in seen]
    may_end = frozenset(kind.value for kind in judged)
    gone = [alarm for key, alarm in known.items() if key not in seen and alarm.kind in may_end]
    over = [_over(alarm, now=now) for alarm in gone if now - alarm.last_at >= QUIET]
    return [change for change in (*fresh, *going_on, *over) if change is not None]


def watch(
    records: Records,
    found: Sequence[Finding],
    *,
    judged: frozenset[Kind],
    tell: Tell,
    now: datetime,
    env: Env,
) -> Sequence[Change]:
    """Raises, keeps and clears alarms in one transaction with what is told of them. However often something
    happens, each alarm is one, and nobody is told of it more than once an hour while it lasts."""
    made = changes(records.alarms.live(), found, judged=judged, now=now, env=env)
    for change in made:
        records.alarms.put(change.alarm)
        if change.told is not None:
            tell(records, change.alarm, change.told)
            _audit(records, change.alarm, change.told.value, actor=SYSTEM.actor, now=now)
    return made


def acknowledge(
    records: Records, *, by: Principal, name: str, alarm_id: AlarmId, now: datetime, env: Env
) -> Alarm | Refused:
    """An admin has seen it: nobody is told of it any more until it is over. Seen twice changes nothing.

    Refusals: the entry guards, `not_admin`, `not_found` (also for another team's).
    """
    facts = caller(records, by=by)
    try:
        guards.check(facts, guards.ENTRY)
        if facts.role is not Role.ADMIN:
            raise Refusal(Code.NOT_ADMIN, "Alarms are for admins.")
        alarm = next((one for one in records.alarms.live() if one.id == alarm_id), None)
        if alarm is None or not may_know(alarm, by=by, env=env):
            raise Refusal(Code.NOT_FOUND, "This alarm is over.")
    except Refusal as refusal:
        return refused(records, refusal, verb="acknowledge", by=by, now=now)
    if alarm.seen_at is not None:
        return alarm
    after = replace(alarm, seen_at=now, seen_by=name)
    records.alarms.put(after)
    _audit(records, after, "seen", actor=by.actor, now=now)
    return after


def may_know(alarm: Alarm, *, by: Principal, env: Env) -> bool:
    """Whether an alarm is this person's business: their team's own, or the bot's to its own team."""
    if alarm.tenant_id is None:
        return env.home is None or by.tenant == env.home
    return alarm.tenant_id == by.tenant


def _raised(finding: Finding, *, now: datetime, env: Env) -> Change:
    alarm = Alarm(
        id=AlarmId(env.new_id()),
        tenant_id=finding.tenant_id,
        kind=finding.kind.value,
        subject=finding.subject,
        detail=finding.detail,
        since=finding.since,
        last_at=now,
        count=finding.count,
        told_at=now,
    )
    return Change(alarm=alarm, told=Told.RAISED)


def _lasting(alarm: Alarm, finding: Finding, *, now: datetime) -> Change | None:
    """What becomes of an alarm that goes on: all are told where nobody looked, and again each hour."""
    after = replace(alarm, last_at=now, detail=finding.detail, count=max(alarm.count, finding.count))
    if alarm.seen_at is None and alarm.escalated_at is None and _told(alarm) <= now - ESCALATE:
        return Change(alarm=replace(after, escalated_at=now, told_at=now), told=Told.ESCALATED)
    if alarm.seen_at is None and alarm.told_at is not None and now - alarm.told_at >= AGAIN:
        return Change(alarm=replace(after, told_at=now), told=Told.AGAIN)
    return Change(alarm=after, told=None) if now - alarm.last_at >= TOUCH else None


def _told(alarm: Alarm) -> datetime:
    """When it was first told: it is raised and told at once."""
    return alarm.told_at or alarm.last_at


def _over(alarm: Alarm, *, now: datetime) -> Change:
    return Change(alarm=replace(alarm, cleared_at=now), told=Told.CLEARED)


def _audit(records: Records, alarm: Alarm, what: str, *, actor: str, now: datetime) -> None:
    records.audit.append(
        f"alarm.{what}",
        tenant_id=alarm.tenant_id,
        actor=actor,
        content={"alarm": alarm.kind, "subject": alarm.subject, "detail": alarm.detail},
        now=now,
    )
