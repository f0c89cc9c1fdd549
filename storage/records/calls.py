"""Tool calls: rows, and the one conditional update."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import or_, select, update

from core.errors import CorruptRecord
from core.ids import AccountId, CallId, ConversationId, PersonId, TenantId
from core.lifecycle import Status
from core.model import Channel, PolicyDecision, Risk, Role, StartMode, ToolCall, Verdict
from storage.schema import quarantine
from storage.schema import tool_calls as table
from storage.statements import Row, Session, Statement, arg, insert_into, insert_once
from storage.times import from_ms, maybe_from_ms, to_ms

_c = table.c
_MUTABLE: Final = (
    "revision",
    "consent_digest",
    "definition_hash",
    "tool_version",
    "args_digest",
    "arguments",
    "title",
    "dry_run_pin",
    "status",
    "risk",
    "verdict",
    "expires_at",
    "start_by",
    "version",
    "attempts",
    "changed_at",
    "note",
)

_NOT_SET_ASIDE: Final = _c.id.not_in(select(quarantine.c.row_id).where(quarantine.c.source == table.name))

_INSERT: Final = insert_into(table)
_GET: Final = Statement(select(table).where(_c.id == arg("id_")))
_BY_KEY: Final = Statement(
    select(table).where(_c.tenant_id == arg("tenant"), _c.idempotency_key == arg("key"))
)
_BY_SHORT: Final = Statement(select(table).where(_c.tenant_id == arg("tenant"), _c.short_id == arg("short")))
_ADVANCE: Final = Statement(
    update(table)
    .where(_c.id == arg("b_id"), _c.status == arg("b_status"), _c.version == arg("b_version"))
    .values({name: arg(name) for name in _MUTABLE})
)
_WAITING: Final = Statement(
    select(_c.id)
    .where(
        _c.status == arg("status"),
        _c.status.in_(["proposed", "pending"]),
        _c.start_mode == "auto",
        _NOT_SET_ASIDE,
    )
    .order_by(_c.id)
    .limit(arg("most"))
)
_DUE: Final = Statement(
    select(_c.id)
    .where(
        _c.status.in_(["proposed", "pending"]),
        _NOT_SET_ASIDE,
        or_(
            (_c.status == "proposed") & (_c.expires_at <= arg("now_")),
            (_c.status == "pending") & (_c.start_by <= arg("now_")),
        ),
    )
    .limit(arg("most"))
)
_SET_ASIDE: Final = insert_once(quarantine)
_UNDO_OF: Final = Statement(
    select(table).where(
        _c.undo_of == arg("of"), _c.status.not_in(["denied", "expired", "cancelled", "failed"])
    )
)


class Calls:
    """Implements `core.ports.Calls`."""

    def __init__(self, session: Session, touch: Callable[[str], None]) -> None:
        self._session = session
        self._touch = touch

    def insert(self, call: ToolCall) -> None:
        """Adds a new call."""
        self._session.run(_INSERT, **to_row(call))
        if call.status is Status.PENDING:
            self._touch("pending")

    def get(self, call_id: CallId) -> ToolCall | None:
        """The call of this id. Raises CorruptRecord."""
        return _read(self._session.one(_GET, id_=call_id))

    def by_key(self, tenant_id: TenantId, key: str) -> ToolCall | None:
        """The call proposed under this idempotency key. Raises CorruptRecord."""
        return _read(self._session.one(_BY_KEY, tenant=tenant_id, key=key))

    def by_short_id(self, tenant_id: TenantId, short_id: str) -> ToolCall | None:
        """The call people name so. Raises CorruptRecord."""
        return _read(self._session.one(_BY_SHORT, tenant=tenant_id, short=short_id))

    def advance(self, before: ToolCall, after: ToolCall) -> bool:
        """Writes `after` if the row still has `before`'s status and version."""
        row = to_row(after)
        changed = self._session.run(
            _ADVANCE,
            b_id=before.id,
            b_status=before.status.value,
            b_version=before.version,
            **{name: row[name] for name in _MUTABLE},
        )
        if changed and after.status is Status.PENDING:
            self._touch("pending")
        return changed == 1

    def waiting(self, status: Status, *, limit: int) -> Sequence[CallId]:
        """Calls started by workers that are in `status`, oldest first."""
        return [CallId(row[0]) for row in self._session.all(_WAITING, status=status.value, most=limit)]

    def due(self, now: datetime, *, limit: int) -> Sequence[CallId]:
        """Proposed calls past `expires_at` and pending ones past `start_by`."""
        return [CallId(row[0]) for row in self._session.all(_DUE, now_=to_ms(now), most=limit)]

    def undo_of(self, call_id: CallId) -> ToolCall | None:
        """The undo of this call that is alive or completed, if any. Raises CorruptRecord."""
        return _read(self._session.one(_UNDO_OF, of=call_id))

    def set_aside(self, corrupt: CorruptRecord, *, now: datetime) -> bool:
        """Keeps workers away from a row that cannot be read. False where it was set aside before."""
        changed = self._session.run(
            _SET_ASIDE,
            source=corrupt.table,
            row_id=corrupt.row_id,
            column_name=corrupt.column,
            at=to_ms(now),
        )
        return changed == 1


