"""Thinning out what piles up, and taking everything out of the queues that a restore must not let go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Table, and_, delete, exists, func, or_, select, tuple_, update

from core.ids import CallId
from core.lifecycle import ENDS, EXECUTING, Status
from core.ports import Kept, Stopped
from core.signals import STRIDE
from storage.schema import (
    alarms,
    dead_letters,
    deliveries,
    dialogues,
    grants,
    inbox,
    invites,
    outbox,
    rate_hits,
    reminders,
    signals,
    tool_calls,
    webhooks,
    workers,
)
from storage.statements import Session, Statement, arg
from storage.times import to_ms

_BEFORE: Final = arg("before")
_c, _s, _d = tool_calls.c, signals.c, dead_letters.c
_ENDED: Final = [status.value for status in ENDS]


class _Rows(Struct, frozen=True):
    """The rows of a table that are of no use any more, and the columns that tell them apart."""

    table: Table
    key: tuple[str, ...]
    spent: ColumnElement[bool]

    def counted(self) -> Statement:
        return Statement(select(func.count()).select_from(self.table).where(self.spent))

    def taken(self) -> Statement:
        columns = [self.table.c[name] for name in self.key]
        found = select(*columns).where(self.spent).limit(arg("most"))
        named = columns[0] if len(columns) == 1 else tuple_(*columns)
        return Statement(delete(self.table).where(named.in_(found)))


_SPENT: Final[Mapping[Kept, _Rows]] = {
    Kept.INBOX: _Rows(inbox, ("bot_id", "update_id"), inbox.c.done_at < _BEFORE),
    Kept.OUTBOX: _Rows(outbox, ("id",), outbox.c.done_at < _BEFORE),
    Kept.DIALOGUES: _Rows(dialogues, ("chat", "person_id"), dialogues.c.at < _BEFORE),
    # What somebody was sent of a call that can still be signed is what lets them sign it.
    Kept.DELIVERIES: _Rows(
        deliveries,
        ("call_id", "person_id", "consent_digest"),
        and_(
            deliveries.c.at < _BEFORE,
            exists().where(_c.id == deliveries.c.call_id, _c.status.in_(_ENDED)),
        ),
    ),
    Kept.REMINDERS: _Rows(reminders, ("call_id", "revision", "kind"), reminders.c.done_at < _BEFORE),
    Kept.INVITES: _Rows(
        invites, ("code_hash",), or_(invites.c.used_at < _BEFORE, invites.c.expires_at < _BEFORE)
    ),
    Kept.RATES: _Rows(rate_hits, ("bucket", "at"), rate_hits.c.at < _BEFORE),
    # The newest one stays: the next one's number follows it.
    Kept.SIGNALS: _Rows(
        signals, ("seq",), and_(_s.at < _BEFORE, _s.seq < select(func.max(_s.seq)).scalar_subquery())
    ),
    Kept.DEAD_LETTERS: _Rows(
        dead_letters, ("webhook_id", "seq"), or_(_d.replayed_at < _BEFORE, _d.at < _BEFORE)
    ),
    Kept.ALARMS: _Rows(alarms, ("id",), alarms.c.cleared_at < _BEFORE),
    Kept.WORKERS: _Rows(workers, ("name",), workers.c.beat_at < _BEFORE),
}
_COUNT: Final = {what: rows.counted() for what, rows in _SPENT.items()}
_TAKE: Final = {what: rows.taken() for what, rows in _SPENT.items()}


def _calls_in(*statuses: Status) -> Statement:
    named = [status.value for status in statuses]
    return Statement(select(_c.id).where(_c.status.in_(named)).order_by(_c.id))


_WAITING: Final = _calls_in(Status.PROPOSED, Status.PENDING)
_RUNNING: Final = _calls_in(*sorted(EXECUTING))
_NOW: Final = arg("now_")
_STOP_INBOX: Final = Statement(
    update(inbox).where(inbox.c.done_at.is_(None)).values(done_at=_NOW, error=arg("why"))
)
_STOP_OUTBOX: Final = Statement(
    update(outbox).where(outbox.c.done_at.is_(None)).values(done_at=_NOW, error=arg("why"))
)
_STOP_DIALOGUES: Final = Statement(delete(dialogues))
_STOP_GRANTS: Final = Statement(
    update(grants).where(grants.c.revoked_at.is_(None), grants.c.expires_at > _NOW).values(revoked_at=_NOW)
)
_STOP_INVITES: Final = Statement(
    update(invites)
    .where(invites.c.used_at.is_(None), invites.c.expires_at > _NOW)
    .values(used_at=_NOW, used_by=arg("why"))
)
_STOP_WORKERS: Final = Statement(
    update(workers).where(workers.c.stopped_at.is_(None)).values(stopped_at=_NOW)
)
_SKIP: Final = Statement(
    update(webhooks)
    .where(webhooks.c.ended_at.is_(None))
    .values(
        cursor=select(
            func.coalesce(func.max(_s.seq) * STRIDE + STRIDE - 1, webhooks.c.cursor)
        ).scalar_subquery(),
        tries=arg("none"),
    )
)


class Keeping:
    """Implements `core.ports.Keeping`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def due(self, what: Kept, *, before: datetime) -> int:
        """How many of these are of no use any more since before then."""
        row = self._session.one(_COUNT[what], before=to_ms(before))
        return 0 if row is None else int(row[0])

    def forget(self, what: Kept, *, before: datetime, limit: int) -> int:
        """Takes away at most so many of them; how many there were."""
        return self._session.run(_TAKE[what], before=to_ms(before), most=limit)

    def waiting(self) -> Sequence[CallId]:
        """Every call that waits for a signature or a worker, oldest first."""
        return [CallId(row[0]) for row in self._session.all(_WAITING)]

    def running(self) -> Sequence[CallId]:
        """Every call that a worker holds, oldest first."""
        return [CallId(row[0]) for row in self._session.all(_RUNNING)]

    def stop(self, *, why: str, now: datetime) -> Stopped:
        """Takes everything out of the queues that would go on by itself."""
        at: dict[str, Any] = {"now_": to_ms(now)}
        self._session.run(_STOP_WORKERS, **at)
        self._session.run(_SKIP, none=0)
        return Stopped(
            updates=self._session.run(_STOP_INBOX, why=why, **at),
            messages=self._session.run(_STOP_OUTBOX, why=why, **at),
            questions=self._session.run(_STOP_DIALOGUES),
            grants=self._session.run(_STOP_GRANTS, **at),
            invites=self._session.run(_STOP_INVITES, why=why, **at),
        )
