"""What keeps the engine in order: switches, breakers, rates, schedules, alarms, workers, signals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from core.ids import AccountId, CallId, PersonId, ScheduleId, SwitchId, TenantId, WebhookId
from core.model import (
    Alarm,
    Breaker,
    DeadLetter,
    Occasion,
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

    def get(self, switch_id: SwitchId) -> Switch | None:
        """The switch of this id, also one that was ended."""
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
        """Counts one, and forgets those of this bucket up to `since`, and those ahead of `now`."""
        ...

    def window(
        self, bucket: str, *, now: datetime, since: datetime, most: int
    ) -> tuple[int, datetime | None]:
        """Of the newest `most` after `since` and not ahead of `now` (by `core.limits.AHEAD`): how many there
        are, and when the oldest of them was."""
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
        """Those whose time has come, earliest first; and those last done or made at a time still to come, as
        a clock leaves behind that was set back. Raises CorruptRecord."""
        ...

    def put(self, before: Schedule, after: Schedule) -> bool:
        """Changes a schedule. False where it is not of that version any more; then nothing changed."""
        ...

    def any_due(self, now: datetime) -> bool:
        """Whether there are any in `due`."""
        ...

    def live_of(self, tenant_id: TenantId, person_id: PersonId) -> int:
        """How many of a person's have not ended."""
        ...

    def fired(self, schedule_id: ScheduleId, call_id: CallId, *, at: datetime) -> None:
        """Keeps which call was made for a time of a schedule. A second one for the same time fails."""
        ...

    def had(self, schedule_id: ScheduleId, *, at: datetime) -> bool:
        """Whether a call was made for this time of a schedule."""
        ...

    def occasion(self, call_id: CallId) -> Occasion | None:
        """The time of a schedule that a call was made for; None for a call that somebody asked for, or whose
        schedule cannot be read."""
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
        """A team's facts that follow number `seq`, in order: those of so many rows."""
        ...

    def get(self, seq: int) -> Signal | None:
        """The fact of this number."""
        ...

    def finished(self, seq: int, *, limit: int) -> Sequence[Signal]:
        """The ends of runs, of every team, that follow number `seq`, in order."""
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

    def end(self, webhook_id: WebhookId, *, now: datetime) -> bool:
        """Ends a webhook. False where it was ended before."""
        ...

    def move(self, webhook_id: WebhookId, *, cursor: int, tries: int, not_before: datetime) -> bool:
        """Notes how far a webhook has come, and when it is next tried. False where it was ended."""
        ...

    def bury(self, letter: DeadLetter) -> None:
        """Adds, or changes, a dead letter."""
        ...

    def dead(
        self, tenant_id: TenantId, *, webhook: WebhookId | None = None, limit: int
    ) -> Sequence[DeadLetter]:
        """A team's dead letters that were not replayed, oldest first, perhaps of one webhook only."""
        ...

    def dead_count(self, webhook_id: WebhookId) -> int:
        """How many dead letters of a webhook were not replayed."""
        ...

    def ask(self, webhook_id: WebhookId, *, now: datetime) -> int:
        """Wants all dead letters of a webhook sent again, and it tried at once; how many."""
        ...

    def asked(self, webhook_id: WebhookId, *, limit: int) -> Sequence[DeadLetter]:
        """The dead letters of a webhook that are to be sent again, oldest first."""
        ...
