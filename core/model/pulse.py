"""How the bot is, in numbers: what waits, and what runs or went wrong lately."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Struct

from core.ids import CallId, TenantId
from core.lifecycle import Status

MOST_COUNTED: Final = 10_000
"""Nobody counts beyond this: a backlog of so many says "that many or more"."""
MOST_LISTED: Final = 200


class Backlog(Struct, frozen=True, kw_only=True):
    """How much waits (up to MOST_COUNTED), and since when the oldest of it does."""

    count: int = 0
    since: datetime | None = None


NOTHING: Final = Backlog()


class Carried(Struct, frozen=True, kw_only=True):
    """A call with a live attempt, and the adapter that carries that; None while it waits for its time."""

    call_id: CallId
    tenant_id: TenantId
    tool: str
    adapter: str | None


class Doing(Struct, frozen=True, kw_only=True):
    """A call that is being executed, or was and did not go well. `at` is when it began, or when it ended;
    where it `waits` for its next attempt, that has not begun."""

    call_id: CallId
    short_id: str
    tenant_id: TenantId
    tool: str
    at: datetime
    status: Status
    error_class: str | None = None
    waits: bool = False
