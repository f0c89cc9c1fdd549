"""Facts for other systems, written in the transaction that makes them true."""

from __future__ import annotations

from datetime import datetime

from core.lifecycle import EXECUTING, Status
from core.model import Run, SignalKind, ToolCall
from core.ports import Records
from core.signals import ended_kind


def emit(records: Records, kind: SignalKind, about: ToolCall | Run, now: datetime) -> None:
    """Puts one fact about a call or a run on its team's stream. One that is there already stays as it is."""
    records.signals.add(
        kind, tenant_id=about.tenant_id, account_id=about.account_id, subject=about.id, now=now
    )


def emit_end(records: Records, before: ToolCall, after: ToolCall, now: datetime) -> None:
    """Tells of the end of a call, if it was really attempted: what never ran has no signal."""
    if before.status in _ATTEMPTED and after.status in _ENDED:
        emit(records, ended_kind(after.status), after, now)


def emit_started(records: Records, call: ToolCall, now: datetime) -> None:
    """Tells that a call runs, while it does: once it has ended its end says so."""
    if call.status in EXECUTING:
        emit(records, SignalKind.TASK_STARTED, call, now)


_ATTEMPTED = EXECUTING | {Status.INTERRUPTED}
_ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.TIMED_OUT, Status.CANCELLED})
