"""What a kill switch stops, and which one a call waits for. The verbs: `core.engine.switches`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from core.ids import TenantId
from core.model import Switch, Target

SOMEBODY_ELSE: Final = "an admin of this bot"
"""Who paused every team, for people of the others: nobody's name crosses teams."""


def covers(switch: Switch, *, tenant_id: TenantId, tool: str, adapter: str) -> bool:
    """Whether this switch stops calls of this team by this tool, carried by this adapter."""
    if switch.tenant_id is not None and switch.tenant_id != tenant_id:
        return False
    if switch.target is Target.EVERYTHING:
        return True
    return switch.name == (tool if switch.target is Target.TOOL else adapter)


def holding(live: Iterable[Switch], *, tenant_id: TenantId, tool: str, adapter: str) -> Switch | None:
    """Of the switches that stop such a call the one that does so the longest; None where none does."""
    found = [each for each in live if covers(each, tenant_id=tenant_id, tool=tool, adapter=adapter)]
    return max(found, key=lambda each: (each.until is None, each.until or each.created_at), default=None)


def as_seen(switch: Switch, *, tenant_id: TenantId, home: TenantId | None) -> Switch:
    """The switch as this team may see it."""
    if switch.tenant_id is not None or home in {None, tenant_id}:
        return switch
    return replace(switch, by_id=None, by_name=SOMEBODY_ELSE)


def seconds_left(switch: Switch, *, now: datetime) -> float | None:
    """After how long it ends by itself; None where it does not."""
    return None if switch.until is None else max(0.0, (switch.until - now).total_seconds())


def what(switch: Switch) -> str:
    """What it stops, in plain words."""
    if switch.target is Target.EVERYTHING:
        return "everything"
    return f"the {switch.target.value} {switch.name}"
