"""Tool calls: rows, and the one conditional update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import orjson
from msgspec.structs import asdict
from sqlalchemy import or_, select, update

from core.errors import CorruptRecord
from core.ids import CallId, TenantId
from core.lifecycle import Status
from core.model import Channel, PolicyDecision, Risk, Role, StartMode, ToolCall, Verdict
from core.ports import Waiting
from storage.schema import quarantine, tenants
from storage.schema import tool_calls as table
from storage.statements import Row, Session, Statement, arg, insert_into, insert_once
from storage.times import from_ms, maybe_from_ms, to_ms

_c = table.c
_ASKED: Final = (
    "revision",
    "consent_digest",
    "definition_hash",
    "tool_version",
    "args_digest",
    "arguments",
    "title",
    "dry_run_pin",
    "risk",
    "verdict",
)
"""What changes only when people are asked anew."""
_asked: Final = attrgetter(*_ASKED)
_MOVED: Final = (
    "status",
    "start_mode",
    "expires_at",
    "start_by",
    "version",
    "attempts",
    "changed_at",
    "note",
)
"""What changes as a call goes on."""

_NOT_SET_ASIDE: Final = _c.id.not_in(select(quarantine.c.row_id).where(quarantine.c.source == table.name))

_INSERT: Final = insert_into(table)
_GET: Final = Statement(select(table).where(_c.id == arg("id_")))
_BY_KEY: Final = Statement(
    select(_c.id).where(_c.tenant_id == arg("tenant"), _c.idempotency_key == arg("key"))
)
_BY_SHORT: Final = Statement(select(_c.id).where(_c.tenant_id == arg("tenant"), _c.short_id == arg("short")))
_advance = update(table).where(
    _c.id == arg("b_id"), _c.status == arg("b_status"), _c.version == arg("b_version")
)
_ADVANCE: Final = Statement(_advance.values({name: arg(name) for name in _MOVED}))
_ASK_ANEW: Final = Statement(_advance.values({name: arg(name) for name in (*_ASKED, *_MOVED)}))
_FOR_WORKERS: Final = (
    _c.status == arg("status"),
    _c.status.in_(["proposed", "pending"]),
    _c.start_mode == "auto",
    _NOT_SET_ASIDE,
    _c.tenant_id.not_in(select(tenants.c.id).where(tenants.c.active.is_(False))),
)
_WAITING: Final = Statement(select(_c.id).where(*_FOR_WORKERS).order_by(_c.id).limit(arg("most")))
_TO_START: Final = Statement(
    select(_c.id, _c.tenant_id, _c.requester_id, _c.tool)
    .where(
        *_FOR_WORKERS,
        _c.id > arg("after"),
    )
    .order_by(_c.id)
    .limit(arg("most"))
)
_PLACE: Final = Statement(select(_c.id, _c.tenant_id, _c.requester_id, _c.tool).where(_c.id == arg("id_")))
_PENDING: Final = Statement(
    select(_c.id, _c.tenant_id, _c.tool)
    .where(
        _c.status == "pending",
        _c.status.in_(["proposed", "pending"]),
        _c.id > arg("after_id"),
        _NOT_SET_ASIDE,
    )
    .order_by(_c.id)
    .limit(arg("most"))
)
_ASKED_OF: Final = Statement(
    select(_c.id)
    .where(_c.tenant_id == arg("tenant"), _c.status == "proposed", _NOT_SET_ASIDE)
    .order_by(_c.id.desc())
    .limit(arg("most"))
)
_DUE: Final = Statement(
    select(_c.id)
    .where(
        _c.status.in_(["proposed", "pending"]),
        _NOT_SET_ASIDE,
        or_(
            (_c.status == "proposed") & (_c.expires_at <= arg("now_")),
            # A step that waits for another one cannot be started yet, so its time does not run.
            (_c.status == "pending") & (_c.start_mode != "after") & (_c.start_by <= arg("now_")),
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

    def __init__(self, session: Session, touch: Callable[[str, Waiting], None]) -> None:
        self._session = session
        self._touch = touch

    def insert(self, call: ToolCall) -> None:
        """Adds a new call."""
        self._session.do(_INSERT, **to_row(call))
        self._offer(call)

    def get(self, call_id: CallId) -> ToolCall | None:
        """The call of this id. Raises CorruptRecord."""
        return _read(self._session.one(_GET, id_=call_id))

    def by_key(self, tenant_id: TenantId, key: str) -> ToolCall | None:
        """The call proposed under this idempotency key. Raises CorruptRecord."""
        return self._named(self._session.one(_BY_KEY, tenant=tenant_id, key=key))

    def by_short_id(self, tenant_id: TenantId, short_id: str) -> ToolCall | None:
        """The call people name so. Raises CorruptRecord."""
        return self._named(self._session.one(_BY_SHORT, tenant=tenant_id, short=short_id))

    def _named(self, row: Row | None) -> ToolCall | None:
        # Mostly there is none: a new call asks whether its names are free, and a whole row costs its width.
        return None if row is None else self.get(row[0])

    def advance(self, before: ToolCall, after: ToolCall) -> bool:
        """Writes `after` if the row still has `before`'s status and version."""
        anew = _asked(before) != _asked(after)
        moved = {
            "status": after.status.value,
            "start_mode": after.start_mode.value,
            "expires_at": to_ms(after.expires_at),
            "start_by": to_ms(after.start_by),
            "version": after.version,
            "attempts": after.attempts,
            "changed_at": to_ms(after.changed_at),
            "note": after.note,
        }
        if anew:
            row = to_row(after)
            moved.update((name, row[name]) for name in _ASKED)
        changed = self._session.run(
            _ASK_ANEW if anew else _ADVANCE,
            b_id=before.id,
            b_status=before.status.value,
            b_version=before.version,
            **moved,
        )
        if changed:
            self._offer(after)
        return changed == 1

    def _offer(self, call: ToolCall) -> None:
        """Tells the workers of a call that is for them to start."""
        if call.status is Status.PENDING and call.start_mode is StartMode.AUTO:
            self._touch("pending", Waiting(call.id, call.tenant_id, call.requester_id, call.tool))

    def waiting(self, status: Status, *, limit: int) -> Sequence[CallId]:
        """Calls started by workers that are in `status`, oldest first; none of a team that is off."""
        return [CallId(row[0]) for row in self._session.all(_WAITING, status=status.value, most=limit)]

    def to_start(self, *, after: CallId | None, limit: int) -> Sequence[Waiting]:
        """Calls that wait for a worker, oldest first, beginning after one."""
        rows = self._session.all(_TO_START, status=Status.PENDING.value, after=after or "", most=limit)
        return [Waiting(*row) for row in rows]

    def place(self, call_id: CallId) -> Waiting | None:
        """Where this call would wait, whatever its status."""
        row = self._session.one(_PLACE, id_=call_id)
        return None if row is None else Waiting(*row)

    def pending(self, *, after: CallId | None, limit: int) -> Sequence[tuple[CallId, TenantId, str]]:
        """All calls in `pending` with their team and tool, oldest first, beginning after one."""
        rows = self._session.all(_PENDING, after_id=after or "", most=limit)
        return [(CallId(row[0]), TenantId(row[1]), row[2]) for row in rows]

    def asked(self, tenant_id: TenantId, *, limit: int) -> Sequence[CallId]:
        """The tenant's calls that wait for a signature, newest first."""
        return [CallId(row[0]) for row in self._session.all(_ASKED_OF, tenant=tenant_id, most=limit)]

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
    row = asdict(call)
    row.update(
        channel=call.channel.value,
        arguments=orjson.dumps(call.arguments).decode(),
        status=call.status.value,
        risk=call.risk.value,
        verdict=_verdict_text(call.verdict),
        start_mode=call.start_mode.value,
        created_at=to_ms(call.created_at),
        expires_at=to_ms(call.expires_at),
        start_by=to_ms(call.start_by),
        changed_at=to_ms(call.changed_at),
    )
    return row


