"""Tenants, people, their ways in, and what was said where."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from core.model import Channel, Role
from storage.schema.base import metadata, one_of, time, words

tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    words("name"),
    Column("active", Boolean, nullable=False),
    words("currency"),
    words("timezone"),
    time("created_at"),
    words("ask_above", nullable=True),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    words("name"),
    time("created_at"),
    Index("ix_accounts_tenant_id", "tenant_id"),
)

people = Table(
    "people",
    metadata,
    Column("id", Text, primary_key=True),
    words("name"),
    words("timezone", nullable=True),
    words("currency", nullable=True),
    Column("end_replies", Boolean, nullable=False),
    time("created_at"),
    Column("quiet_from", Integer),
    Column("quiet_to", Integer),
    time("away_until", nullable=True),
    words("stand_in", nullable=True),
    words("current_tenant", nullable=True),
)

identities = Table(
    "identities",
    metadata,
    words("channel"),
    words("subject"),
    Column("person_id", Text, ForeignKey("people.id"), nullable=False),
    Column("private_chat", BigInteger),
    words("username"),
    UniqueConstraint("channel", "subject"),
    CheckConstraint(one_of("channel", Channel), name="channel"),
    Index("ix_identities_person_id", "person_id"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    Column("person_id", Text, ForeignKey("people.id"), nullable=False),
    words("role"),
    time("created_at"),
    UniqueConstraint("tenant_id", "person_id"),
    CheckConstraint(one_of("role", Role), name="role"),
    Index("ix_memberships_person_id", "person_id"),
)

invites = Table(
    "invites",
    metadata,
    Column("code_hash", Text, primary_key=True),
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    words("role"),
    words("created_by"),
    time("created_at"),
    time("expires_at"),
    time("used_at", nullable=True),
    words("used_by", nullable=True),
    CheckConstraint(one_of("role", Role), name="role"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    Column("person_id", Text, ForeignKey("people.id"), nullable=False),
    words("name"),
    words("account_ids", nullable=True),  # a JSON list; NULL: all of the tenant's
    time("created_at"),
    time("expires_at"),
    time("revoked_at", nullable=True),
    Index("ix_api_tokens_tenant_id", "tenant_id", "id"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    words("channel"),
    words("chat"),
    Column("thread", BigInteger, nullable=False),  # 0: none
    Column("private", Boolean, nullable=False),
    words("owner_id", nullable=True),
    time("created_at"),
    Index("ix_conversations_place", "tenant_id", "channel", "chat", "thread"),
    CheckConstraint(one_of("channel", Channel), name="channel"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("conversation_id", Text, ForeignKey("conversations.id"), nullable=False),
    Column("message_id", BigInteger, nullable=False),
    words("person_id"),
    words("content"),
    time("at"),
    UniqueConstraint("conversation_id", "message_id"),
    Index("ix_messages_person", "conversation_id", "person_id", "at"),
)
