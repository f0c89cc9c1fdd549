"""What watches: how far apart two looks must be, and what the auditor finds in a chain that was altered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from bot.machine import Machine
from bot.metrics import Metrics
from bot.telegram.alarms import Audience
from bot.workers.alarms import Watch
from bot.workers.auditor import WHOLE_EVERY, Auditor
from core.alarms import Kind
from core.model import Alarm, Worker
from core.ports import Records
from storage.verify import problems
from tests.kit.clock import FakeClock
from tests.kit.world import ACME, World


@pytest.fixture
def auditor(world: World) -> Auditor:
    clock: Any = world.clock
    return Auditor(
        partial(problems, world.place.address, world.folder / "audit"), reader=world.db.reader, clock=clock
    )


def watch_of(world: World, metrics: Metrics, auditor: Auditor) -> Watch:
    clock: Any = world.clock
    return Watch(
        uow=world.db.writer,
        reader=world.db.reader,
        env=world.env,
        clock=clock,
        metrics=metrics,
        machine=Machine(world.folder),
        tell=Audience(home=ACME, chat=None).tell,
        audit=lambda: auditor.problems,
    )


def told(auditor: Auditor) -> Sequence[str] | None:
    """What it says is wrong."""
    return auditor.problems


async def live(world: World) -> Sequence[Alarm]:
    return await world.read(lambda records: records.alarms.live())


async def test_a_clock_that_is_moved_on_raises_nothing(world: World, auditor: Auditor) -> None:
    """What is under way seems to have waited for an hour then; what still does at the next look, has."""
    watch = watch_of(world, Metrics(clock=world.clock.now), auditor)
    await world.propose("high_once")  # whose card waits to go out
    world.clock.move_wall(hours=1)
    await watch.look()
    assert not await live(world)
    world.clock.advance(seconds=5)
    await watch.look()
    assert [alarm.kind for alarm in await live(world)] == [Kind.OUTBOX_STUCK]


async def test_what_the_hooks_count_raises_and_clears(world: World, auditor: Auditor) -> None:
    metrics = Metrics(clock=world.clock.now)
    watch = watch_of(world, metrics, auditor)
    metrics.handler_failed()
    for _ in range(9):
        metrics.throttled(7)
    for _ in range(3):
        metrics.acceptance(passed=False)
    await watch.look()
    assert {alarm.kind for alarm in await live(world)} == {Kind.HANDLER_ERRORS, Kind.NOT_ACCEPTED}
    metrics.throttled(7)
    await watch.look()
    assert {alarm.kind for alarm in await live(world)} > {Kind.THROTTLED}
    world.sql("UPDATE outbox SET done_at = 1")
    world.clock.advance(minutes=5, seconds=1)
    await watch.look()
    assert not await live(world)


async def test_a_silent_worker_is_alarmed_of_until_it_is_heard_again(world: World, auditor: Auditor) -> None:
    watch = watch_of(world, Metrics(clock=world.clock.now), auditor)

    def beat(records: Records) -> None:
        now = world.clock.real()
        records.workers.beat(Worker(name="w1", started_at=now, beat_at=now, running=0))

    await world.unit(beat)
    await watch.look()
    assert not await live(world)
    world.clock.advance(seconds=31)
    await watch.look()
    assert [(alarm.kind, alarm.subject) for alarm in await live(world)] == [(Kind.HEARTBEAT_LOST, "w1")]
    world.clock.advance(seconds=61)
    await world.unit(beat)
    await watch.look()
    assert not await live(world)


async def test_new_events_are_verified_as_they_come(world: World, auditor: Auditor) -> None:
    await world.done()
    await auditor.verify_new()
    await world.done()
    await auditor.verify_new()
    assert told(auditor) is None, "that all of it holds was not looked at"
    await world.done()
    seq = world.head()[0]
    world.place.damage("UPDATE audit_events SET content = '{}' WHERE tenant_id = ? AND seq = ?", ACME, seq)
    await auditor.verify_new()
    assert told(auditor) == [f"acme, event {seq}: its content was altered."]
    await watch_of(world, Metrics(), auditor).look()
    (alarm,) = await live(world)
    assert (alarm.kind, alarm.detail) == (Kind.AUDIT_BREAK, f"acme, event {seq}: its content was altered.")


async def test_all_of_it_is_verified_daily_and_only_that_ends_the_alarm(
    sqlite_world: World,
) -> None:
    """In a process of its own: what was altered long ago is found, and found mended."""
    world, clock = sqlite_world, FakeClock()
    whose: Any = clock
    auditor = Auditor(
        partial(problems, world.place.address, world.folder / "audit"), reader=world.db.reader, clock=whose
    )
    (world.folder / "audit").mkdir()
    await world.done()
    kept = world.sql("SELECT actor FROM audit_events WHERE tenant_id = 'acme' AND seq = 2")[0][0]
    await auditor.verify_new()
    world.place.damage("UPDATE audit_events SET actor = 'x' WHERE tenant_id = 'acme' AND seq = 2")
    await auditor.verify_new()
    assert told(auditor) is None, "it was there before the start"
    await auditor.verify_whole()
    assert "acme, database, event 2" in str(told(auditor))
    world.place.damage("UPDATE audit_events SET actor = ? WHERE tenant_id = 'acme' AND seq = 2", kept)
    clock.advance(seconds=1)
    await auditor.verify_whole()
    assert told(auditor) == []
    clock.advance(WHOLE_EVERY.total_seconds() - 1)
    auditor.problems = None
    await auditor.verify_whole()
    assert told(auditor) is None, "not before its time"
