"""History as a backtest reads it: every call of a tenant with the facts that it was judged by, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import orjson
from sqlalchemy import and_, func, select

from core.digest import Json
from core.errors import CorruptRecord
from core.ids import TenantId
from core.policy.backtest import Recorded
from storage.database import Address
from storage.looking import opened, snapshot
from storage.records.calls import from_row
from storage.schema import audit_events, conversations, tool_calls
from storage.statements import Row, Statement, arg

BATCH: Final = 1_000
_c, _e, _v = tool_calls.c, audit_events.c, conversations.c
_WIDTH: Final = len(tool_calls.columns)
_first = audit_events.alias("earliest")
_FIRST: Final = (
    select(func.min(_first.c.seq))
    .where(_first.c.call_id == _c.id, _first.c.tenant_id == _c.tenant_id)
    .scalar_subquery()
)
_CALLS: Final = Statement(
    select(tool_calls, _e.content, _v.chat, _v.private)
    .outerjoin_from(
        tool_calls, audit_events, and_(_e.tenant_id == _c.tenant_id, _e.call_id == _c.id, _e.seq == _FIRST)
    )
    .outerjoin(conversations, _v.id == _c.conversation_id)
    .where(_c.tenant_id == arg("tenant"), _c.id > arg("after"))
    .order_by(_c.id)
    .limit(arg("most"))
)
_COUNT: Final = Statement(select(func.count()).select_from(tool_calls).where(_c.tenant_id == arg("tenant")))


def how_many(database: Address, tenant_id: TenantId) -> int:
    """The number of a tenant's calls, for a progress bar. Raises ConfigError."""
    with opened(database) as link, snapshot(link) as session:
        found = session.one(_COUNT, tenant=tenant_id)
    return 0 if found is None else int(found[0])


def recorded(database: Address, tenant_id: TenantId, *, batch: int = BATCH) -> Iterator[Recorded]:
    """All calls of a tenant, oldest first, in batches. One that cannot be read is left out.

    Raises ConfigError where the database cannot be read.
    """
    after = ""
    with opened(database) as link:
        while True:
            with snapshot(link) as session:
                rows = session.all(_CALLS, tenant=tenant_id, after=after, most=batch)
            for row in rows:
                try:
                    yield _recorded(row)
                except (CorruptRecord, ValueError):
                    continue
            if len(rows) < batch:
                return
            after = rows[-1][0]


def _recorded(row: Row) -> Recorded:
    content, chat, private = row[_WIDTH:]
    return Recorded(
        call=from_row(row[:_WIDTH]), facts=_facts(content), chat=chat or "", private=bool(private)
    )


def _facts(content: str | None) -> Mapping[str, Json] | None:
    """The facts in the audit event of a proposal. None where it tells none: it is of an earlier version."""
    told = orjson.loads(content) if content else {}
    facts = told.get("facts") if isinstance(told, dict) else None
    return facts if isinstance(facts, dict) else None