def to_row(call: ToolCall) -> dict[str, Any]:
    """The stored form of a call, by column name."""
    row: dict[str, Any] = {name: getattr(call, name) for name in ToolCall.__slots__}
    row.update(
        channel=call.channel.value,
        arguments=json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":")),
        status=call.status.value,
        risk=call.risk.value,
        verdict=json.dumps(asdict(call.verdict), ensure_ascii=False, separators=(",", ":")),
        start_mode=call.start_mode.value,
        created_at=to_ms(call.created_at),
        expires_at=to_ms(call.expires_at),
        start_by=to_ms(call.start_by),
        changed_at=to_ms(call.changed_at),
    )
    return row


_NAMES: Final = tuple(column.name for column in table.columns)


def from_row(row: Row) -> ToolCall:
    """The call of a whole stored row. Raises CorruptRecord naming the column that cannot be read."""
    values = dict(zip(_NAMES, row, strict=True))
    return ToolCall(
        id=CallId(values["id"]),
        short_id=values["short_id"],
        tenant_id=TenantId(values["tenant_id"]),
        account_id=AccountId(values["account_id"]),
        conversation_id=ConversationId(values["conversation_id"]),
        requester_id=PersonId(values["requester_id"]),
        requester_name=values["requester_name"],
        channel=Channel(values["channel"]),
        tool=values["tool"],
        tool_version=values["tool_version"],
        definition_hash=values["definition_hash"],
        arguments=_object(values, "arguments"),
        args_digest=values["args_digest"],
        title=values["title"],
        dry_run_pin=values["dry_run_pin"],
        revision=values["revision"],
        consent_digest=values["consent_digest"],
        status=Status(values["status"]),
        risk=Risk(values["risk"]),
        verdict=_verdict(values),
        idempotency_key=values["idempotency_key"],
        start_mode=StartMode(values["start_mode"]),
        created_at=from_ms(values["created_at"]),
        expires_at=maybe_from_ms(values["expires_at"]),
        start_by=maybe_from_ms(values["start_by"]),
        version=values["version"],
        attempts=values["attempts"],
        changed_at=from_ms(values["changed_at"]),
        note=values["note"],
        retry_of=values["retry_of"],
        undo_of=values["undo_of"],
        source_message=values["source_message"],
    )


def _read(row: Row | None) -> ToolCall | None:
    return None if row is None else from_row(row)


def _object(values: dict[str, Any], column: str) -> dict[str, Any]:
    try:
        read = json.loads(values[column])
    except (TypeError, ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise CorruptRecord(table.name, values["id"], column)
    return read


def _verdict(values: dict[str, Any]) -> Verdict:
    stored = _object(values, "verdict")
    try:
        return Verdict(
            **{
                **stored,
                "decision": PolicyDecision(stored["decision"]),
                "approvers": Role(stored["approvers"]),
                "named": tuple(stored["named"]),
            }
        )
    except (KeyError, TypeError, ValueError):
        raise CorruptRecord(table.name, values["id"], "verdict") from None
