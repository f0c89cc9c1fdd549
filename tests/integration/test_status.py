"""The status: what is counted and held, and that a team sees of it what is its own."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bot.machine import Disk
from bot.telegram.render.message import MESSAGE_MOST, parsed_units
from bot.telegram.render.status import size, status
from core.engine.status import ALARMS, Overview, overview
from core.ids import AlarmId, SwitchId, TenantId
from core.model import Alarm, Backlog, Switch, Target, Worker
from core.ports import Records
from tests.kit.world import ACME, UMBRELLA, World


async def seen(world: World, tenant: TenantId | None) -> Overview:
    return await world.read(
        lambda records: overview(
            records, tenant=tenant, home=ACME, registry=world.registry, now=world.clock.moment
        )
    )


def switch(world: World, tenant: TenantId | None, target: Target, name: str = "", by: str = "Dan") -> Switch:
    return Switch(
        id=SwitchId(f"{tenant}-{target}-{name}"),
        tenant_id=tenant,
        target=target,
        name=name,
        reason=f"because of {name or 'all'} <b>",
        by_id=None,
        by_name=by,
        created_at=world.clock.now(),
        until=None,
    )


def alarm(world: World, number: int, tenant: TenantId | None) -> Alarm:
    now = world.clock.now()
    return Alarm(
        id=AlarmId(f"{number:04}"),
        tenant_id=tenant,
        kind="failures",
        subject=str(number),
        detail="",
        since=now,
        last_at=now,
        count=5,
        told_at=now,
    )


async def busy(world: World) -> None:
    """Two signed calls of one team, which is paused in part, and alarms of everybody's."""
    await world.approved("high_once")
    await world.approved("medium_once")
    await world.propose("high_once")

    def work(records: Records) -> None:
        now = world.clock.real()
        records.switches.add(switch(world, ACME, Target.TOOL, "high_once"))
        records.switches.add(switch(world, UMBRELLA, Target.EVERYTHING, by="Zoe"))
        records.switches.add(switch(world, None, Target.TOOL, "other"))
        records.workers.beat(Worker(name="w1", started_at=now, beat_at=now, running=0))
        for number, tenant in enumerate((ACME, UMBRELLA, None, *[ACME] * 8)):
            records.alarms.put(alarm(world, number, tenant))

    await world.unit(work)


async def test_it_counts_what_waits_and_says_why_it_is_held(world: World) -> None:
    await busy(world)
    found = await seen(world, ACME)
    assert (found.proposed.count, found.pending.count, found.running) == (1, 2, 0)
    assert found.held == {"the tool high_once is paused": 1}
    assert len(found.switches) == 2
    assert len(found.workers) == 1
    assert len(found.alarms) == ALARMS
    assert found.database_bytes > 0


async def test_a_team_sees_what_is_its_own(world: World) -> None:
    await busy(world)
    found = await seen(world, UMBRELLA)
    assert (found.proposed.count, found.pending.count, found.held) == (0, 0, {})
    assert sorted(each.by_name for each in found.switches) == ["Zoe", "an admin of this bot"]
    assert [each.tenant_id for each in found.alarms] == [UMBRELLA]
    whole = await seen(world, None)
    assert (whole.proposed.count, whole.pending.count, len(whole.switches)) == (1, 2, 3)
    home = await seen(world, ACME)
    assert UMBRELLA not in {each.tenant_id for each in home.alarms}
    assert UMBRELLA not in {each.tenant_id for each in home.switches}


async def test_the_screen_fits_a_message_whatever_there_is_and_is_safe(world: World) -> None:
    await busy(world)
    found = await seen(world, ACME)
    crowded = replace(
        found,
        switches=[replace(each, reason="x" * 5_000) for each in [*found.switches] * 50],
        held={f"<b>{number}": number for number in range(90)},
        outbox=Backlog(count=10_000, since=world.clock.now()),
    )
    shown = status(
        crowded,
        version="9",
        disk=Disk(free=1, taken=2),
        limits=["60/minute for each person"],
        now=world.clock.moment,
    )
    assert parsed_units(shown.html) <= MESSAGE_MOST
    assert "10000+ to send" in shown.html
    assert "&lt;b&gt;" in shown.html
    assert "60/minute" in shown.html
    dead = status(replace(found, workers=()), version="9", disk=None, limits=(), now=world.clock.moment)
    assert "No worker is alive" in dead.html


@pytest.mark.parametrize(("given", "told"), [(12_000_000, "12 MB"), (1_400_000_000, "1.4 GB")])
def test_sizes_read_well(given: int, told: str) -> None:
    assert size(given) == told
