"""What policy may look at of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from core.digest import Json
from core.ids import PersonId
from core.model import Channel, Membership, Risk, Role, Tenant

DAY_S: Final = 24 * 3600


class Facts(Struct, frozen=True, kw_only=True):
    """What policy may look at. `role` None: the requester is no member (any more).

    `amount` and `currency` are those of a tool that spends, "" where it has none. `size` is how many members
    there were, where that is not how many are listed (a call of long ago).
    """

    tool: str
    risk: Risk
    requester: PersonId
    role: Role | None
    chat: str
    private: bool
    members: Sequence[Membership]
    channel: Channel = Channel.TELEGRAM
    arguments: Mapping[str, Json] = field(default_factory=dict)
    title: str = ""
    requester_name: str = ""
    tenant: Tenant | None = None
    now: datetime | None = None
    expires_after_s: int = DAY_S
    amount: str = ""
    currency: str = ""
    size: int | None = None

    @property
    def people(self) -> int:
        """How many members the tenant has."""
        return len(self.members) if self.size is None else self.size


VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "args": (),
    "user": ("id", "name", "role"),
    "tenant": ("id", "name", "currency", "timezone", "members"),
    "call": ("tool", "risk", "title", "chat", "private", "channel"),
    "now": (),
}
"""What conditions may name, and its fields; those of `args` are the tool's."""


def variables(facts: Facts) -> dict[str, Any]:
    """The values of what conditions may name. What is not known is not there: whoever asks for it fails."""
    seen: dict[str, Any] = {
        "args": dict(facts.arguments),
        "user": {
            "id": str(facts.requester),
            "name": facts.requester_name,
            "role": "" if facts.role is None else facts.role.value,
        },
        "call": {
            "tool": facts.tool,
            "risk": facts.risk.value,
            "title": facts.title,
            "chat": facts.chat,
            "private": facts.private,
            "channel": facts.channel.value,
        },
    }
    if facts.tenant is not None:
        tenant = facts.tenant
        seen["tenant"] = {
            "id": str(tenant.id),
            "name": tenant.name,
            "currency": tenant.currency,
            "timezone": tenant.timezone,
            "members": facts.people,
        }
        if facts.now is not None:
            seen["now"] = _local(facts.now, tenant.timezone)
    return seen


def _local(now: datetime, zone: str) -> datetime:
    """The time as the tenant's clocks show it, so that now.getHours() is what people mean. The library
    takes no zone but a fixed offset."""
    there = now.astimezone(ZoneInfo(zone))
    return there.astimezone(timezone(there.utcoffset() or timedelta()))