def from_row(row: Row) -> ToolCall:
    """The call of a whole stored row. Raises CorruptRecord naming the column that cannot be read."""
    # Column by column in their order: every step of a call reads it, and a dict in between costs as much.
    (
        call_id,
        named,
        tenant,
        account,
        conversation,
        requester,
        requester_name,
        channel,
        tool,
        tool_version,
        definition_hash,
        arguments,
        digest,
        title,
        pin,
        revision,
        consent,
        status,
        risk,
        verdict,
        key,
        start_mode,
        created_at,
        expires_at,
        start_by,
        version,
        attempts,
        changed_at,
        note,
        retry_of,
        undo_of,
        source_message,
        run_id,
        step,
    ) = row
    return ToolCall(
        id=call_id,
        short_id=named,
        tenant_id=tenant,
        account_id=account,
        conversation_id=conversation,
        requester_id=requester,
        requester_name=requester_name,
        channel=Channel(channel),
        tool=tool,
        tool_version=tool_version,
        definition_hash=definition_hash,
        arguments=_object(arguments, call_id, "arguments"),
        args_digest=digest,
        title=title,
        dry_run_pin=pin,
        revision=revision,
        consent_digest=consent,
        status=Status(status),
        risk=Risk(risk),
        verdict=_verdict(verdict, call_id),
        idempotency_key=key,
        start_mode=StartMode(start_mode),
        created_at=from_ms(created_at),
        expires_at=maybe_from_ms(expires_at),
        start_by=maybe_from_ms(start_by),
        version=version,
        attempts=attempts,
        changed_at=from_ms(changed_at),
        note=note,
        retry_of=retry_of,
        undo_of=undo_of,
        source_message=source_message,
        run_id=run_id,
        step=step,
    )


def _read(row: Row | None) -> ToolCall | None:
    return None if row is None else from_row(row)


def _object(text: str, row_id: str, column: str) -> dict[str, Any]:
    try:
        read = orjson.loads(text)
    except (TypeError, ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise CorruptRecord(table.name, row_id, column)
    return read


@lru_cache(maxsize=1024)
def _verdict_text(verdict: Verdict) -> str:
    return orjson.dumps(asdict(verdict)).decode()


def _verdict(text: str, row_id: str) -> Verdict:
    """Few verdicts are different, so each text is read once. Raises CorruptRecord."""
    try:
        return _read_verdict(text)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise CorruptRecord(table.name, row_id, "verdict") from None


@lru_cache(maxsize=1024)
def _read_verdict(text: str) -> Verdict:
    stored = orjson.loads(text)
    return Verdict(
        **{
            **stored,
            "decision": PolicyDecision(stored["decision"]),
            "approvers": Role(stored["approvers"]),
            "named": tuple(stored["named"]),
            "escalate_to": Role(stored["escalate_to"]) if stored.get("escalate_to") else None,
        }
    )
