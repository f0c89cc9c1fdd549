"""What alarms, metrics and the status are read from: exact where little waits, cheap whatever the history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from core.alarms import Facts, Kind, findings
from core.engine import Started
from core.lifecycle import Status
from core.ports import Records
from tests.integration.remote import BUSY, Remote
from tests.kit.world import ACME, UMBRELLA, World


async def test_the_pulse_counts_what_is_there(world: World) -> None:
    await world.done()
    waits = await world.propose("high_once")
    await world.approved("high_once")
    started = await world.started(await world.approved("high_once"))
    failed, late = await world.done("fails"), await world.done("slow")
    since = world.clock.now() - timedelta(minutes=5)

    def look_at(records: Records) -> dict[str, Any]:
        pulse = records.pulse
        return {
            "proposed": pulse.waiting(Status.PROPOSED),
            "of_acme": pulse.waiting(Status.PROPOSED, tenant=ACME).count,
            "of_umbrella": pulse.waiting(Status.PROPOSED, tenant=UMBRELLA).count,
            "pending": pulse.waiting(Status.PENDING).count,
            "tools": pulse.pending_tools(),
            "running": [each.call_id for each in pulse.running()],
            "wrong": [(each.call_id, each.error_class) for each in pulse.went_wrong(since=since)],
            "outbox": pulse.outbox().count,
            "inbox": pulse.inbox().count,
            "dead": pulse.dead_letters(),
            "aside": pulse.set_aside(since=since).count,
            "size": pulse.size(),
        }

    found = await world.read(look_at)
    assert (found["proposed"].count, found["proposed"].since) == (1, waits.created_at)
    assert (found["of_acme"], found["of_umbrella"]) == (1, 0)
    assert found["pending"] == 1
    assert found["tools"] == [(ACME, "high_once", 1)]
    assert found["running"] == [started.call.id]
    assert found["wrong"] == [(failed.id, "paper"), (late.id, "timeout")]
    assert found["outbox"] > 0
    assert (found["inbox"], found["dead"], found["aside"]) == (0, {}, 0)
    assert found["size"] > 10_000


async def test_what_waits_for_its_next_attempt_runs_for_no_time(world: World) -> None:
    remote = Remote(world)
    remote.errors = [BUSY]
    started = await world.started(await world.propose("send"))
    assert isinstance(await remote.attempt(started), Started)
    world.clock.advance(minutes=1)
    runs = (await world.started(await world.propose("low_once"))).call
    world.clock.advance(minutes=6)
    running = await world.read(lambda records: records.pulse.running())
    assert [(each.call_id, each.waits) for each in running] == [(runs.id, False), (started.call.id, True)]
    now = world.clock.now()
    (found,) = findings(Facts(now=now, real=now, running=running, disk=1))
    assert (found.kind, found.count, found.since) == (Kind.LONG_RUN, 1, running[0].at)
    assert f"#{running[0].short_id} (low_once) has run for 6 min" in found.detail
