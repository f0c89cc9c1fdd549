"""Runs and their steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import asdict
from sqlalchemy import select

from core.errors import CorruptRecord
from core.ids import CallId, RunId, TenantId
from core.json_text import read_json
from core.model import OnFailure, Run, ToolCall
from storage.records.calls import from_row
from storage.schema import runs, tool_calls
from storage.statements import Row, Session, Statement, arg, insert_into
from storage.times import from_ms, to_ms

_r = runs.c
_ADD: Final = insert_into(runs)
_GET: Final = Statement(select(runs).where(_r.id == arg("id_")))
_BY_SHORT: Final = Statement(select(runs).where(_r.tenant_id == arg("tenant"), _r.short_id == arg("short")))
_CALLS: Final = Statement(
    select(tool_calls).where(tool_calls.c.run_id == arg("run")).order_by(tool_calls.c.step)
)
_STEPS: Final = Statement(
    select(tool_calls.c.id).where(tool_calls.c.run_id == arg("run")).order_by(tool_calls.c.step)
)


class Runs:
    """Implements `core.ports.Runs`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, run: Run) -> None:
        """Adds a run."""
        row = asdict(run)
        needs = {str(step): list(before) for step, before in run.needs.items()}
        row.update(
            needs=json.dumps(needs, separators=(",", ":")),
            on_failure=run.on_failure.value,
            created_at=to_ms(run.created_at),
        )
        self._session.do(_ADD, **row)

    def get(self, run_id: RunId) -> Run | None:
        """The run of this id. Raises CorruptRecord."""
        return _maybe(self._session.one(_GET, id_=run_id))

    def by_short_id(self, tenant_id: TenantId, short_id: str) -> Run | None:
        """The run people name so. Raises CorruptRecord."""
        return _maybe(self._session.one(_BY_SHORT, tenant=tenant_id, short=short_id))

    def calls(self, run_id: RunId) -> Sequence[ToolCall]:
        """Its calls by step. Raises CorruptRecord."""
        return [from_row(row) for row in self._session.all(_CALLS, run=run_id)]

    def steps(self, run_id: RunId) -> Sequence[CallId]:
        """The ids of its calls by step."""
        return [CallId(row[0]) for row in self._session.all(_STEPS, run=run_id)]


def _maybe(row: Row | None) -> Run | None:
    if row is None:
        return None
    values: dict[str, Any] = dict(zip(Run.__struct_fields__, row, strict=True))
    try:
        stored = read_json(values["needs"])
        needs = {int(step): tuple(int(one) for one in before) for step, before in stored.items()}
    except (TypeError, ValueError, AttributeError):
        raise CorruptRecord(runs.name, values["id"], "needs") from None
    values.update(
        needs=needs, on_failure=OnFailure(values["on_failure"]), created_at=from_ms(values["created_at"])
    )
    return Run(**values)
