"""Schedules whose time has come: their calls are proposed, in the name of who made them.

A time makes one call, however many processes look and however often they start: the schedule moves on, the
call is proposed, and which call it was is kept, all in one transaction. Of the times that passed while
nothing ran the newest is made up for, once, if it is less than a day old; after a restore none is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from core.engine.answers import Refused
from core.engine.env import Env
from core.engine.propose import Proposal, propose
from core.engine.readable import set_aside, skipping
from core.engine.schedules import end, note
from core.errors import Code, CorruptRecord, Refusal
from core.model import SYSTEM, Channel, Conversation, Missed, Principal, Role, Schedule
from core.ports import Now, Records
from core.schedule_rules import last_time, next_time

BATCH: Final = 50
MADE_UP_FOR: Final = timedelta(hours=24)
"""What was missed for longer is not made up for: nobody waits for it any more."""
LATE: Final = timedelta(minutes=2)
"""From then on a time counts as missed, and a call that makes up for it is told as late."""


class Told(StrEnum):
    """What people are told of a schedule besides its calls."""

    MISSED = "missed"  # its time passed too long ago
    LEFT = "left"  # who made it does not belong to the team any more: it has ended
    STOPPED = "stopped"  # its call cannot be asked for as it is: it is paused


class Notice(Struct, frozen=True, kw_only=True):
    """Something to tell people of a schedule. `at` is the time that it is about, `why` words of ours."""

    schedule: Schedule
    what: Told
    at: datetime
    why: str = ""


Tell = Callable[[Records, Notice], None]


def fire(records: Records, *, now: Now, env: Env, tell: Tell) -> int:
    """Proposes the call of every schedule whose time has come. At most `BATCH`; how many there were. `tell`
    queues a notice, in the transaction of what it tells."""
    due = _due(records, now=now)
    for schedule in due:
        with skipping(records, now=now.wall):
            _fire(records, schedule, now=now, env=env, tell=tell)
    return len(due)


def pass_by(records: Records, *, now: Now) -> int:
    """Lets all times that have come go by without a call, and notes them as missed; of how many schedules."""
    passed = 0
    while due := _due(records, now=now):
        for schedule in due:
            moved = _set_back(schedule, now=now)
            if moved is None:
                at = _newest(schedule, now=now)
                moved = _moved_on(schedule, at=at, now=now)
                note(records, moved, "missed", by=SYSTEM, now=now, content={"at": at.isoformat()})
                passed += 1
            records.schedules.put(schedule, moved)
    return passed


def _due(records: Records, *, now: Now) -> Sequence[Schedule]:
    """Those whose time has come. One that cannot be read is set aside, and makes nothing."""
    while True:
        try:
            return records.schedules.due(now.wall, limit=BATCH)
        except CorruptRecord as corrupt:
            set_aside(records, corrupt, now=now.wall)


def _fire(records: Records, schedule: Schedule, *, now: Now, env: Env, tell: Tell) -> None:
    back = _set_back(schedule, now=now)
    if back is not None:
        records.schedules.put(schedule, back)
        return
    at = _newest(schedule, now=now)
    role = records.people.role(schedule.tenant_id, schedule.requester_id)
    place = records.people.conversation(schedule.conversation_id)
    if role is None or place is None:
        tell(records, Notice(schedule=schedule, what=Told.LEFT, at=at))
        end(records, schedule, why="left", by=SYSTEM, now=now)
        return
    moved = _moved_on(schedule, at=at, now=now)
    if not records.schedules.put(schedule, moved):
        return
    if records.schedules.had(schedule.id, at=at):
        return  # the clock was set back: that time had its call
    if _is_missed(schedule, at=at, now=now):
        note(records, moved, "missed", by=SYSTEM, now=now, content={"at": at.isoformat()})
        if schedule.missed is Missed.ONCE:
            tell(records, Notice(schedule=moved, what=Told.MISSED, at=at))
        return
    refusal = _propose(records, moved, place, role, at=at, now=now, env=env)
    if refusal is not None and refusal.code is not Code.TENANT_INACTIVE:
        _stop(records, moved, refusal, at=at, now=now, tell=tell)


def _newest(schedule: Schedule, *, now: Now) -> datetime:
    return last_time(schedule.rule, timezone=schedule.timezone, until=now.wall) or now.wall


def _set_back(schedule: Schedule, *, now: Now) -> Schedule | None:
    """A schedule that was last done or made at a time still to come, as the clock has been set back since: it
    goes on from now. None where it was not."""
    last_at, made_at = schedule.last_at, schedule.created_at
    if made_at <= now.wall and (last_at is None or last_at <= now.wall):
        return None
    return replace(
        schedule,
        next_at=next_time(schedule.rule, timezone=schedule.timezone, after=now.wall) or schedule.next_at,
        last_at=None,
        created_at=min(made_at, now.wall),
        version=schedule.version + 1,
    )


def _moved_on(schedule: Schedule, *, at: datetime, now: Now) -> Schedule:
    """The schedule with its next time; one that has no further time is over."""
    next_at = next_time(schedule.rule, timezone=schedule.timezone, after=now.wall)
    return replace(
        schedule,
        next_at=next_at,
        last_at=at,
        ended_at=now.wall if next_at is None else None,
        version=schedule.version + 1,
    )


def _is_missed(schedule: Schedule, *, at: datetime, now: Now) -> bool:
    return now.wall - at > (MADE_UP_FOR if schedule.missed is Missed.ONCE else LATE)


def _propose(
    records: Records,
    schedule: Schedule,
    place: Conversation,
    role: Role,
    *,
    at: datetime,
    now: Now,
    env: Env,
) -> Refusal | None:
    """Proposes the call of one time, as the requester with the role that they have today; why not, if not."""
    by = Principal(
        person=schedule.requester_id,
        tenant=schedule.tenant_id,
        roles=frozenset({role}),
        channel=Channel.SYSTEM,
    )
    proposal = Proposal(
        tool=schedule.tool,
        arguments=schedule.arguments,
        conversation=place,
        key=f"schedule:{schedule.id}:{at.isoformat()}",
    )
    answer = propose(records, proposal, by=by, now=now, env=env)
    if isinstance(answer, Refused):
        return answer.refusal
    records.schedules.put(schedule, replace(schedule, last_call=answer.call.id, version=schedule.version + 1))
    if not answer.repeated:
        records.schedules.fired(schedule.id, answer.call.id, at=at)
    return None


def _stop(
    records: Records, schedule: Schedule, refusal: Refusal, *, at: datetime, now: Now, tell: Tell
) -> None:
    """Pauses a schedule whose call cannot be asked for: it would be refused again each time."""
    after = replace(schedule, paused_at=now.wall, version=schedule.version + 1)
    records.schedules.put(schedule, after)
    note(records, after, "stopped", by=SYSTEM, now=now, content={"code": refusal.code.value})
    tell(records, Notice(schedule=after, what=Told.STOPPED, at=at, why=refusal.message))
