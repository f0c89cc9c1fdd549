"""The append-only chain, its heads, and what could not be read."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Table,
    Text,
    UniqueConstraint,
)

from storage.schema.base import metadata, time, words

audit_events = Table(
    "audit_events",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", Text),
    time("at"),
    words("kind"),
    words("actor"),
    words("call_id", nullable=True),
    words("content"),  # canonical JSON; the chain covers its salted hash
    words("salt"),
    words("content_hash"),
    words("prev_hash"),
    words("hash"),
    Index("ix_audit_events_call_id", "call_id", "seq"),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    words("hash"),
    Column("mirrored_seq", BigInteger, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    words("source"),
    words("row_id"),
    words("column_name"),
    time("at"),
    UniqueConstraint("source", "row_id", "column_name"),
)
