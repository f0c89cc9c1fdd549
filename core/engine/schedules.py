"""Schedules: made, held, let go on and ended, by people or by the file of schedules. `fire` does the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from core import guards
from core.digest import Json
from core.engine.answers import Refused, refused
from core.engine.env import Env
from core.engine.explain import explain_wish
from core.engine.facts import caller
from core.engine.members import is_at_machine
from core.engine.pins import preview_of
from core.errors import Code, InvalidInput, Refusal
from core.ids import ConversationId, ScheduleId, fresh_id
from core.model import Conversation, Missed, PolicyDecision, Principal, Role, Schedule, Verdict
from core.ports import Now, Records
from core.redaction import masked
from core.registry import validate
from core.schedule_rules import next_time

MOST: Final = 50
"""So many schedules one person may have at a time."""
_PAGE: Final = 50


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be done, and when. `source` names the entry of a file, "" where a person asks."""

    tool: str
    arguments: Mapping[str, Json]
    conversation: Conversation
    rule: str
    timezone: str
    missed: Missed = Missed.ONCE
    source: str = ""


class Scheduled(Struct, frozen=True, kw_only=True):
    """A schedule as it is now. `verdict`: what policy says of such a call today, where it is new. `repeated`
    says that it was so before, and nothing changed."""

    schedule: Schedule
    verdict: Verdict | None = None
    repeated: bool = False


def add(records: Records, wanted: Wanted, *, by: Principal, now: Now, env: Env) -> Scheduled | Refused:
    """Records a schedule of the person who asks. Nothing is proposed before its time.

    Refusals: the entry guards, `tool_not_found`, `invalid_input`, `policy_forbids` where policy would deny
    each of its calls today, `tenant_mismatch`, and `invalid_limit` for one schedule too many.
    """
    try:
        guards.check(caller(records, by=by), guards.ENTRY)
        schedule, verdict = _drafted(records, wanted, by=by, now=now, env=env)
    except Refusal as refusal:
        return refused(records, refusal, verb="schedule", by=by, now=now.wall)
    records.schedules.add(schedule)
    note(records, schedule, "made", by=by, now=now, content=_content(schedule, env))
    return Scheduled(schedule=schedule, verdict=verdict)


def pause(records: Records, *, by: Principal, schedule_id: ScheduleId, now: Now) -> Scheduled | Refused:
    """Holds a schedule: its times pass and nothing is proposed. By its requester or an admin.

    Refusals: the entry guards, `not_found`.
    """
    return _change(records, "paused", by=by, schedule_id=schedule_id, now=now)


def resume(records: Records, *, by: Principal, schedule_id: ScheduleId, now: Now) -> Scheduled | Refused:
    """Lets a paused schedule go on with its next time; what passed meanwhile is not made up for.

    Refusals: the entry guards, `not_found`, `invalid_input` where there is no further time.
    """
    return _change(records, "resumed", by=by, schedule_id=schedule_id, now=now)


def delete(records: Records, *, by: Principal, schedule_id: ScheduleId, now: Now) -> Scheduled | Refused:
    """Ends a schedule for good. Calls that it has made stay as they are.

    Refusals: the entry guards, `not_found`, `not_owner` for what the file of schedules says.
    """
    return _change(records, "deleted", by=by, schedule_id=schedule_id, now=now)


def alter(records: Records, before: Schedule, wanted: Wanted, *, by: Principal, now: Now, env: Env) -> None:
    """Makes of a schedule what its entry in the file says now, in the name of `by`; it stays paused where it
    was. Raises the Refusal of `add`."""
    drafted, _ = _drafted(records, wanted, by=by, now=now, env=env)
    same_times = (before.rule, before.timezone) == (wanted.rule, wanted.timezone)
    after = replace(
        drafted,
        id=before.id,
        short_id=before.short_id,
        next_at=before.next_at if same_times else drafted.next_at,
        last_at=before.last_at,
        last_call=before.last_call,
        paused_at=before.paused_at,
        created_at=before.created_at,
        version=before.version + 1,
    )
    if records.schedules.put(before, after):
        note(records, after, "changed", by=by, now=now, content=_content(after, env))


