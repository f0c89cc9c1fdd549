"""Schedules: calls to be proposed at their times."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import asdict
from sqlalchemy import func, or_, select, update

from core.errors import CorruptRecord, InvalidInput
from core.ids import CallId, PersonId, ScheduleId, TenantId
from core.json_text import read_json
from core.model import Missed, Occasion, Schedule
from core.schedule_rules import read_rule, zone_of
from storage.schema import quarantine, schedule_times, schedules
from storage.statements import Row, Session, Statement, all_columns, arg, insert_into
from storage.times import from_ms, maybe_from_ms, to_ms

_c = schedules.c
_NOT_SET_ASIDE: Final = _c.id.not_in(select(quarantine.c.row_id).where(quarantine.c.source == schedules.name))
_ADD: Final = insert_into(schedules)
_GET: Final = Statement(select(schedules).where(_c.id == arg("id_")))
_BY_SHORT: Final = Statement(
    select(schedules).where(_c.tenant_id == arg("tenant"), _c.short_id == arg("short"))
)
_FROM_SOURCE: Final = Statement(
    select(schedules).where(_c.source != "", _c.ended_at.is_(None), _NOT_SET_ASIDE).order_by(_c.id)
)
_LISTED: Final = Statement(
    select(schedules)
    .where(_c.tenant_id == arg("tenant"), _c.ended_at.is_(None), _c.id > arg("last"), _NOT_SET_ASIDE)
    .order_by(_c.id)
    .limit(arg("most"))
)
_IS_DUE: Final = (
    _c.next_at.is_not(None),
    _c.paused_at.is_(None),
    _c.ended_at.is_(None),
    or_(_c.next_at <= arg("now_"), _c.last_at > arg("now_"), _c.created_at > arg("now_")),
    _NOT_SET_ASIDE,
)
_DUE: Final = Statement(select(schedules).where(*_IS_DUE).order_by(_c.next_at).limit(arg("most")))
_ANY_DUE: Final = Statement(select(_c.id).where(*_IS_DUE).limit(1))
_PUT: Final = Statement(
    update(schedules)
    .where(_c.id == arg("id_"), _c.version == arg("was"))
    .values({name: bound for name, bound in all_columns(schedules).items() if name != "id"})
)
_LIVE_OF: Final = Statement(
    select(func.count())
    .select_from(schedules)
    .where(_c.tenant_id == arg("tenant"), _c.requester_id == arg("person"), _c.ended_at.is_(None))
)
_FIRED: Final = insert_into(schedule_times)
_HAD: Final = Statement(
    select(schedule_times.c.call_id).where(
        schedule_times.c.schedule_id == arg("id_"), schedule_times.c.at == arg("then")
    )
)
_OCCASION: Final = Statement(
    select(schedule_times.c.schedule_id, schedule_times.c.at, _c.rule, _c.timezone)
    .join_from(schedule_times, schedules, _c.id == schedule_times.c.schedule_id)
    .where(schedule_times.c.call_id == arg("call"))
)
_TIMES: Final = ("next_at", "last_at", "paused_at", "ended_at")


class Schedules:
    """Implements `core.ports.Schedules`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, schedule: Schedule) -> None:
        """Adds a schedule."""
        self._session.do(_ADD, **_row(schedule))

    def get(self, schedule_id: ScheduleId) -> Schedule | None:
        """The schedule of this id. Raises CorruptRecord."""
        return _maybe(self._session.one(_GET, id_=schedule_id))

    def by_short_id(self, tenant_id: TenantId, short_id: str) -> Schedule | None:
        """The schedule people name so. Raises CorruptRecord."""
        return _maybe(self._session.one(_BY_SHORT, tenant=tenant_id, short=short_id))

    def from_source(self) -> Sequence[Schedule]:
        """Those that came from the configuration and have not ended. Raises CorruptRecord."""
        return [_schedule(row) for row in self._session.all(_FROM_SOURCE)]

    def listed(self, tenant_id: TenantId, *, after: ScheduleId | None, limit: int) -> Sequence[Schedule]:
        """A team's that have not ended, oldest first, beginning after one. Raises CorruptRecord."""
        rows = self._session.all(_LISTED, tenant=tenant_id, last=after or "", most=limit)
        return [_schedule(row) for row in rows]

    def due(self, now: datetime, *, limit: int) -> Sequence[Schedule]:
        """Those whose time has come, or that are of a time still to come, earliest first. Raises
        CorruptRecord."""
        return [_schedule(row) for row in self._session.all(_DUE, now_=to_ms(now), most=limit)]

    def put(self, before: Schedule, after: Schedule) -> bool:
        """Changes a schedule. False where it is not of that version any more."""
        row = _row(after)
        identifier = row.pop("id")
        return self._session.run(_PUT, id_=identifier, was=before.version, **row) == 1

    def any_due(self, now: datetime) -> bool:
        """Whether any is due."""
        return self._session.one(_ANY_DUE, now_=to_ms(now)) is not None

    def live_of(self, tenant_id: TenantId, person_id: PersonId) -> int:
        """How many of a person's have not ended."""
        row = self._session.one(_LIVE_OF, tenant=tenant_id, person=person_id)
        return 0 if row is None else int(row[0])

    def fired(self, schedule_id: ScheduleId, call_id: CallId, *, at: datetime) -> None:
        """Keeps which call was made for a time of a schedule. A second one for the same time fails."""
        self._session.run(_FIRED, schedule_id=schedule_id, at=to_ms(at), call_id=call_id)

    def had(self, schedule_id: ScheduleId, *, at: datetime) -> bool:
        """Whether a call was made for this time of a schedule."""
        return self._session.one(_HAD, id_=schedule_id, then=to_ms(at)) is not None

    def occasion(self, call_id: CallId) -> Occasion | None:
        """The time of a schedule that a call was made for; None for a call that somebody asked for, or whose
        schedule cannot be read."""
        row = self._session.one(_OCCASION, call=call_id)
        if row is None or _unreadable(row[2], row[3]):
            return None
        return Occasion(schedule_id=row[0], at=from_ms(row[1]), rule=row[2], timezone=row[3])


def _row(schedule: Schedule) -> dict[str, Any]:
    row = asdict(schedule)
    row.update({name: to_ms(row[name]) for name in (*_TIMES, "created_at")})
    text = json.dumps(dict(schedule.arguments), ensure_ascii=False, separators=(",", ":"))
    row.update(arguments=text, missed=schedule.missed.value)
    return row


def _unreadable(rule: str, timezone: str) -> str | None:
    """Which column says no time."""
    for column, read, said in (("rule", read_rule, rule), ("timezone", zone_of, timezone)):
        try:
            read(said)
        except InvalidInput:
            return column
    return None


def _maybe(row: Row | None) -> Schedule | None:
    return None if row is None else _schedule(row)


def _schedule(row: Row) -> Schedule:
    values: dict[str, Any] = dict(zip(Schedule.__struct_fields__, row, strict=True))
    try:
        arguments = read_json(values["arguments"])
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise CorruptRecord(schedules.name, values["id"], "arguments")
    wrong = _unreadable(values["rule"], values["timezone"])
    if wrong is not None:
        raise CorruptRecord(schedules.name, values["id"], wrong)
    values.update({name: maybe_from_ms(values[name]) for name in _TIMES})
    values.update(
        arguments=arguments, missed=Missed(values["missed"]), created_at=from_ms(values["created_at"])
    )
    return Schedule(**values)
