"""What lists ask for and get: pages by key, so that a million calls cost what ten do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from core.audit import AuditEvent
from core.ids import AccountId, CallId, PersonId, TenantId
from core.lifecycle import Status
from core.model import Membership

MAX_LIMIT = 100
DEFAULT_LIMIT = 50


class HistoryFilter(Struct, frozen=True, kw_only=True):
    """What a history is narrowed to; None and empty do not narrow. `requester` also serves "my own calls"."""

    tenant_id: TenantId
    statuses: frozenset[Status] = frozenset()
    tool: str | None = None
    requester: PersonId | None = None
    since: datetime | None = None
    accounts: frozenset[AccountId] | None = None


class HistoryRow(Struct, frozen=True, kw_only=True):
    """One call in a list."""

    id: CallId
    short_id: str
    title: str
    tool: str
    status: Status
    requester_name: str
    decided_by: str  # names of those who voted on the last revision, "" where nobody did
    created_at: datetime
    set_aside: bool = False  # something stored of it cannot be read


class Page(Struct, frozen=True, kw_only=True):
    """Newest first. `newer` and `older` are the cursors to go on with, None at an end."""

    rows: Sequence[HistoryRow]
    newer: CallId | None
    older: CallId | None


class AuditPage(Struct, frozen=True, kw_only=True):
    """Events oldest first. `next_seq` goes on after the last one, None at the end."""

    events: Sequence[AuditEvent]
    next_seq: int | None


class Pages(Protocol):
    """Lists over committed state. `limit` is 1 to MAX_LIMIT, else Refusal `invalid_limit`."""

    async def history(
        self,
        narrowed: HistoryFilter,
        *,
        older_than: CallId | None = None,
        newer_than: CallId | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page:
        """A page of calls, newest first."""
        ...

    async def waiting_for(
        self,
        member: Membership,
        *,
        accounts: frozenset[AccountId] | None = None,
        newer_than: CallId | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Sequence[HistoryRow]:
        """Proposed calls that this member may decide, oldest first."""
        ...

    async def audit_of_call(
        self, call_id: CallId, *, after_seq: int = 0, limit: int = DEFAULT_LIMIT
    ) -> AuditPage:
        """The events of a call in order."""
        ...
