"""The words that records are made of."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person may do in a tenant; each role includes the ones before it."""

    MEMBER = "member"
    APPROVER = "approver"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0 for member, 1 for approver, 2 for admin."""
        return _ROLES[self]

    def includes(self, other: Role) -> bool:
        """Whether someone of this role holds `other` as well."""
        return self.rank >= other.rank


_ROLES: Final = {role: rank for rank, role in enumerate(Role)}


class Risk(StrEnum):
    """How much harm a call can do."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical, for comparing."""
        return _RISKS[self]


_RISKS: Final = {risk: rank for rank, risk in enumerate(Risk)}


class Channel(StrEnum):
    """The front door through which somebody acts."""

    TELEGRAM = "telegram"
    API = "api"
    MCP = "mcp"
    CLI = "cli"
    SYSTEM = "system"


class PolicyDecision(StrEnum):
    """What policy says of a call."""

    ALLOW = "allow"
    REQUIRES_APPROVAL = "requires_approval"
    DENY = "deny"


class Vote(StrEnum):
    """One person's decision."""

    APPROVED = "approved"
    DENIED = "denied"


class StartMode(StrEnum):
    """Whether workers take a pending call by themselves, or only `execute` starts it."""

    AUTO = "auto"
    MANUAL = "manual"
    AFTER = "after"  # a step of a run: taken once the steps that it needs have ended well


class OnFailure(StrEnum):
    """What becomes of the rest of a run once a step fails."""

    STOP = "stop"
    CONTINUE = "continue"
