"""What keeps the engine in order: switches, breakers, rates, schedules, alarms, workers, signals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from core.ids import AccountId, ScheduleId, SwitchId, TenantId, WebhookId
from core.model import (
    Alarm,
    Breaker,
    DeadLetter,
    Schedule,
    Signal,
    SignalKind,
    Switch,
    Webhook,
    Worker,
)


class Switches(Protocol):
    """What is stopped."""

    def add(self, switch: Switch) -> bool:
        """Adds a switch. False where a live one stops the same already."""
        ...

    def live(self, *, now: datetime) -> Sequence[Switch]:
        """All that stop something now, of every team, oldest first."""
        ...

    def over(self, *, now: datetime) -> Sequence[Switch]:
        """Those whose time is over and that were not ended yet."""
        ...

    def end(self, switch_id: SwitchId, *, by: str, now: datetime) -> bool:
        """Ends a switch. False where it was ended before."""
        ...


class Breakers(Protocol):
    """Adapters that failed of late."""

    def get(self, adapter: str) -> Breaker | None:
        """This adapter's breaker; None where it never failed: closed."""
        ...

    def all(self) -> Sequence[Breaker]:
        """All breakers, by adapter."""
        ...

    def put(self, before: Breaker | None, after: Breaker) -> bool:
        """Changes a breaker. False where it is not as `before` any more; then nothing changed."""
        ...


class Rates(Protocol):
    """Moving windows of what was let through."""

    def hit(self, bucket: str, *, now: datetime, since: datetime) -> None:
        """Counts one, and forgets those of this bucket before `since`."""
        ...

    def window(self, bucket: str, *, since: datetime) -> tuple[int, datetime | None]:
        """How many were counted after `since`, and when the oldest of them was."""
        ...


class Schedules(Protocol):
    """Calls to be proposed at their times."""

    def add(self, schedule: Schedule) -> None:
        """Adds a schedule."""
        ...

    def get(self, schedule_id: ScheduleId) -> Schedule | None:
        """The schedule of this id, also an ended one. Raises CorruptRecord."""
        ...

    def by_short_id(self, tenant_id: TenantId, short_id: str) -> Schedule | None:
        """The schedule people name so. Raises CorruptRecord."""
        ...

    def from_source(self) -> Sequence[Schedule]:
        """Those that came from the configuration and have not ended. Raises CorruptRecord."""
        ...

    def listed(self, tenant_id: TenantId, *, after: ScheduleId | None, limit: int) -> Sequence[Schedule]:
        """A team's that have not ended, oldest first, beginning after one. Raises CorruptRecord."""
        ...

    def due(self, now: datetime, *, limit: int) -> Sequence[Schedule]:
        """Those whose time has come, earliest first. Raises CorruptRecord."""
        ...

    def put(self, before: Schedule, after: Schedule) -> bool:
        """Changes a schedule. False where it is not of that version any more; then nothing changed."""
        ...


class Alarms(Protocol):
    """What is wrong."""

    def live(self) -> Sequence[Alarm]:
        """Those that are not over, oldest first."""
        ...

    def last(self, *, limit: int) -> Sequence[Alarm]:
        """The newest ones, also those that are over, newest first."""
        ...

    def put(self, alarm: Alarm) -> None:
        """Adds an alarm, or changes the one of this id."""
        ...


class Workers(Protocol):
    """Processes that execute calls."""

    def beat(self, worker: Worker) -> None:
        """Notes that a worker lives, or has stopped."""
        ...

    def all(self) -> Sequence[Worker]:
        """All that were ever heard of and not forgotten, by name."""
        ...

    def forget(self, *, before: datetime) -> None:
        """Forgets those that stopped before this."""
        ...


class Signals(Protocol):
    """Teams' streams of facts."""

    def add(
        self, kind: SignalKind, *, tenant_id: TenantId, account_id: AccountId, subject: str, now: datetime
    ) -> None:
        """Adds a fact; one that is there already stays as it is."""
        ...

    def after(self, tenant_id: TenantId, seq: int, *, limit: int) -> Sequence[Signal]:
        """A team's facts that follow number `seq`, in order."""
        ...

    def get(self, seq: int) -> Signal | None:
        """The fact of this number."""
        ...

    def newest(self) -> int:
        """The number of the newest fact of all; 0 before the first."""
        ...


class Webhooks(Protocol):
    """Where facts are delivered to."""

    def add(self, webhook: Webhook) -> None:
        """Adds a webhook."""
        ...

    def get(self, webhook_id: WebhookId) -> Webhook | None:
        """The webhook of this id, also one that was ended."""
        ...

    def live(self, tenant_id: TenantId | None = None) -> Sequence[Webhook]:
        """Those that were not ended, of one team or of all, oldest first."""
        ...

    def put(self, webhook: Webhook) -> None:
        """Changes the webhook of this id."""
        ...

    def bury(self, letter: DeadLetter) -> None:
        """Adds, or changes, a dead letter."""
        ...

    def dead(
        self, tenant_id: TenantId, *, webhook: WebhookId | None = None, limit: int
    ) -> Sequence[DeadLetter]:
        """A team's dead letters that were not replayed, oldest first, perhaps of one webhook only."""
        ...
