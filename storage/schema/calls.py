"""Calls and what they gather: one outcome per call, one vote per person and revision, one live attempt."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from core.lifecycle import ENDS, Status
from core.model import Channel, Risk, Vote
from storage.schema.base import metadata, one_of, partial_index, time, words

tool_calls = Table(
    "tool_calls",
    metadata,
    Column("id", Text, primary_key=True),
    words("short_id"),
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("conversation_id", Text, ForeignKey("conversations.id"), nullable=False),
    Column("requester_id", Text, ForeignKey("people.id"), nullable=False),
    words("requester_name"),
    words("channel"),
    words("tool"),
    words("tool_version"),
    words("definition_hash"),
    words("arguments"),
    words("args_digest"),
    words("title"),
    words("dry_run_pin", nullable=True),
    Column("revision", Integer, nullable=False),
    words("consent_digest"),
    words("status"),
    words("risk"),
    words("verdict"),
    words("idempotency_key", nullable=True),
    words("start_mode"),
    time("created_at"),
    time("expires_at", nullable=True),
    time("start_by", nullable=True),
    Column("version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    time("changed_at"),
    words("note"),
    words("retry_of", nullable=True),
    words("undo_of", nullable=True),
    Column("source_message", BigInteger),
    UniqueConstraint("tenant_id", "short_id"),
    CheckConstraint(one_of("status", Status), name="status"),
    CheckConstraint(one_of("risk", Risk), name="risk"),
    CheckConstraint(one_of("channel", Channel), name="channel"),
    partial_index(
        "uq_tool_calls_key",
        "tenant_id",
        "idempotency_key",
        unique=True,
        where="idempotency_key IS NOT NULL",
    ),
    partial_index(
        "uq_tool_calls_undo_of",
        "undo_of",
        unique=True,
        where="undo_of IS NOT NULL AND status NOT IN ('denied','expired','cancelled','failed')",
    ),
    # Lists page backwards by id, which is by time: one index for each thing a list is narrowed by.
    Index("ix_tool_calls_tenant_id", "tenant_id", "id"),
    Index("ix_tool_calls_tenant_status", "tenant_id", "status", "id"),
    Index("ix_tool_calls_tenant_tool", "tenant_id", "tool", "id"),
    Index("ix_tool_calls_tenant_requester", "tenant_id", "requester_id", "id"),
    # What waits, for sweepers and dispatchers: small whatever the history's size.
    partial_index(
        "ix_tool_calls_waiting",
        "status",
        "id",
        where="status IN ('proposed','pending')",
    ),
)

approvals = Table(
    "approvals",
    metadata,
    Column("call_id", Text, ForeignKey("tool_calls.id"), nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("person_id", Text, ForeignKey("people.id"), nullable=False),
    words("person_name"),
    words("vote"),
    words("consent_digest"),
    words("channel"),
    words("comment"),
    time("at"),
    UniqueConstraint("call_id", "revision", "person_id"),
    CheckConstraint(one_of("vote", Vote), name="vote"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("call_id", Text, ForeignKey("tool_calls.id"), nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    words("worker"),
    time("started_at"),
    time("lease_until"),
    time("ended_at", nullable=True),
    UniqueConstraint("call_id", "number"),
    partial_index(
        "uq_attempts_live",
        "call_id",
        unique=True,
        where="ended_at IS NULL",
    ),
    partial_index(
        "ix_attempts_lease",
        "lease_until",
        where="ended_at IS NULL",
    ),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("call_id", Text, ForeignKey("tool_calls.id"), primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    words("status"),
    words("result"),
    words("formatted"),
    words("error", nullable=True),
    words("error_class", nullable=True),
    time("started_at", nullable=True),
    time("completed_at"),
    Column("duration_ms", Integer, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    words("worker", nullable=True),
    words("external_refs"),
    words("marked_by", nullable=True),
    CheckConstraint(one_of("status", ENDS), name="status"),
)
