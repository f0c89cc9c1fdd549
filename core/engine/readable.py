"""Rows that cannot be read: set aside and recorded, so that the others go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from core.errors import CorruptRecord
from core.ids import CallId, PersonId, TenantId
from core.model import SYSTEM, Grant, ToolCall
from core.ports import Records


def readable(records: Records, call_id: CallId, *, now: datetime) -> ToolCall | None:
    """The call; None where it is not there, or cannot be read and was set aside."""
    try:
        return records.calls.get(call_id)
    except CorruptRecord as corrupt:
        set_aside(records, corrupt, now=now)
        return None


def live_grants(
    records: Records,
    tenant_id: TenantId,
    *,
    now: datetime,
    tool: str | None = None,
    requester: PersonId | None = None,
) -> Sequence[Grant]:
    """The valid grants. One that cannot be read lets nothing through, and is set aside."""
    while True:
        try:
            return records.grants.live(tenant_id, now=now, tool=tool, requester=requester)
        except CorruptRecord as corrupt:
            set_aside(records, corrupt, now=now)


@contextmanager
def skipping(records: Records, *, now: datetime) -> Iterator[None]:
    """Does what can be done of one of many: a row that cannot be read is set aside, and ends it."""
    try:
        yield
    except CorruptRecord as corrupt:
        set_aside(records, corrupt, now=now)


def set_aside(records: Records, corrupt: CorruptRecord, *, now: datetime) -> None:
    """Keeps workers away from a row, and says so in the audit, once."""
    if records.calls.set_aside(corrupt, now=now):
        records.audit.append(
            "record.corrupt",
            tenant_id=None,
            actor=SYSTEM.actor,
            content={"table": corrupt.table, "row": corrupt.row_id, "column": corrupt.column},
            now=now,
        )
