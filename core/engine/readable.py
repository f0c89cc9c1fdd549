"""Rows that cannot be read: set aside and recorded, so that the others go on."""

from __future__ import annotations

from datetime import datetime

from core.errors import CorruptRecord
from core.ids import CallId
from core.model import SYSTEM, ToolCall
from core.ports import Records


def readable(records: Records, call_id: CallId, *, now: datetime) -> ToolCall | None:
    """The call; None where it is not there, or cannot be read and was set aside."""
    try:
        return records.calls.get(call_id)
    except CorruptRecord as corrupt:
        set_aside(records, corrupt, now=now)
        return None


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
