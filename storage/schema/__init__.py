"""The tables, a file a room. Guarantees live here, where no caller can forget them."""

from typing import Final

from storage.schema.audit import audit_events, audit_heads, quarantine
from storage.schema.base import metadata
from storage.schema.calls import (
    approvals,
    attempts,
    edits,
    grants,
    outcomes,
    reminders,
    runs,
    tool_calls,
)
from storage.schema.operating import (
    ANY_TEAM,
    alarms,
    breakers,
    dead_letters,
    rate_hits,
    schedule_times,
    schedules,
    signals,
    switches,
    webhooks,
    workers,
)
from storage.schema.people import (
    accounts,
    api_tokens,
    conversations,
    identities,
    invites,
    memberships,
    messages,
    people,
    tenants,
)
from storage.schema.tools import expenses, tasks
from storage.schema.traffic import cards, deliveries, dialogues, inbox, outbox

APPEND_ONLY: Final = ("audit_events", "outcomes")

__all__ = [
    "ANY_TEAM",
    "APPEND_ONLY",
    "accounts",
    "alarms",
    "api_tokens",
    "approvals",
    "attempts",
    "audit_events",
    "audit_heads",
    "breakers",
    "cards",
    "conversations",
    "dead_letters",
    "deliveries",
    "dialogues",
    "edits",
    "expenses",
    "grants",
    "identities",
    "inbox",
    "invites",
    "memberships",
    "messages",
    "metadata",
    "outbox",
    "outcomes",
    "people",
    "quarantine",
    "rate_hits",
    "reminders",
    "runs",
    "schedule_times",
    "schedules",
    "signals",
    "switches",
    "tasks",
    "tenants",
    "tool_calls",
    "webhooks",
    "workers",
]
