"""How the bot is, in queries over small indexes: never over a table that history fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, literal_column, null, select, text

from core.ids import CallId, TenantId
from core.lifecycle import Status
from core.model.pulse import MOST_COUNTED, MOST_LISTED, Backlog, Carried, Doing
from storage.schema import attempts, dead_letters, inbox, outbox, outcomes, quarantine, tool_calls
from storage.statements import Row, Session, Statement, arg
from storage.times import from_ms, maybe_from_ms, to_ms

_c, _t, _o = tool_calls.c, attempts.c, outcomes.c


def _counted(found: Select[Any]) -> Statement:
    """The number of rows and the least of their only column, of no more than are worth counting."""
    some = found.limit(MOST_COUNTED).subquery()
    return Statement(select(func.count(), func.min(some.c.at)))


# Literals, in the very words of the partial indexes: SQLite takes one for nothing that is bound.
_WAITS: Final = _c.status.in_([literal_column("'proposed'"), literal_column("'pending'")])


def _waiting(status: str) -> Select[Any]:
    found = select(_c.created_at.label("at")).where(_WAITS, _c.status == literal_column(f"'{status}'"))
    return found.order_by(_c.id)


_WAITING: Final = {status: _counted(_waiting(status)) for status in (Status.PROPOSED, Status.PENDING)}
_WAITING_OF: Final = {
    status: _counted(_waiting(status).where(_c.tenant_id == arg("tenant"))) for status in _WAITING
}
_pending = (
    select(_c.tenant_id, _c.tool)
    .where(_WAITS, _c.status == literal_column(f"'{Status.PENDING}'"))
    .limit(MOST_COUNTED)
    .subquery()
)
_TOOLS: Final = Statement(
    select(_pending.c.tenant_id, _pending.c.tool, func.count())
    .group_by(_pending.c.tenant_id, _pending.c.tool)
    .order_by(_pending.c.tenant_id, _pending.c.tool)
)
_SIZE: Final = {
    "sqlite": Statement(text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")),
    "postgresql": Statement(text("SELECT pg_database_size(current_database())")),
}
_RUNNING: Final = Statement(
    select(_c.id, _c.short_id, _c.tenant_id, _c.tool, _t.started_at, _c.status, null(), _t.adapter.is_(None))
    .join_from(attempts, tool_calls, _t.call_id == _c.id)
    .where(_t.ended_at.is_(None))
    .order_by(_t.adapter.is_(None), _t.started_at)
    .limit(MOST_LISTED)
)
_live = (
    select(_c.id, _c.tenant_id, _c.tool, _t.adapter)
    .join_from(attempts, tool_calls, _t.call_id == _c.id)
    .where(_t.ended_at.is_(None))
    .order_by(_t.started_at, _c.id)
)
_CARRIED: Final = Statement(_live)
_CARRIED_OF: Final = Statement(_live.where(_t.tenant_id == arg("tenant")))
_WRONG: Final = Statement(
    select(_c.id, _c.short_id, _c.tenant_id, _c.tool, _o.completed_at, _o.status, _o.error_class)
    .join_from(outcomes, tool_calls, _o.call_id == _c.id)
    .where(_o.status.in_([literal_column("'failed'"), literal_column("'timed_out'")]))
    .where(_o.completed_at > arg("since"))
    .order_by(_o.completed_at)
    .limit(MOST_LISTED)
)
_OUTBOX: Final = _counted(select(outbox.c.created_at.label("at")).where(outbox.c.done_at.is_(None)))
_INBOX: Final = _counted(select(inbox.c.received_at.label("at")).where(inbox.c.done_at.is_(None)))
_dead = (
    select(dead_letters.c.tenant_id, dead_letters.c.at)
    .where(dead_letters.c.replayed_at.is_(None))
    .limit(MOST_COUNTED)
    .subquery()
)
_DEAD: Final = Statement(
    select(_dead.c.tenant_id, func.count(), func.min(_dead.c.at)).group_by(_dead.c.tenant_id)
)
_ASIDE: Final = _counted(select(quarantine.c.at.label("at")).where(quarantine.c.at > arg("since")))


class Pulse:
    """Implements `core.ports.Pulse`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def waiting(self, status: Status, *, tenant: TenantId | None = None) -> Backlog:
        """Calls in `proposed` or `pending`."""
        if tenant is None:
            return self._backlog(_WAITING[status])
        return self._backlog(_WAITING_OF[status], tenant=tenant)

    def pending_tools(self) -> Sequence[tuple[TenantId, str, int]]:
        """How many calls of a team wait for a worker, by tool."""
        return [(TenantId(row[0]), row[1], row[2]) for row in self._session.all(_TOOLS)]

    def running(self) -> Sequence[Doing]:
        """Calls with a live attempt: the one that has run longest first, those that wait for their next
        attempt last."""
        return [_doing(row) for row in self._session.all(_RUNNING)]

    def carried(self, *, tenant: TenantId | None) -> Sequence[Carried]:
        """Every call with a live attempt, however many there are, oldest first."""
        rows = (
            self._session.all(_CARRIED) if tenant is None else self._session.all(_CARRIED_OF, tenant=tenant)
        )
        return [
            Carried(call_id=CallId(row[0]), tenant_id=TenantId(row[1]), tool=row[2], adapter=row[3])
            for row in rows
        ]

    def went_wrong(self, *, since: datetime) -> Sequence[Doing]:
        """Calls that failed or timed out after `since`, oldest first."""
        return [_doing(row) for row in self._session.all(_WRONG, since=to_ms(since))]

    def outbox(self) -> Backlog:
        """Messages that wait to go out."""
        return self._backlog(_OUTBOX)

    def inbox(self) -> Backlog:
        """Updates that were received and not handled yet."""
        return self._backlog(_INBOX)

    def dead_letters(self) -> Mapping[TenantId, Backlog]:
        """Signals that webhooks did not take and nobody replayed, by team."""
        rows = self._session.all(_DEAD)
        return {TenantId(row[0]): Backlog(count=row[1], since=maybe_from_ms(row[2])) for row in rows}

    def size(self) -> int:
        """How large the database is, in bytes."""
        row = self._session.one(_SIZE[self._session.dialect])
        return 0 if row is None else int(row[0])

    def set_aside(self, *, since: datetime) -> Backlog:
        """Rows that could not be read and were set aside after `since`."""
        return self._backlog(_ASIDE, since=to_ms(since))

    def _backlog(self, statement: Statement, **values: object) -> Backlog:
        row = self._session.one(statement, **values)
        return Backlog() if row is None else Backlog(count=row[0], since=maybe_from_ms(row[1]))


def _doing(row: Row) -> Doing:
    return Doing(
        call_id=CallId(row[0]),
        short_id=row[1],
        tenant_id=TenantId(row[2]),
        tool=row[3],
        at=from_ms(row[4]),
        status=Status(row[5]),
        error_class=row[6],
        waits=bool(row[7]) if len(row) > 7 else False,
    )
