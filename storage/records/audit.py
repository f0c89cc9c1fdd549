"""The audit chain's rows. The chain's head is read once a transaction and written once before its commit."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select, update

from core.audit import GENESIS, AuditEvent, chained
from core.digest import Json, canonical
from core.ids import SYSTEM_TENANT, AccountId, CallId, TenantId
from core.ports import ChainHead
from storage.schema import audit_events, audit_heads
from storage.statements import Row, Session, Statement, arg, insert_into, insert_once
from storage.times import to_ms

_APPEND: Final = insert_into(audit_events)
_HEAD: Final = Statement(
    select(audit_heads.c.seq, audit_heads.c.hash).where(audit_heads.c.tenant_id == arg("tenant"))
)
_NEW_HEAD: Final = insert_once(audit_heads)
_SET_HEAD: Final = Statement(
    update(audit_heads)
    .where(audit_heads.c.tenant_id == arg("tenant"))
    .values(seq=arg("new_seq"), hash=arg("new_hash"))
)
_OF_CALL: Final = Statement(
    select(audit_events).where(audit_events.c.call_id == arg("call")).order_by(audit_events.c.seq)
)
_AFTER: Final = Statement(
    select(audit_events)
    .where(audit_events.c.tenant_id == arg("tenant"), audit_events.c.seq > arg("after"))
    .order_by(audit_events.c.seq)
    .limit(arg("most"))
)

_HEADS: Final = Statement(
    select(
        audit_heads.c.tenant_id, audit_heads.c.seq, audit_heads.c.hash, audit_heads.c.mirrored_seq
    ).order_by(audit_heads.c.tenant_id)
)
_MIRRORED: Final = Statement(
    update(audit_heads)
    .where(audit_heads.c.tenant_id == arg("tenant"), audit_heads.c.mirrored_seq < arg("new_seq"))
    .values(mirrored_seq=arg("new_seq"))
)

_COLUMNS: Final = tuple(column.name for column in audit_events.columns)
Head = tuple[int, str]


class Audit:
    """Implements `core.ports.Audit` within one transaction of the writer."""

    def __init__(self, session: Session, touch: Callable[[str], None]) -> None:
        self._session = session
        self._touch = touch
        self._heads: dict[TenantId, Head] = {}
        self._written: dict[TenantId, Head] = {}

    def append(
        self,
        kind: str,
        *,
        tenant_id: TenantId | None,
        account_id: AccountId | None = None,
        actor: str,
        call_id: CallId | None = None,
        content: Mapping[str, Json],
        now: datetime,
    ) -> None:
        """Adds an event to the tenant's chain, or to the `_system` chain."""
        tenant = tenant_id or SYSTEM_TENANT
        last, prev_hash = self._head(tenant)
        event = chained(
            tenant_id=tenant,
            seq=last + 1,
            prev_hash=prev_hash,
            salt=os.urandom(8).hex(),
            account_id=account_id,
            at_ms=to_ms(now),
            kind=kind,
            actor=actor,
            call_id=call_id,
            content=canonical(content).decode(),
        )
        self._session.do(_APPEND, **dict(zip(_COLUMNS, event, strict=True)))
        self._heads[tenant] = (event.seq, event.hash)
        self._touch("audit")

    def checkpoint(self) -> dict[TenantId, Head]:
        """The heads as they are now, to go back to when a unit is rolled back."""
        return dict(self._heads)

    def restore(self, heads: dict[TenantId, Head]) -> None:
        """Forgets what a rolled-back unit appended."""
        self._heads = heads

    def flush(self) -> None:
        """Writes the heads that changed. Called once, before the commit."""
        for tenant, head in self._heads.items():
            if self._written[tenant] != head:
                self._session.do(_SET_HEAD, tenant=tenant, new_seq=head[0], new_hash=head[1])

    def head(self, tenant_id: TenantId) -> Head:
        """The number and hash of the tenant's newest event; (0, GENESIS) before the first."""
        row = self._session.one(_HEAD, tenant=tenant_id)
        return (0, GENESIS) if row is None else (row[0], row[1])

    def of_call(self, call_id: CallId) -> Sequence[AuditEvent]:
        """All events of a call in order."""
        return [event_from_row(row) for row in self._session.all(_OF_CALL, call=call_id)]

    def after(self, tenant_id: TenantId, seq: int, *, limit: int) -> Sequence[AuditEvent]:
        """The events that follow number `seq`, in order."""
        rows = self._session.all(_AFTER, tenant=tenant_id, after=seq, most=limit)
        return [event_from_row(row) for row in rows]

    def heads(self) -> Sequence[ChainHead]:
        """Where every chain ends and how far its mirror is, by tenant."""
        return [
            ChainHead(tenant_id=TenantId(row[0]), seq=row[1], hash=row[2], mirrored_seq=row[3])
            for row in self._session.all(_HEADS)
        ]

    def mirrored(self, tenant_id: TenantId, seq: int) -> None:
        """Notes that the mirror durably holds everything up to event `seq`. The cursor never goes back."""
        self._session.run(_MIRRORED, tenant=tenant_id, new_seq=seq)

    def _head(self, tenant: TenantId) -> Head:
        known = self._heads.get(tenant)
        if known is None:
            row = self._session.one(_HEAD, tenant=tenant)
            if row is None:
                self._session.do(_NEW_HEAD, tenant_id=tenant, seq=0, hash=GENESIS, mirrored_seq=0)
                row = (0, GENESIS)
            known = self._heads[tenant] = self._written[tenant] = (row[0], row[1])
        return known


def event_from_row(row: Row) -> AuditEvent:
    """The event of a whole stored row, whose columns stand in its order."""
    return AuditEvent._make(row)
