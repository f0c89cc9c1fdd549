"""Switches, breakers, rates, alarms and workers: what halts the engine, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import asdict
from sqlalchemy import delete, func, or_, select, update

from core.ids import SwitchId, TenantId
from core.limits import AHEAD
from core.model import Alarm, Breaker, BreakerState, Switch, Target, Worker
from storage.schema import ANY_TEAM, alarms, breakers, rate_hits, switches, workers
from storage.statements import Row, Session, Statement, all_columns, arg, insert_into, insert_once
from storage.times import from_ms, maybe_from_ms, to_ms

_s = switches.c
_ADD_SWITCH: Final = insert_once(switches)
_SWITCHES: Final = Statement(select(switches).where(_s.ended_at.is_(None)))
_SWITCH: Final = Statement(select(switches).where(_s.id == arg("id_")))
_END_SWITCH: Final = Statement(
    update(switches)
    .where(_s.id == arg("id_"), _s.ended_at.is_(None))
    .values(ended_at=arg("now_"), ended_by=arg("who"))
)

_BREAKER: Final = Statement(select(breakers).where(breakers.c.adapter == arg("name")))
_BREAKERS: Final = Statement(select(breakers).order_by(breakers.c.adapter))
_ADD_BREAKER: Final = insert_once(breakers)
_PUT_BREAKER: Final = Statement(
    update(breakers)
    .where(breakers.c.adapter == arg("name"), breakers.c.version == arg("was"))
    .values({name: bound for name, bound in all_columns(breakers).items() if name != "adapter"})
)

_h = rate_hits.c
_HIT: Final = insert_into(rate_hits)
_FORGET_HITS: Final = Statement(
    delete(rate_hits).where(_h.bucket == arg("key"), or_(_h.at <= arg("since"), _h.at > arg("until")))
)
_newest = (
    select(_h.at)
    .where(_h.bucket == arg("key"), _h.at > arg("since"), _h.at <= arg("until"))
    .order_by(_h.at.desc())
    .limit(arg("most"))
    .subquery()
)
_WINDOW: Final = Statement(select(func.count(), func.min(_newest.c.at)))

_a = alarms.c
_LIVE_ALARMS: Final = Statement(select(alarms).where(_a.cleared_at.is_(None)).order_by(_a.id))
_LAST_ALARMS: Final = Statement(select(alarms).order_by(_a.id.desc()).limit(arg("most")))
_MAYBE: Final = ("told_at", "cleared_at", "seen_at", "escalated_at")
_CHANGING: Final = (
    "detail",
    "last_at",
    "count",
    "told_at",
    "cleared_at",
    "seen_at",
    "seen_by",
    "escalated_at",
)
_PUT_ALARM: Final = Statement(
    lambda insert: (put := insert(alarms).values(all_columns(alarms))).on_conflict_do_update(
        index_elements=["id"],
        set_={name: put.excluded[name] for name in _CHANGING},
    )
)

_w = workers.c
_BEAT: Final = Statement(
    lambda insert: (put := insert(workers).values(all_columns(workers))).on_conflict_do_update(
        index_elements=["name"],
        set_={name: put.excluded[name] for name in ("beat_at", "running", "stopped_at")},
    )
)
_WORKERS: Final = Statement(select(workers).order_by(_w.name))
_FORGET_WORKERS: Final = Statement(delete(workers).where(_w.stopped_at < arg("before")))


class Switches:
    """Implements `core.ports.Switches`. What is stopped is read once a transaction, in which nobody else
    writes: the starts of one commit ask for the same."""

    def __init__(self, session: Session, touch: Callable[[str, str], None]) -> None:
        self._session = session
        self._touch = touch
        self._read: list[Switch] | None = None

    def forget(self) -> None:
        """Reads anew from now on: what was added or ended may have been rolled back."""
        self._read = None

    def add(self, switch: Switch) -> bool:
        """Adds a switch. False where a live one stops the same already."""
        row = asdict(switch)
        row.update(
            tenant_id=switch.tenant_id or ANY_TEAM,
            target=switch.target.value,
            created_at=to_ms(switch.created_at),
            until=to_ms(switch.until),
            ended_at=to_ms(switch.ended_at),
        )
        return self._changed(self._session.run(_ADD_SWITCH, **row), switch.id)

    def get(self, switch_id: SwitchId) -> Switch | None:
        """The switch of this id, also one that was ended."""
        row = self._session.one(_SWITCH, id_=switch_id)
        return None if row is None else _switch(row)

    def live(self, *, now: datetime) -> Sequence[Switch]:
        """All that stop something now, of every team, oldest first."""
        return [each for each in self._not_ended() if each.until is None or each.until > now]

    def over(self, *, now: datetime) -> Sequence[Switch]:
        """Those whose time is over and that were not ended yet."""
        return [each for each in self._not_ended() if each.until is not None and each.until <= now]

    def end(self, switch_id: SwitchId, *, by: str, now: datetime) -> bool:
        """Ends a switch. False where it was ended before."""
        ended = self._session.run(_END_SWITCH, id_=switch_id, who=by, now_=to_ms(now))
        return self._changed(ended, switch_id)

    def _not_ended(self) -> list[Switch]:
        if self._read is None:
            found = map(_switch, self._session.all(_SWITCHES))
            self._read = sorted(found, key=lambda each: each.id)
        return self._read

    def _changed(self, rows: int, switch_id: SwitchId) -> bool:
        self.forget()
        if rows:
            self._touch("switch", switch_id)
        return rows == 1


class Breakers:
    """Implements `core.ports.Breakers`."""

    def __init__(self, session: Session, touch: Callable[[str, str], None]) -> None:
        self._session = session
        self._touch = touch

    def get(self, adapter: str) -> Breaker | None:
        """This adapter's breaker; None where it never failed."""
        row = self._session.one(_BREAKER, name=adapter)
        return None if row is None else _breaker(row)

    def all(self) -> Sequence[Breaker]:
        """All breakers, by adapter."""
        return [_breaker(row) for row in self._session.all(_BREAKERS)]

    def put(self, before: Breaker | None, after: Breaker) -> bool:
        """Changes a breaker. False where it is not as `before` any more."""
        row = asdict(after)
        row.update(
            state=after.state.value,
            opened_at=to_ms(after.opened_at),
            retry_at=to_ms(after.retry_at),
            probe_until=to_ms(after.probe_until),
            safe_since=to_ms(after.safe_since),
            changed_at=to_ms(after.changed_at),
        )
        if before is None:
            return self._session.run(_ADD_BREAKER, **row) == 1
        name = row.pop("adapter")
        if self._session.run(_PUT_BREAKER, name=name, was=before.version, **row) != 1:
            return False
        if before.state is not BreakerState.CLOSED and _lets_through(after):
            self._touch("breaker", after.adapter)
        return True


