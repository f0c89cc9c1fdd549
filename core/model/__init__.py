"""The records everything else speaks of. All frozen; all times are aware UTC datetimes."""

from core.model.calls import (
    Approval,
    Attempt,
    CallView,
    Card,
    Edit,
    Grant,
    Outcome,
    Run,
    Started,
    ToolCall,
    Verdict,
)
from core.model.people import SYSTEM, ApiToken, Conversation, Identity, Membership, Person, Principal, Tenant
from core.model.words import Channel, OnFailure, PolicyDecision, Risk, Role, StartMode, Vote

__all__ = [
    "SYSTEM",
    "ApiToken",
    "Approval",
    "Attempt",
    "CallView",
    "Card",
    "Channel",
    "Conversation",
    "Edit",
    "Grant",
    "Identity",
    "Membership",
    "OnFailure",
    "Outcome",
    "Person",
    "PolicyDecision",
    "Principal",
    "Risk",
    "Role",
    "Run",
    "StartMode",
    "Started",
    "Tenant",
    "ToolCall",
    "Verdict",
    "Vote",
]
