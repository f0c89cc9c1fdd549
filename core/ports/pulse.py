"""How the bot is: what waits, what runs, what went wrong lately. No look grows with the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from core.ids import TenantId
from core.lifecycle import Status
from core.model import Backlog, Carried, Doing


class Pulse(Protocol):
    """Looks at what is there. `tenant` None means that of all teams."""

    def waiting(self, status: Status, *, tenant: TenantId | None = None) -> Backlog:
        """Calls in `proposed` or `pending`."""
        ...

    def pending_tools(self) -> Sequence[tuple[TenantId, str, int]]:
        """How many calls of a team wait for a worker, by tool; of no more than are worth counting."""
        ...

    def running(self) -> Sequence[Doing]:
        """Calls with a live attempt, the one that has run longest first."""
        ...

    def carried(self, *, tenant: TenantId | None) -> Sequence[Carried]:
        """Every call with a live attempt, however many there are, oldest first."""
        ...

    def went_wrong(self, *, since: datetime) -> Sequence[Doing]:
        """Calls that failed or timed out after `since`, oldest first."""
        ...

    def outbox(self) -> Backlog:
        """Messages that wait to go out."""
        ...

    def inbox(self) -> Backlog:
        """Updates that were received and not handled yet."""
        ...

    def dead_letters(self) -> Mapping[TenantId, Backlog]:
        """Signals that webhooks did not take and nobody replayed, by team."""
        ...

    def size(self) -> int:
        """How large the database is, in bytes."""
        ...

    def set_aside(self, *, since: datetime) -> Backlog:
        """Rows that could not be read and were set aside after `since`."""
        ...
