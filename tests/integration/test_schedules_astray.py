"""Schedules whose row or whose clock is wrong: they stop no other, and come again at their time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.engine.schedules import listed
from core.lifecycle import Status
from tests.integration.test_schedules import Times
from tests.kit.world import World, principal


@pytest.fixture
def times(world: World) -> Times:
    return Times(world)


@pytest.mark.parametrize(("column", "value"), [("timezone", "Mars/Olympus"), ("rule", "cron 0 25 * * *")])
async def test_t24_a_rule_that_cannot_be_read_is_set_aside_and_the_others_are_done(
    times: Times, column: str, value: str
) -> None:
    broken, sound = await times.add(), await times.add(by="bob")
    times.world.clock.advance(hours=3)
    await times.fire()
    times.world.place.damage(f"UPDATE schedules SET {column} = ? WHERE id = ?", value, broken.id)
    times.world.clock.advance(hours=24)
    await times.fire()
    calls = await times.calls()
    assert [call.requester_id for call in calls] == ["ann", "bob", "bob"]
    views = [await times.world.view(call) for call in calls]
    assert [view.occasion is None for view in views] == [True, False, False], "its card is shown without"
    assert times.world.sql("SELECT source, row_id FROM quarantine") == [("schedules", broken.id)]
    shown = await times.world.read(lambda records: listed(records, by=principal("dan"), limit=9))
    assert [each.id for each in shown] == [sound.id]


async def test_t40_a_clock_that_was_a_year_ahead_leaves_no_schedule_there(times: Times) -> None:
    schedule = await times.add()
    times.world.clock.move_wall(days=366)
    await times.fire()
    made = await times.add("cron 30 14 * * *")
    times.world.clock.move_wall(days=-366)
    before = len(await times.calls())
    assert await times.fire() == 2
    assert await times.fire() == 0
    assert [times.due(await times.now(each)) for each in (schedule, made)] == [
        times.due(schedule),
        times.due(schedule) + timedelta(minutes=30),
    ]
    times.world.clock.advance(hours=3)
    await times.fire()
    calls = await times.calls()
    assert [call.status for call in calls[before:]] == [Status.PENDING] * 2


async def test_t40_a_clock_set_back_an_hour_repeats_no_time_and_skips_none(times: Times) -> None:
    schedule = await times.add("cron 0 * * * *")
    times.world.clock.advance(hours=2)
    await times.fire()
    times.world.clock.move_wall(hours=-1.5)  # 12:30 again, and 13:00 was left out at 14:00
    await times.fire()
    for _ in range(4):
        times.world.clock.advance(minutes=30)
        while await times.fire():
            pass
    made = times.world.sql("SELECT at FROM schedule_times ORDER BY at")
    hour = 3_600_000
    assert [(at - made[0][0]) // hour for (at,) in made] == [0, 1]
    assert len(await times.calls()) == 2
    assert times.due(await times.now(schedule)) == times.due(schedule) + timedelta(hours=2)
