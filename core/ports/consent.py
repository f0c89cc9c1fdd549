"""What surrounds a signature: edits before it, grants in place of it, reminders that it is awaited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from core.ids import CallId, GrantId, PersonId, TenantId
from core.model import Edit, Grant


class Edits(Protocol):
    """Changes of arguments before they were signed."""

    def add(self, edit: Edit) -> None:
        """Adds the edit that made a revision."""
        ...

    def of(self, call_id: CallId) -> Sequence[Edit]:
        """All edits of a call, oldest first. Raises CorruptRecord."""
        ...


class Grants(Protocol):
    """Permissions that let later calls through."""

    def add(self, grant: Grant) -> None:
        """Adds a grant."""
        ...

    def get(self, grant_id: GrantId) -> Grant | None:
        """The grant of this id, also a revoked or expired one. Raises CorruptRecord."""
        ...

    def live(
        self,
        tenant_id: TenantId,
        *,
        now: datetime,
        tool: str | None = None,
        requester: PersonId | None = None,
    ) -> Sequence[Grant]:
        """Grants that are neither revoked nor expired, oldest first, narrowed where asked. Raises
        CorruptRecord."""
        ...

    def spend(self, grant_id: GrantId) -> None:
        """Counts one call that it let through."""
        ...

    def revoke(self, grant_id: GrantId, *, by: PersonId, now: datetime) -> bool:
        """Ends a grant. False where it was revoked before."""
        ...


class Reminders(Protocol):
    """What is to be done at a time about one revision of a call that waits."""

    def put(self, call_id: CallId, revision: int, kind: str, *, at: datetime) -> None:
        """Keeps it; put again, it is moved to the new time and is to be done anew."""
        ...

    def due(self, now: datetime, *, limit: int) -> Sequence[tuple[CallId, int, str]]:
        """What is due, earliest first: call, revision, kind."""
        ...

    def done(self, call_id: CallId, revision: int, kind: str, *, now: datetime) -> bool:
        """Marks it done. False where it was before."""
        ...
