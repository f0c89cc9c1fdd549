"""Why a call that is pending does not start now, for whoever looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from core.engine.breakers import carried_by
from core.engine.env import Env
from core.engine.facts import held_by, windows_for
from core.errors import Code
from core.ids import TenantId
from core.lifecycle import Status
from core.limits import limited_by
from core.model import CallView, Switch, Target, ToolCall
from core.ports import Records, view
from core.switches import as_seen

HOLDING: Final = frozenset({Code.PAUSED, Code.RATE_LIMITED, Code.ADAPTER_UNAVAILABLE})
"""What guards 13 to 15 refuse with: the call waits, and its cards say for what."""


def viewed(records: Records, call: ToolCall, *, now: datetime, env: Env) -> CallView:
    """All that is shown of a call, with why it waits."""
    return with_held(records, view(records, call), now=now, env=env)


def with_held(records: Records, seen: CallView, *, now: datetime, env: Env) -> CallView:
    """The same view, with why the call waits. Only of what is pending is anything looked for."""
    why, until = why_held(records, seen.call, now=now, env=env)
    return replace(seen, held=why, held_until=until) if why else seen


def why_held(records: Records, call: ToolCall, *, now: datetime, env: Env) -> tuple[str, datetime | None]:
    """What a pending call waits for, and until when; "" where nothing holds it."""
    tool = env.registry.find(call.tool) if call.status is Status.PENDING else None
    if tool is None:
        return "", None
    carrier = carried_by(records, call, tool)
    switch = held_by(records, call, tool, adapter=carrier or tool.adapter, now=now, env=env)
    if switch is not None:
        return pause_words(switch), switch.until
    limited = limited_by(records.rates, windows_for(call, tool, env=env), now=now)
    if limited is not None:
        window = limited.window
        until = now + timedelta(seconds=limited.retry_after_s)
        return f"the limit of {window.limit} for {window.whose} is reached", until
    return ("" if carrier else f"{tool.adapter} does not answer, and is tried again by itself"), None


def pause_words(switch: Switch) -> str:
    """Who paused, and why."""
    return f"paused by {switch.by_name}: {switch.reason}"


def stopped_for(records: Records, tenant_id: TenantId, *, now: datetime, env: Env) -> Sequence[Switch]:
    """The pauses of all that a team has, as it may see them."""
    return [
        as_seen(each, tenant_id=tenant_id, home=env.home)
        for each in records.switches.live(now=now)
        if each.target is Target.EVERYTHING and each.tenant_id in {None, tenant_id}
    ]
