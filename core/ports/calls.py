"""Calls and what they gather on their way: votes, attempts, outcomes, audit events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from msgspec import Struct

from core.audit import AuditEvent
from core.digest import Json
from core.errors import CorruptRecord
from core.ids import AccountId, CallId, PersonId, TenantId
from core.lifecycle import Status
from core.model import (
    Approval,
    Attempt,
    Outcome,
    ToolCall,
)


class Waiting(NamedTuple):
    """A call that waits for a worker, and all that says when its turn is. `person_id` asked for it; `ticket`
    is above 0 where somebody waits for it here and now."""

    call_id: CallId
    tenant_id: TenantId
    person_id: PersonId
    tool: str
    ticket: int = 0


class Calls(Protocol):
    """Tool calls. Reading a row that cannot be read raises CorruptRecord."""

    def insert(self, call: ToolCall) -> None:
        """Adds a new call."""
        ...

    def get(self, call_id: CallId) -> ToolCall | None:
        """The call of this id."""
        ...

    def by_key(self, tenant_id: TenantId, key: str) -> ToolCall | None:
        """The call proposed under this idempotency key."""
        ...

    def by_short_id(self, tenant_id: TenantId, short_id: str) -> ToolCall | None:
        """The call people name so."""
        ...

    def advance(self, before: ToolCall, after: ToolCall) -> bool:
        """THE conditional update: writes `after` if the row still has `before`'s status and version, and
        says whether it did. Of any number of racers one is told True."""
        ...

    def waiting(self, status: Status, *, limit: int) -> Sequence[CallId]:
        """Calls in `proposed` or `pending` that workers take by themselves, oldest first; none of teams that
        are switched off."""
        ...

    def to_start(self, *, after: CallId | None, limit: int) -> Sequence[Waiting]:
        """Calls that wait for a worker, oldest first, beginning after one; none of teams that are switched
        off."""
        ...

    def place(self, call_id: CallId) -> Waiting | None:
        """Where this call would wait, whatever its status; None where there is none."""
        ...

    def pending(self, *, after: CallId | None, limit: int) -> Sequence[tuple[CallId, TenantId, str]]:
        """All calls in `pending` with their team and tool, oldest first, beginning after one, whoever is to
        start them."""
        ...

    def asked(self, tenant_id: TenantId, *, limit: int) -> Sequence[CallId]:
        """The tenant's calls that wait for a signature, newest first."""
        ...

    def due(self, now: datetime, *, limit: int) -> Sequence[CallId]:
        """Proposed calls past `expires_at` and pending ones past `start_by`."""
        ...

    def set_aside(self, corrupt: CorruptRecord, *, now: datetime) -> bool:
        """Keeps workers away from a row that cannot be read. False where it was set aside before."""
        ...

    def undo_of(self, call_id: CallId) -> ToolCall | None:
        """The undo of this call that is alive or completed, if any."""
        ...


class Approvals(Protocol):
    """Votes."""

    def add(self, approval: Approval) -> bool:
        """Adds a vote. False where this person voted on this revision already; then nothing changed."""
        ...

    def of(self, call_id: CallId) -> Sequence[Approval]:
        """All votes on a call, of all revisions, oldest first."""
        ...


class Attempts(Protocol):
    """Tries at running calls."""

    def add(self, attempt: Attempt) -> None:
        """Adds a live attempt. The schema allows one live attempt a call."""
        ...

    def of(self, call_id: CallId) -> Sequence[Attempt]:
        """All attempts of a call by number."""
        ...

    def end(
        self,
        call_id: CallId,
        number: int,
        *,
        now: datetime,
        error: str | None = None,
        error_class: str | None = None,
        unclear: bool = False,
    ) -> Attempt | None:
        """Ends this attempt and gives it: THE fence. None where it is not live any more; then nothing may be
        written. `unclear`: the other side may have done it all the same."""
        ...

    def begin(self, call_id: CallId, number: int, *, adapter: str, now: datetime) -> Attempt | None:
        """Begins an attempt that waited: names what carries it, and when it began. None where it is not live
        any more, or was begun before."""
        ...

    def ask_to_stop(self, call_id: CallId, *, by: str) -> bool:
        """Asks the live attempt of a call to stop. False where there is none, or it was asked before."""
        ...

    def to_stop(self, worker: str) -> Sequence[CallId]:
        """The calls that this worker holds and was asked to stop."""
        ...

    def renew(self, worker: str, call_ids: Sequence[CallId], *, lease_until: datetime) -> int:
        """Extends the leases of a worker's live attempts at these calls; how many."""
        ...

    def lapsed(self, now: datetime, *, alive: str | None, limit: int) -> Sequence[Attempt]:
        """Live attempts whose lease has run out. With `alive`, also those of every other worker: for the
        start of a process that knows itself to be the only one."""
        ...


class Outcomes(Protocol):
    """Final records."""

    def add(self, outcome: Outcome) -> None:
        """Adds the one outcome of a call; the schema refuses a second one."""
        ...

    def get(self, call_id: CallId) -> Outcome | None:
        """The outcome, once the call has ended."""
        ...


class ChainHead(Struct, frozen=True, kw_only=True):
    """Where a chain ends: the number and hash of its newest event, and the last one its mirror holds."""

    tenant_id: TenantId
    seq: int
    hash: str
    mirrored_seq: int


class Audit(Protocol):
    """The append-only, hash-chained record of what happened."""

    def append(
        self,
        kind: str,
        *,
        tenant_id: TenantId | None,
        account_id: AccountId | None = None,
        actor: str,
        call_id: CallId | None = None,
        content: Mapping[str, Json],
        now: datetime,
    ) -> None:
        """Adds an event to the tenant's chain, in the transaction it tells of. None: the `_system` chain."""
        ...

    def head(self, tenant_id: TenantId) -> tuple[int, str]:
        """The number and hash of the tenant's newest event; (0, GENESIS) before the first."""
        ...

    def of_call(self, call_id: CallId) -> Sequence[AuditEvent]:
        """All events of a call in order."""
        ...

    def after(self, tenant_id: TenantId, seq: int, *, limit: int) -> Sequence[AuditEvent]:
        """The events that follow number `seq`, in order."""
        ...

    def heads(self) -> Sequence[ChainHead]:
        """Where every chain ends and how far its mirror is, by tenant."""
        ...

    def mirrored(self, tenant_id: TenantId, seq: int) -> None:
        """Notes that the mirror durably holds everything up to event `seq`. The cursor never goes back."""
        ...
