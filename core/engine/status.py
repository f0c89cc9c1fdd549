"""How the bot is, on one screen: read in one snapshot, whatever runs and whatever does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from msgspec import Struct

from core.alarms import RULES, Kind
from core.ids import TenantId
from core.lifecycle import Status
from core.model import Alarm, Backlog, Breaker, BreakerState, Switch, Worker
from core.ports import Now, Records
from core.registry import ToolRegistry
from core.switches import as_seen, holding, what

ALARMS: Final = 5
_LOOKED_AT: Final = 50
ALIVE: Final = timedelta(seconds=RULES[Kind.HEARTBEAT_LOST].at_least)
"""A worker that was heard of within this is alive."""


class Overview(Struct, frozen=True, kw_only=True):
    """What one team's admin sees, or (of all teams) whoever sits at the machine. `held`: how many pending
    calls do not start, by reason. `alarms` are the last ones, newest first."""

    proposed: Backlog
    pending: Backlog
    running: int
    held: Mapping[str, int]
    workers: Sequence[Worker]
    breakers: Sequence[Breaker]
    switches: Sequence[Switch]
    outbox: Backlog
    inbox: Backlog
    webhooks: int
    dead_letters: int
    alarms: Sequence[Alarm]
    database_bytes: int


def overview(
    records: Records,
    *,
    tenant: TenantId | None,
    home: TenantId | None,
    registry: ToolRegistry,
    now: Now,
) -> Overview:
    """How everything is; with a `tenant` only what is that team's business, and of the bot itself no names
    of others. The bot's own team (`home`) sees the alarms of the bot as well."""
    switches = [
        as_seen(switch, tenant_id=tenant or home or TenantId(""), home=home if tenant else None)
        for switch in records.switches.live(now=now.wall)
        if tenant is None or switch.tenant_id in {None, tenant}
    ]
    breakers = [each for each in records.breakers.all() if each.state is not BreakerState.CLOSED]
    running = [each for each in records.pulse.running() if tenant in {None, each.tenant_id}]
    dead = records.pulse.dead_letters()
    return Overview(
        proposed=records.pulse.waiting(Status.PROPOSED, tenant=tenant),
        pending=records.pulse.waiting(Status.PENDING, tenant=tenant),
        running=len(running),
        held=_held(records, switches, breakers, tenant=tenant, registry=registry),
        workers=[worker for worker in records.workers.all() if worker.stopped_at is None],
        breakers=breakers,
        switches=switches,
        outbox=records.pulse.outbox(),
        inbox=records.pulse.inbox(),
        webhooks=len(records.webhooks.live(tenant)),
        dead_letters=sum(found.count for whose, found in dead.items() if tenant in {None, whose}),
        alarms=_alarms(records, tenant=tenant, home=home),
        database_bytes=records.pulse.size(),
    )


def _held(
    records: Records,
    switches: Sequence[Switch],
    breakers: Sequence[Breaker],
    *,
    tenant: TenantId | None,
    registry: ToolRegistry,
) -> Mapping[str, int]:
    """Why pending calls do not start, with how many. Where nothing is stopped, nothing is asked."""
    held: Counter[str] = Counter()
    if not switches and not breakers:
        return held
    down = {breaker.adapter for breaker in breakers}
    for whose, tool, number in records.pulse.pending_tools():
        if tenant not in {None, whose}:
            continue
        known = registry.find(tool)
        adapter = "" if known is None else known.adapter
        switch = holding(switches, tenant_id=whose, tool=tool, adapter=adapter)
        if switch is not None:
            held[f"{what(switch)} is paused"] += number
        elif adapter in down:
            held[f"{adapter} is not available"] += number
    return held


def _alarms(records: Records, *, tenant: TenantId | None, home: TenantId | None) -> Sequence[Alarm]:
    found = records.alarms.last(limit=_LOOKED_AT)
    if tenant is not None:
        ours = {tenant, None} if home in {None, tenant} else {tenant}
        found = [alarm for alarm in found if alarm.tenant_id in ours]
    return found[:ALARMS]