def end(records: Records, schedule: Schedule, *, why: str, by: Principal, now: Now) -> Schedule:
    """Ends a schedule that has no reason to be any more, and says why in the audit."""
    after = replace(schedule, ended_at=now.wall, next_at=None, version=schedule.version + 1)
    if records.schedules.put(schedule, after):
        note(records, after, "ended", by=by, now=now, content={"why": why})
    return after


def listed(
    records: Records,
    *,
    by: Principal,
    here: ConversationId | None = None,
    after: ScheduleId | None = None,
    limit: int,
) -> Sequence[Schedule]:
    """The schedules that this person may know of: a member their own, an admin the team's; of one
    conversation only where `here` names it. Oldest first."""
    facts = caller(records, by=by)
    if facts.tenant is None or not (facts.role or is_at_machine(by)):
        return ()
    found: list[Schedule] = []
    while len(found) < limit:
        page = records.schedules.listed(facts.tenant.id, after=after, limit=_PAGE)
        found += [
            each for each in page if _visible(each, facts) and (here is None or each.conversation_id == here)
        ]
        if len(page) < _PAGE:
            break
        after = page[-1].id
    return found[:limit]


def find(records: Records, *, by: Principal, schedule_id: ScheduleId) -> Schedule | None:
    """The schedule, if this person may know of it and it has not ended."""
    facts, schedule = caller(records, by=by), records.schedules.get(schedule_id)
    if schedule is None or schedule.ended_at is not None or not (facts.role or is_at_machine(by)):
        return None
    return schedule if _visible(schedule, facts) else None


# -------------------------------------------------------------------------------------------------- making


def _drafted(
    records: Records, wanted: Wanted, *, by: Principal, now: Now, env: Env
) -> tuple[Schedule, Verdict]:
    """The schedule as it would be recorded, and what policy says of its calls. Raises Refusal."""
    place = wanted.conversation
    if by.person is None or place.tenant_id != by.tenant:
        raise Refusal(Code.TENANT_MISMATCH, "This conversation belongs to another team.")
    if not wanted.source and records.schedules.live_of(place.tenant_id, by.person) >= MOST:
        told = f"You have {MOST} schedules already. Delete one under /schedules first."
        raise Refusal(Code.INVALID_LIMIT, told)
    tool = env.registry.get(wanted.tool)
    typed = validate(tool, wanted.arguments)
    next_at = checked_time(wanted.rule, timezone=wanted.timezone, now=now.wall)
    verdict = explain_wish(
        records,
        tool=tool.name,
        arguments=wanted.arguments,
        requester=by.person,
        conversation=place,
        now=now,
        env=env,
    ).verdict
    if verdict.decision is PolicyDecision.DENY:
        told = f"Policy would deny it each time: {verdict.reason} ({verdict.rule})"
        raise Refusal(Code.POLICY_FORBIDS, told)

    def taken(named: str) -> bool:
        return records.schedules.by_short_id(place.tenant_id, named) is not None

    identifier, named = fresh_id(env.new_id, taken=taken)
    preview = preview_of(records, tool, typed, tenant_id=place.tenant_id, account_id=place.account_id)
    schedule = Schedule(
        id=ScheduleId(identifier),
        short_id=named,
        tenant_id=place.tenant_id,
        account_id=place.account_id,
        conversation_id=place.id,
        requester_id=by.person,
        tool=tool.name,
        arguments=typed.model_dump(mode="json"),
        title=preview.title,
        rule=wanted.rule,
        timezone=wanted.timezone,
        missed=wanted.missed,
        source=wanted.source,
        next_at=next_at,
        last_at=None,
        last_call=None,
        paused_at=None,
        ended_at=None,
        created_at=now.wall,
        version=1,
    )
    return schedule, verdict


