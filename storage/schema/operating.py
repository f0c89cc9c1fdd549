"""What keeps the engine in order: switches, breakers, limits, schedules, alarms, workers, signals.

A team's id of ANY_TEAM means all of them.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from core.model import BreakerState, Missed, SignalKind, Target
from storage.schema.base import metadata, one_of, partial_index, time, words

ANY_TEAM: Final = "*"

switches = Table(
    "switches",
    metadata,
    Column("id", Text, primary_key=True),
    words("tenant_id"),
    words("target"),
    words("name"),
    words("reason"),
    words("by_id", nullable=True),
    words("by_name"),
    time("created_at"),
    time("until", nullable=True),
    time("ended_at", nullable=True),
    words("ended_by", nullable=True),
    CheckConstraint(one_of("target", Target), name="target"),
    partial_index("uq_switches_live", "tenant_id", "target", "name", unique=True, where="ended_at IS NULL"),
)

breakers = Table(
    "breakers",
    metadata,
    Column("adapter", Text, primary_key=True),
    words("state"),
    Column("failures", Integer, nullable=False),
    time("opened_at", nullable=True),
    time("retry_at", nullable=True),
    words("probe", nullable=True),
    time("probe_until", nullable=True),
    time("safe_since", nullable=True),
    time("changed_at"),
    Column("version", Integer, nullable=False),
    CheckConstraint(one_of("state", BreakerState), name="state"),
)

rate_hits = Table(
    "rate_hits",
    metadata,
    words("bucket"),
    time("at"),
    Index("ix_rate_hits_bucket", "bucket", "at"),
)

schedules = Table(
    "schedules",
    metadata,
    Column("id", Text, primary_key=True),
    words("short_id"),
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("conversation_id", Text, ForeignKey("conversations.id"), nullable=False),
    Column("requester_id", Text, ForeignKey("people.id"), nullable=False),
    words("tool"),
    words("arguments"),
    words("title"),
    words("rule"),
    words("timezone"),
    words("missed"),
    words("source"),
    time("next_at", nullable=True),
    time("last_at", nullable=True),
    words("last_call", nullable=True),
    time("paused_at", nullable=True),
    time("ended_at", nullable=True),
    time("created_at"),
    Column("version", Integer, nullable=False),
    UniqueConstraint("tenant_id", "short_id"),
    CheckConstraint(one_of("missed", Missed), name="missed"),
    Index("ix_schedules_tenant_id", "tenant_id", "id"),
    partial_index(
        "ix_schedules_due", "next_at", where="next_at IS NOT NULL AND paused_at IS NULL AND ended_at IS NULL"
    ),
)

# One call for one time: whoever comes second finds the row there.
schedule_times = Table(
    "schedule_times",
    metadata,
    Column("schedule_id", Text, ForeignKey("schedules.id"), nullable=False),
    time("at"),
    Column("call_id", Text, nullable=False, unique=True),
    PrimaryKeyConstraint("schedule_id", "at"),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Text, primary_key=True),
    words("tenant_id"),
    words("kind"),
    words("subject"),
    words("detail"),
    time("since"),
    time("last_at"),
    Column("count", Integer, nullable=False),
    time("told_at", nullable=True),
    time("cleared_at", nullable=True),
    time("seen_at", nullable=True),
    words("seen_by", nullable=True),
    time("escalated_at", nullable=True),
    partial_index("uq_alarms_live", "tenant_id", "kind", "subject", unique=True, where="cleared_at IS NULL"),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    time("started_at"),
    time("beat_at"),
    Column("running", Integer, nullable=False),
    time("stopped_at", nullable=True),
)

signals = Table(
    "signals",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    words("kind"),
    words("subject"),
    time("at"),
    UniqueConstraint("subject", "kind"),
    CheckConstraint(one_of("kind", SignalKind), name="kind"),
    partial_index("ix_signals_finished", "seq", where="kind = 'EXECUTION_FINISHED'"),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    words("url"),
    words("secret"),
    words("kinds"),
    Column("cursor", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    time("not_before"),
    time("created_at"),
    words("created_by"),
    time("ended_at", nullable=True),
    Index("ix_webhooks_tenant_id", "tenant_id", "id"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("webhook_id", Text, ForeignKey("webhooks.id"), primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("tries", Integer, nullable=False),
    words("error"),
    time("at"),
    time("replayed_at", nullable=True),
    time("asked_at", nullable=True),
)
