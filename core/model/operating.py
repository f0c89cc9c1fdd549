"""What the engine's keeping in order is recorded as: switches, breakers, alarms, workers, schedules, signals.

Times of breakers and workers are real ones, which nobody moves; all others are wall times.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from core.digest import Json
from core.ids import (
    AccountId,
    AlarmId,
    CallId,
    ConversationId,
    PersonId,
    ScheduleId,
    SwitchId,
    TenantId,
    WebhookId,
)


class Target(StrEnum):
    """What a switch stops, within its team or within all."""

    EVERYTHING = "everything"
    TOOL = "tool"
    ADAPTER = "adapter"


class Switch(Struct, frozen=True, kw_only=True):
    """New executions are stopped. `tenant_id` None means those of every team; `name` is the tool's or the
    adapter's, "" for everything. It ends by itself at `until`, where that is given."""

    id: SwitchId
    tenant_id: TenantId | None
    target: Target
    name: str
    reason: str
    by_id: PersonId | None  # None: whoever sits at the machine
    by_name: str
    created_at: datetime
    until: datetime | None
    ended_at: datetime | None = None
    ended_by: str | None = None


class BreakerState(StrEnum):
    """Whether an adapter is called at all."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker(Struct, frozen=True, kw_only=True):
    """One adapter's breaker, the same for all teams and processes. `retry_at` is when an open one lets a
    probe through, `probe` the call that is it, until `probe_until`; `safe_since` is set while calls queue
    because it has been open for too long. `version` is what conditional updates compare."""

    adapter: str
    state: BreakerState
    failures: int  # in a row, while closed
    opened_at: datetime | None
    retry_at: datetime | None
    probe: CallId | None
    probe_until: datetime | None
    safe_since: datetime | None
    changed_at: datetime
    version: int


class Missed(StrEnum):
    """What becomes of the times that passed while nothing ran."""

    ONCE = "once"  # made up for once, however many there were
    SKIP = "skip"


class Schedule(Struct, frozen=True, kw_only=True):
    """A call that is proposed at its times. `rule` is "at <local time>" or "cron <five fields>", read in
    `timezone`; `source` names the entry of the configuration that it came from, "" where a person made it.
    `next_at` is None once there is no further time."""

    id: ScheduleId
    short_id: str
    tenant_id: TenantId
    account_id: AccountId
    conversation_id: ConversationId
    requester_id: PersonId
    tool: str
    arguments: Mapping[str, Json]
    title: str
    rule: str
    timezone: str
    missed: Missed
    source: str
    next_at: datetime | None
    last_at: datetime | None
    last_call: CallId | None
    paused_at: datetime | None
    ended_at: datetime | None
    created_at: datetime
    version: int


class Occasion(Struct, frozen=True, kw_only=True):
    """One time of a schedule, for which a call was made: there is one call for one time."""

    schedule_id: ScheduleId
    at: datetime
    rule: str
    timezone: str


class SignalKind(StrEnum):
    """What other systems are told of."""

    TASK_STARTED = "TASK_STARTED"
    ACTION_EXECUTED = "ACTION_EXECUTED"
    ACTION_FAILED = "ACTION_FAILED"
    TASK_COMPLETED = "TASK_COMPLETED"
    TASK_FAILED = "TASK_FAILED"
    EXECUTION_FINISHED = "EXECUTION_FINISHED"


class Signal(Struct, frozen=True, kw_only=True):
    """One fact on a team's stream, written in the transaction that made it one. `subject` is the call's or
    the run's id: there is one of a kind about each. What it says of it is read when it is delivered.

    `seq` is its place on the stream. They grow, with gaps: a row tells up to `core.signals.STRIDE` facts.
    """

    seq: int
    tenant_id: TenantId
    account_id: AccountId
    kind: SignalKind
    subject: str
    at: datetime


class Webhook(Struct, frozen=True, kw_only=True):
    """An address that a team's signals are delivered to, in order, each signed with `secret`. `cursor` is the
    last one that was delivered, or given up. `tries` counts those at the next one."""

    id: WebhookId
    tenant_id: TenantId
    url: str
    secret: str
    kinds: frozenset[SignalKind]
    cursor: int
    tries: int
    not_before: datetime  # real
    created_at: datetime
    created_by: str
    ended_at: datetime | None = None


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A signal that a webhook did not take, however often it was tried. `asked_at`: somebody wants it sent
    again, and it was not yet; `replayed_at`: that was done."""

    webhook_id: WebhookId
    tenant_id: TenantId
    seq: int
    tries: int
    error: str
    at: datetime
    replayed_at: datetime | None = None
    asked_at: datetime | None = None


class Alarm(Struct, frozen=True, kw_only=True):
    """Something is wrong, since when, and how much of it there was at most. `tenant_id` None: it concerns the
    whole bot. There is one live alarm of a kind about a subject; it is over once `cleared_at` is set.
    Whoever has seen it (`seen_by`) is told of its end alone; where nobody has, others are told
    (`escalated_at`)."""

    id: AlarmId
    tenant_id: TenantId | None
    kind: str
    subject: str
    detail: str
    since: datetime
    last_at: datetime
    count: int
    told_at: datetime | None
    cleared_at: datetime | None = None
    seen_at: datetime | None = None
    seen_by: str | None = None
    escalated_at: datetime | None = None


class Worker(Struct, frozen=True, kw_only=True):
    """A process that executes calls, and when it was last heard of."""

    name: str
    started_at: datetime
    beat_at: datetime
    running: int
    stopped_at: datetime | None = None
