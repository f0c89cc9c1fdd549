"""What comes in and what goes out."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from storage.schema.base import metadata, partial_index, time, words

inbox = Table(
    "inbox",
    metadata,
    Column("bot_id", BigInteger, primary_key=True),
    Column("update_id", BigInteger, primary_key=True, autoincrement=False),
    words("payload"),
    time("received_at"),
    time("done_at", nullable=True),
    words("error", nullable=True),
    partial_index(
        "ix_inbox_undone",
        "bot_id",
        "update_id",
        where="done_at IS NULL",
    ),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("account_id", Text),
    Column("chat", BigInteger, nullable=False),
    words("kind"),
    words("card_id", nullable=True),
    Column("card_version", Integer),
    words("payload"),
    time("created_at"),
    time("not_before"),
    Column("tries", Integer, nullable=False),
    time("done_at", nullable=True),
    words("error", nullable=True),
    partial_index(
        "ix_outbox_waiting",
        "chat",
        "id",
        where="done_at IS NULL",
    ),
    partial_index(
        "uq_outbox_card",
        "card_id",
        unique=True,
        where="done_at IS NULL AND card_id IS NOT NULL",
    ),
)

cards = Table(
    "cards",
    metadata,
    Column("id", Text, primary_key=True),
    Column("call_id", Text, ForeignKey("tool_calls.id"), nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("chat", BigInteger, nullable=False),
    Column("thread", BigInteger),
    Column("reply_to", BigInteger),
    Column("message_id", BigInteger),
    Column("private", Boolean, nullable=False),
    Column("line", Boolean, nullable=False),
    Column("shown_version", Integer, nullable=False),
    words("shown_digest", nullable=True),
    words("run_id", nullable=True),  # the card of a whole run; call_id is then its first step
    UniqueConstraint("call_id", "chat"),
    Index("ix_cards_message", "chat", "message_id"),
    partial_index("ix_cards_run", "run_id", where="run_id IS NOT NULL"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("call_id", Text, ForeignKey("tool_calls.id"), nullable=False),
    Column("person_id", Text, nullable=False),
    words("consent_digest"),
    time("at"),
    UniqueConstraint("call_id", "person_id", "consent_digest"),
)

dialogues = Table(
    "dialogues",
    metadata,
    Column("chat", BigInteger, primary_key=True),
    Column("person_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    words("kind"),
    words("state"),
    time("at"),
)
