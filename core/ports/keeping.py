"""What is kept for how long, what is taken away of a person, and what a restore may not leave as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from core.ids import CallId, PersonId, TenantId


class Kept(StrEnum):
    """What piles up and is of no use any more after a while. Never the audit, calls or their outcomes."""

    INBOX = "inbox"
    OUTBOX = "outbox"
    DIALOGUES = "dialogues"
    DELIVERIES = "deliveries"
    REMINDERS = "reminders"
    INVITES = "invites"
    RATES = "rate_hits"
    SIGNALS = "signals"
    DEAD_LETTERS = "dead_letters"
    ALARMS = "alarms"
    WORKERS = "workers"


class Stopped(Struct, frozen=True, kw_only=True):
    """What a restore took out of the queues: how many of each."""

    updates: int
    messages: int
    questions: int
    grants: int
    invites: int


Span = tuple[int, int]
"""The numbers of audit events, first and last, both included."""


class Keeping(Protocol):
    """What piles up, and what a restore takes out of the queues."""

    def due(self, what: Kept, *, before: datetime) -> int:
        """How many of these are of no use any more since before then."""
        ...

    def forget(self, what: Kept, *, before: datetime, limit: int) -> int:
        """Takes away at most so many of them; how many there were."""
        ...

    def waiting(self) -> Sequence[CallId]:
        """Every call that waits for a signature or a worker, of all teams, oldest first."""
        ...

    def running(self) -> Sequence[CallId]:
        """Every call that a worker holds, oldest first."""
        ...

    def stop(self, *, why: str, now: datetime) -> Stopped:
        """Takes everything out of the queues that would go on by itself: updates and messages that wait, open
        questions, permissions in place of signatures, invites. Webhooks deliver nothing that is there."""
        ...


class Erasing(Protocol):
    """Taking away what says something of a person."""

    def open_calls(self, person_id: PersonId) -> Sequence[CallId]:
        """The calls that this person asked for and that have not ended, oldest first."""
        ...

    def calls(self, person_id: PersonId) -> Sequence[CallId]:
        """All calls that this person asked for, oldest first."""
        ...

    def runs(self, person_id: PersonId) -> Sequence[tuple[TenantId, str]]:
        """The runs that this person asked for, or decided or stopped a step of, by team and short id."""
        ...

    def blank(
        self, person_id: PersonId, *, name: str, tenants: Sequence[TenantId], now: datetime
    ) -> Sequence[CallId]:
        """Blanks everything that this person wrote or that says something of them, but the audit; the calls
        that other people's chats still show. `name` and `tenants` are what they were called, and where."""
        ...

    def bury(self, person_id: PersonId) -> Mapping[TenantId, Sequence[Span]]:
        """Puts tombstones in place of the contents of all audit events by this person, about their calls, or
        about them; which ones, by chain. Their hashes stay."""
        ...