def checked_time(rule: str, *, timezone: str, now: datetime) -> datetime:
    """The rule's next time. Raises InvalidInput for a rule that cannot be read, or has none any more."""
    when = next_time(rule, timezone=timezone, after=now)
    if when is None:
        raise InvalidInput(field="when", given=rule, allowed="it should be a time that is still to come")
    return when


# ------------------------------------------------------------------------------------------------ changing


def _change(
    records: Records, kind: str, *, by: Principal, schedule_id: ScheduleId, now: Now
) -> Scheduled | Refused:
    try:
        facts = caller(records, by=by)
        if not is_at_machine(by):
            guards.check(facts, guards.ENTRY)
        before = records.schedules.get(schedule_id)
        if before is None or not _visible(before, facts):
            raise Refusal(Code.NOT_FOUND, "There is no such schedule here. /schedules lists them.")
        after = _CHANGES[kind](before, now.wall)
    except Refusal as refusal:
        return refused(records, refusal, verb=f"schedule_{kind}", by=by, now=now.wall)
    if after == before:
        return Scheduled(schedule=before, repeated=True)
    after = replace(after, version=before.version + 1)
    if not records.schedules.put(before, after):
        return Scheduled(schedule=records.schedules.get(schedule_id) or before, repeated=True)
    note(records, after, kind, by=by, now=now)
    return Scheduled(schedule=after)


def _paused(schedule: Schedule, now: datetime) -> Schedule:
    _check_live(schedule)
    return schedule if schedule.paused_at is not None else replace(schedule, paused_at=now)


def _resumed(schedule: Schedule, now: datetime) -> Schedule:
    _check_live(schedule)
    if schedule.paused_at is None:
        return schedule
    next_at = checked_time(schedule.rule, timezone=schedule.timezone, now=now)
    return replace(schedule, paused_at=None, next_at=next_at)


def _deleted(schedule: Schedule, now: datetime) -> Schedule:
    if schedule.source and schedule.ended_at is None:
        told = (
            f"It stands in the file of schedules as {schedule.source!r}: take it out there. You can pause it."
        )
        raise Refusal(Code.NOT_OWNER, told)
    return schedule if schedule.ended_at is not None else replace(schedule, ended_at=now, next_at=None)


_CHANGES: Final = {"paused": _paused, "resumed": _resumed, "deleted": _deleted}


def _check_live(schedule: Schedule) -> None:
    if schedule.ended_at is not None:
        raise Refusal(Code.NOT_FOUND, "This schedule has ended. You can make a new one.")


def _visible(schedule: Schedule, facts: guards.Facts) -> bool:
    by = facts.by
    if schedule.tenant_id != by.tenant:
        return False
    if by.account_ids is not None and schedule.account_id not in by.account_ids:
        return False
    admin = facts.role is not None and facts.role.includes(Role.ADMIN)
    return admin or is_at_machine(by) or by.person == schedule.requester_id


# ------------------------------------------------------------------------------------------------ the audit


def note(
    records: Records,
    schedule: Schedule,
    kind: str,
    *,
    by: Principal,
    now: Now,
    content: Mapping[str, Json] | None = None,
) -> None:
    """Appends what became of a schedule to its team's chain."""
    records.audit.append(
        f"schedule.{kind}",
        tenant_id=schedule.tenant_id,
        account_id=schedule.account_id,
        actor=by.actor,
        call_id=None,
        content={"schedule": schedule.id, "channel": by.channel.value, **(content or {})},
        now=now.wall,
    )


def _content(schedule: Schedule, env: Env) -> dict[str, Json]:
    tool = env.registry.get(schedule.tool)
    return {
        "tool": schedule.tool,
        "arguments": masked(schedule.arguments, tool.sensitive),
        "requester": schedule.requester_id,
        "rule": schedule.rule,
        "timezone": schedule.timezone,
        "missed": schedule.missed.value,
        "source": schedule.source,
    }
