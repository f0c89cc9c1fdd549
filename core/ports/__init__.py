"""What the engine needs of the world: records, units of work, clocks. Storage and workers implement it."""

from core.ports.calls import Approvals, Attempts, Audit, Calls, ChainHead, Outcomes, Waiting
from core.ports.consent import Edits, Grants, Reminders
from core.ports.keeping import Erasing, Keeping, Kept, Span, Stopped
from core.ports.messages import Cards, Dialogue, Dialogues, Inbox, Outbox, OutboxRow
from core.ports.operating import (
    Alarms,
    Breakers,
    Rates,
    Schedules,
    Signals,
    Switches,
    Webhooks,
    Workers,
)
from core.ports.people import Invites, People, Tokens
from core.ports.pulse import Pulse
from core.ports.runs import Runs
from core.ports.work import Clock, Now, Reader, Records, UnitOfWork, view

__all__ = [
    "Alarms",
    "Approvals",
    "Attempts",
    "Audit",
    "Breakers",
    "Calls",
    "Cards",
    "ChainHead",
    "Clock",
    "Dialogue",
    "Dialogues",
    "Edits",
    "Erasing",
    "Grants",
    "Inbox",
    "Invites",
    "Keeping",
    "Kept",
    "Now",
    "Outbox",
    "OutboxRow",
    "Outcomes",
    "People",
    "Pulse",
    "Rates",
    "Reader",
    "Records",
    "Reminders",
    "Runs",
    "Schedules",
    "Signals",
    "Span",
    "Stopped",
    "Switches",
    "Tokens",
    "UnitOfWork",
    "Waiting",
    "Webhooks",
    "Workers",
    "view",
]