class Rates:
    """Implements `core.ports.Rates`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def hit(self, bucket: str, *, now: datetime, since: datetime) -> None:
        """Counts one, and forgets those of this bucket up to `since`, and those ahead of `now`."""
        self._session.do(_FORGET_HITS, key=bucket, since=to_ms(since), until=to_ms(now + AHEAD))
        self._session.do(_HIT, bucket=bucket, at=to_ms(now))

    def window(
        self, bucket: str, *, now: datetime, since: datetime, most: int
    ) -> tuple[int, datetime | None]:
        """Of the newest `most` after `since` and not ahead of `now`: how many there are, and when the oldest
        of them was."""
        until = to_ms(now + AHEAD)
        row = self._session.one(_WINDOW, key=bucket, since=to_ms(since), until=until, most=most)
        return (0, None) if row is None else (row[0], maybe_from_ms(row[1]))


class Alarms:
    """Implements `core.ports.Alarms`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def live(self) -> Sequence[Alarm]:
        """Those that are not over, oldest first."""
        return [_alarm(row) for row in self._session.all(_LIVE_ALARMS)]

    def last(self, *, limit: int) -> Sequence[Alarm]:
        """The newest ones, also those that are over, newest first."""
        return [_alarm(row) for row in self._session.all(_LAST_ALARMS, most=limit)]

    def put(self, alarm: Alarm) -> None:
        """Adds an alarm, or changes the one of this id."""
        row = asdict(alarm)
        times = {name: to_ms(row[name]) for name in ("since", "last_at", *_MAYBE)}
        self._session.do(_PUT_ALARM, **{**row, **times, "tenant_id": alarm.tenant_id or ANY_TEAM})


class Workers:
    """Implements `core.ports.Workers`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def beat(self, worker: Worker) -> None:
        """Notes that a worker lives, or has stopped."""
        self._session.do(
            _BEAT,
            name=worker.name,
            started_at=to_ms(worker.started_at),
            beat_at=to_ms(worker.beat_at),
            running=worker.running,
            stopped_at=to_ms(worker.stopped_at),
        )

    def all(self) -> Sequence[Worker]:
        """All that were ever heard of and not forgotten, by name."""
        return [
            Worker(
                name=row[0],
                started_at=from_ms(row[1]),
                beat_at=from_ms(row[2]),
                running=row[3],
                stopped_at=maybe_from_ms(row[4]),
            )
            for row in self._session.all(_WORKERS)
        ]

    def forget(self, *, before: datetime) -> None:
        """Forgets those that stopped before this."""
        self._session.do(_FORGET_WORKERS, before=to_ms(before))


def _team(stored: str) -> TenantId | None:
    return None if stored == ANY_TEAM else TenantId(stored)


def _switch(row: Row) -> Switch:
    values: dict[str, Any] = dict(zip(Switch.__struct_fields__, row, strict=True))
    values.update(
        tenant_id=_team(values["tenant_id"]),
        target=Target(values["target"]),
        created_at=from_ms(values["created_at"]),
        until=maybe_from_ms(values["until"]),
        ended_at=maybe_from_ms(values["ended_at"]),
    )
    return Switch(**values)


def _lets_through(breaker: Breaker) -> bool:
    """Whether a call may go from now on."""
    closed, at_once = breaker.state is BreakerState.CLOSED, breaker.retry_at == breaker.changed_at
    return closed or (breaker.state is BreakerState.OPEN and at_once)


def _breaker(row: Row) -> Breaker:
    values: dict[str, Any] = dict(zip(Breaker.__struct_fields__, row, strict=True))
    times = ("opened_at", "retry_at", "probe_until", "safe_since")
    values.update({name: maybe_from_ms(values[name]) for name in times})
    values.update(state=BreakerState(values["state"]), changed_at=from_ms(values["changed_at"]))
    return Breaker(**values)


def _alarm(row: Row) -> Alarm:
    values: dict[str, Any] = dict(zip(Alarm.__struct_fields__, row, strict=True))
    values.update({name: from_ms(values[name]) for name in ("since", "last_at")})
    values.update({name: maybe_from_ms(values[name]) for name in _MAYBE})
    return Alarm(**{**values, "tenant_id": _team(values["tenant_id"])})
