"""Lists over committed state: pages by key, each statement served by an index, nothing ever counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, select, union_all
from sqlalchemy.engine import Row
from sqlalchemy.exc import DBAPIError

from core.errors import Code, CorruptRecord, InvalidInput, StorageUnavailable
from core.ids import AccountId, CallId, TenantId
from core.lifecycle import Status
from core.model import Membership, PolicyDecision
from core.policy.evaluate import eligible
from core.queries import DEFAULT_LIMIT, MAX_LIMIT, AuditPage, HistoryFilter, HistoryRow, Page
from storage.records.audit import event_from_row
from storage.records.calls import from_row
from storage.schema import approvals, audit_events, outcomes, quarantine, tool_calls
from storage.times import from_ms, to_ms

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_c = tool_calls.c
_a = approvals.c
_LISTED: Final = (
    _c.id,
    _c.short_id,
    _c.title,
    _c.tool,
    _c.status,
    _c.requester_name,
    _c.revision,
    _c.created_at,
    exists()
    .where(quarantine.c.source.in_([tool_calls.name, outcomes.name]), quarantine.c.row_id == _c.id)
    .label("set_aside"),
)
_BATCH: Final = 200
_JITTER_MS: Final = 60_000
"""Ids and `created_at` come from clock readings of their own: their order may differ by so much."""

_Key = Row[*tuple[Any, ...]]


class SqlPages:
    """Implements `core.queries.Pages`. Each raises StorageUnavailable where the database cannot be read.

    The order is that of call ids, which is by time. A page costs what its rows cost, whatever the size of
    the history; only where several filters are combined are rows read that fit one and not the others.
    """

    def __init__(self, engine: Callable[[], AsyncEngine]) -> None:
        self._engine = engine

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine().connect() as connection:
                yield connection
        except DBAPIError as error:
            raise StorageUnavailable(f"The database cannot be read ({error.orig}).") from error

    async def history(
        self,
        narrowed: HistoryFilter,
        *,
        older_than: CallId | None = None,
        newer_than: CallId | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page:
        """A page of calls, newest first: those next older or next newer than a cursor, or the newest ones.

        A page without rows has no cursors. Raises InvalidInput for a limit out of range, or both cursors.
        """
        _check_limit(limit)
        if older_than is not None and newer_than is not None:
            raise InvalidInput(
                field="newer_than", given=newer_than, allowed="give either older_than or newer_than"
            )
        async with self._connected() as connection:
            if newer_than is None:
                found = await _older(connection, narrowed, older_than, limit + 1)
                rows, more_older = found[:limit], len(found) > limit
                more_newer = bool(rows and older_than and await _newer(connection, narrowed, rows[0].id, 1))
            else:
                found = await _newer(connection, narrowed, newer_than, limit + 1)
                rows, more_newer = found[:limit][::-1], len(found) > limit
                more_older = bool(rows and await _older(connection, narrowed, rows[-1].id, 1))
            listed = await _listed(connection, rows)
        return Page(
            rows=listed,
            newer=listed[0].id if more_newer else None,
            older=listed[-1].id if more_older else None,
        )

    async def waiting_for(
        self,
        member: Membership,
        *,
        accounts: frozenset[AccountId] | None = None,
        newer_than: CallId | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Sequence[HistoryRow]:
        """Proposed calls of the member's tenant (or of these accounts of it) that this member may decide,
        oldest first; those next newer than a cursor, or the oldest ones.

        A call that cannot be read is left out: nobody may decide it. Raises InvalidInput for a
        limit out of range.
        """
        _check_limit(limit)
        found: list[_Key] = []
        after = newer_than or ""
        async with self._connected() as connection:
            while len(found) < limit:
                rows = (await connection.execute(_proposed(member.tenant_id, accounts, after))).all()
                found += [row for row in rows if _may_decide(row, member)]
                if len(rows) < _BATCH:
                    break
                after = rows[-1].id
            return await _listed(connection, found[:limit])

    async def audit_of_call(
        self, call_id: CallId, *, after_seq: int = 0, limit: int = DEFAULT_LIMIT
    ) -> AuditPage:
        """The events of a call in order. Raises InvalidInput for a limit out of range."""
        _check_limit(limit)
        statement = (
            select(audit_events)
            .where(audit_events.c.call_id == call_id, audit_events.c.seq > after_seq)
            .order_by(audit_events.c.seq)
            .limit(limit + 1)
        )
        async with self._connected() as connection:
            rows = (await connection.execute(statement)).all()
        events = [event_from_row(row) for row in rows[:limit]]
        return AuditPage(events=events, next_seq=events[-1].seq if len(rows) > limit else None)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(
            field="limit",
            given=str(limit),
            allowed=f"a whole number from 1 to {MAX_LIMIT}",
            code=Code.INVALID_LIMIT,
        )


async def _older(
    connection: AsyncConnection, narrowed: HistoryFilter, before: CallId | None, count: int
) -> list[_Key]:
    """The `count` next older calls, newest first.

    `since` ends the walk instead of narrowing the statement, which keeps to the order of ids: a statement
    that looked for old times among new ids would read the whole history to find none.
    """
    since = None if narrowed.since is None else to_ms(narrowed.since)
    found: list[_Key] = []
    while len(found) < count:
        bound = None if before is None else _c.id < before
        rows = (await connection.execute(_walk(narrowed, bound, count, newest_first=True))).all()
        for row in rows:
            if since is not None and row.created_at < since - _JITTER_MS:
                return found
            if since is None or row.created_at >= since:
                found.append(row)
        if len(rows) < count:
            break
        before = rows[-1].id
    return found[:count]


async def _newer(
    connection: AsyncConnection, narrowed: HistoryFilter, after: CallId, count: int
) -> list[_Key]:
    """The `count` next newer calls, oldest first."""
    bound = _c.id > after
    if narrowed.since is not None:
        bound = and_(bound, _c.created_at >= to_ms(narrowed.since))
    return list((await connection.execute(_walk(narrowed, bound, count, newest_first=False))).all())


def _walk(
    narrowed: HistoryFilter, bound: ColumnElement[bool] | None, count: int, *, newest_first: bool
) -> Select[Any]:
    """The statement of one step. Several statuses are walked each on its own: an index has them apart."""
    statuses: list[Status | None] = [*sorted(narrowed.statuses)]
    parts = [
        _one_walk(narrowed, status, bound, count, newest_first=newest_first) for status in statuses or [None]
    ]
    if len(parts) == 1:
        return parts[0]
    merged = union_all(*(select(part.subquery()) for part in parts)).subquery()
    order = merged.c.id.desc() if newest_first else merged.c.id
    return select(merged).order_by(order).limit(count)


def _one_walk(
    narrowed: HistoryFilter,
    status: Status | None,
    bound: ColumnElement[bool] | None,
    count: int,
    *,
    newest_first: bool,
) -> Select[Any]:
    statement = select(_c.id, _c.created_at).where(_c.tenant_id == narrowed.tenant_id)
    if status is not None:
        statement = statement.where(_c.status == status.value)
    if narrowed.tool is not None:
        statement = statement.where(_c.tool == narrowed.tool)
    if narrowed.requester is not None:
        statement = statement.where(_c.requester_id == narrowed.requester)
    if narrowed.accounts is not None:
        statement = statement.where(_c.account_id.in_(sorted(narrowed.accounts)))
    if bound is not None:
        statement = statement.where(bound)
    return statement.order_by(_c.id.desc() if newest_first else _c.id).limit(count)


def _proposed(tenant_id: TenantId, accounts: frozenset[AccountId] | None, after: str) -> Select[Any]:
    statement = (
        select(tool_calls)
        .where(_c.tenant_id == tenant_id, _c.status == Status.PROPOSED.value, _c.id > after)
        .order_by(_c.id)
        .limit(_BATCH)
    )
    return statement if accounts is None else statement.where(_c.account_id.in_(sorted(accounts)))


def _may_decide(row: _Key, member: Membership) -> bool:
    try:
        call = from_row(row)
    except CorruptRecord:
        return False
    return call.verdict.decision is PolicyDecision.REQUIRES_APPROVAL and eligible(
        call.verdict, requester=call.requester_id, person=member.person_id, role=member.role
    )


async def _listed(connection: AsyncConnection, rows: Sequence[_Key]) -> list[HistoryRow]:
    """What is shown of these calls, in their order, with who voted on the last revision."""
    if not rows:
        return []
    voted = and_(_a.call_id == _c.id, _a.revision == _c.revision)
    statement = (
        select(*_LISTED, _a.person_name)
        .outerjoin_from(tool_calls, approvals, voted)
        .where(_c.id.in_([row.id for row in rows]))
        .order_by(_a.at)
    )
    calls: dict[str, _Key] = {}
    names: dict[str, list[str]] = {}
    for row in (await connection.execute(statement)).all():
        calls[row.id] = row
        if row.person_name is not None:
            names.setdefault(row.id, []).append(row.person_name)
    return [_row(calls[row.id], names.get(row.id, [])) for row in rows if row.id in calls]


def _row(call: _Key, names: Sequence[str]) -> HistoryRow:
    return HistoryRow(
        id=CallId(call.id),
        short_id=call.short_id,
        title=call.title,
        tool=call.tool,
        status=Status(call.status),
        requester_name=call.requester_name,
        decided_by=", ".join(names),
        created_at=from_ms(call.created_at),
        set_aside=bool(call.set_aside),
    )
