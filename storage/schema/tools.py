"""The tools' own records."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    Integer,
    Table,
    Text,
)

from storage.schema.base import metadata, partial_index, time, words

tasks = Table(
    "tasks",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("account_id", Text, nullable=False),
    Column("call_id", Text, nullable=False, unique=True),
    words("title"),
    words("due", nullable=True),
    words("assignee"),
    words("created_by"),
    time("created_at"),
    time("completed_at", nullable=True),
    words("completed_by_call", nullable=True),
    words("removed_by_call", nullable=True),
    partial_index(
        "ix_tasks_open",
        "tenant_id",
        "account_id",
        "number",
        where="completed_at IS NULL AND removed_by_call IS NULL",
    ),
)

expenses = Table(
    "expenses",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("account_id", Text, nullable=False),
    Column("call_id", Text, nullable=False, unique=True),
    words("amount"),
    words("currency"),
    words("description"),
    words("category"),
    words("spent_on"),
    words("created_by"),
    time("created_at"),
    words("removed_by_call", nullable=True),
    Index("ix_expenses_account", "tenant_id", "account_id", "number"),
    Index("ix_expenses_spent_on", "tenant_id", "account_id", "spent_on"),
)
