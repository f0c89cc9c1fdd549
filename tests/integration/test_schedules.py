"""Schedules: each time makes one call, whoever looks and however often, under the authority of that day."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from core.engine import Refused
from core.engine.fire import Notice, Told, fire
from core.engine.schedules import Scheduled, Wanted, add, delete, pause, resume
from core.ids import CallId
from core.lifecycle import Status
from core.model import Missed, PolicyDecision, Principal, Role, Schedule, ToolCall
from core.ports import Records
from core.registry import ToolRegistry
from storage.database import backend_of
from storage.writer import Writer
from tests.kit.world import ACME, World, code_of, principal

DAILY = "cron 0 14 * * *"  # the world begins at noon of 2026-11-20, a Friday
DENY = '[[rule]]\nname = "not now"\ndecision = "deny"\nreason = "closed"\n'


@dataclass
class Times:
    """Schedules of a world, and what people were told of them."""

    world: World
    told: list[Notice] = field(default_factory=list)

    async def add(self, rule: str = DAILY, *, by: str = "ann", where: str = "", **more: Any) -> Schedule:
        answer = await self.try_add(rule, by=by, where=where, **more)
        assert isinstance(answer, Scheduled), answer
        return answer.schedule

    async def try_add(
        self, rule: str = DAILY, *, by: str = "ann", where: str = "", tool: str = "low_once", **more: Any
    ) -> Scheduled | Refused:
        who = principal(by)
        wanted = Wanted(
            tool=tool,
            arguments={"text": "tea"},
            conversation=self.world.conversation(where or by, who.tenant or ACME),
            rule=rule,
            timezone="UTC",
            **more,
        )
        return await self.world.unit(
            lambda records: add(records, wanted, by=who, now=self.world.clock.moment, env=self.world.env)
        )

    async def fire(self, writer: Writer | None = None) -> int:
        def work(records: Records) -> int:
            tell = lambda _records, notice: self.told.append(notice)  # noqa: E731
            return fire(records, now=self.world.clock.moment, env=self.world.env, tell=tell)

        return await (writer or self.world.db.writer).run("fire", work)

    async def change(self, verb: Any, schedule: Schedule, by: str | Principal = "ann") -> Scheduled | Refused:
        who = principal(by) if isinstance(by, str) else by
        now = self.world.clock.moment
        return await self.world.unit(lambda records: verb(records, by=who, schedule_id=schedule.id, now=now))

    async def now(self, schedule: Schedule) -> Schedule:
        found = await self.world.read(lambda records: records.schedules.get(schedule.id))
        assert found is not None
        return found

    async def calls(self) -> list[ToolCall]:
        ids = [row[0] for row in self.world.sql("SELECT id FROM tool_calls ORDER BY id")]
        return [await self.world.call(identifier) for identifier in ids]

    def kinds(self) -> list[str]:
        return [e.kind for e in self.world.chain() if e.kind.startswith("schedule.") or e.kind == "refused"]

    def due(self, schedule: Schedule) -> datetime:
        assert schedule.next_at is not None
        return schedule.next_at


@pytest.fixture
def times(world: World) -> Times:
    return Times(world)


@asynccontextmanager
async def beside(world: World) -> AsyncIterator[Writer]:
    """Another process' way to the same records: a writer of its own, on its own connection."""
    writer = Writer(backend_of(world.place.address), new_id=world.new_id)
    writer.start()
    try:
        yield writer
    finally:
        await writer.close()


async def test_a_time_makes_one_call_and_the_next_one_is_the_next_day(times: Times) -> None:
    schedule = await times.add()
    assert await times.fire() == 0
    assert not await times.world.read(lambda records: records.schedules.any_due(times.world.clock.now()))
    times.world.clock.advance(hours=2)
    assert await times.world.read(lambda records: records.schedules.any_due(times.world.clock.now()))
    assert await times.fire() == 1
    assert await times.fire() == 0
    (call,) = await times.calls()
    assert (call.status, call.requester_id, call.channel) == (Status.PENDING, "ann", "system")
    view = await times.world.view(call)
    assert view.occasion is not None
    assert (view.occasion.rule, view.occasion.at) == (DAILY, schedule.next_at)
    after = await times.now(schedule)
    assert (after.next_at, after.last_at, after.last_call) == (
        times.due(schedule) + timedelta(days=1),
        schedule.next_at,
        call.id,
    )
    times.world.clock.advance(hours=24)
    await times.fire()
    assert len(await times.calls()) == 2
    assert not times.told
    made = json.loads(next(e.content for e in times.world.chain() if e.kind == "schedule.made"))
    assert (made["rule"], made["requester"]) == (DAILY, "ann")


async def test_two_processes_and_a_restart_make_one_call_of_one_time(times: Times) -> None:
    await times.add()
    times.world.clock.advance(hours=2)
    async with beside(times.world) as one, beside(times.world) as other:
        await asyncio.gather(*(times.fire(writer) for writer in (one, other, times.world.db.writer) * 3))
    async with beside(times.world) as later:
        await times.fire(later)
    assert len(await times.calls()) == 1


async def test_one_time_has_one_call_whatever_the_engine_believes(times: Times) -> None:
    schedule = await times.add()
    times.world.clock.advance(hours=2)
    await times.fire()
    another = CallId("another")
    with pytest.raises(times.world.place.errors):
        await times.world.unit(
            lambda records: records.schedules.fired(schedule.id, another, at=times.due(schedule))
        )


async def test_a_clock_that_was_set_back_does_nothing_again(times: Times) -> None:
    """Not even elsewhere, where the call would have another key."""
    schedule = await times.add()
    times.world.clock.advance(hours=2)
    await times.fire()
    set_back = "UPDATE schedules SET next_at = last_at, conversation_id = 'acme-group' WHERE id = ?"
    times.world.place.rows(set_back, schedule.id)
    assert await times.fire() == 1
    assert len(await times.calls()) == 1
    assert times.due(await times.now(schedule)) == times.due(schedule) + timedelta(days=1)


@pytest.mark.parametrize("missed", Missed)
async def test_what_was_missed_in_a_week_is_made_up_for_once_or_not_at_all(
    times: Times, missed: Missed
) -> None:
    schedule = await times.add(missed=missed)
    times.world.clock.advance(days=7, hours=5)
    await times.fire()
    await times.fire()
    calls = await times.calls()
    assert len(calls) == (1 if missed is Missed.ONCE else 0)
    after = await times.now(schedule)
    assert after.last_at == times.due(schedule) + timedelta(days=7)
    assert after.next_at == times.due(schedule) + timedelta(days=8)
    if calls:
        occasion = (await times.world.view(calls[0])).occasion
        assert occasion is not None
        assert occasion.at == after.last_at
    else:
        assert times.kinds()[-1] == "schedule.missed"
    assert not times.told


async def test_what_was_missed_for_longer_than_a_day_is_told_and_not_done(times: Times) -> None:
    once = await times.add("at 2026-11-20T14:00")
    weekly = await times.add("cron 0 14 * * fri")
    times.world.clock.advance(days=2)
    await times.fire()
    assert not await times.calls()
    assert [(told.what, told.schedule.id) for told in times.told] == [
        (Told.MISSED, once.id),
        (Told.MISSED, weekly.id),
    ]
    assert (await times.now(once)).ended_at is not None
    assert times.due(await times.now(weekly)) == times.due(weekly) + timedelta(days=7)


async def test_what_is_for_once_ends_with_its_call(times: Times) -> None:
    schedule = await times.add("at 2026-11-20T14:00")
    times.world.clock.advance(hours=2)
    await times.fire()
    assert len(await times.calls()) == 1
    after = await times.now(schedule)
    assert (after.next_at, after.ended_at) == (None, times.world.clock.now())
    assert isinstance(await times.change(resume, schedule), Refused)


async def test_a_paused_one_lets_its_times_pass_and_goes_on_with_the_next(times: Times) -> None:
    schedule = await times.add()
    for _ in range(2):
        assert isinstance(await times.change(pause, schedule), Scheduled)
    times.world.clock.advance(hours=3)
    assert await times.fire() == 0
    resumed = await times.change(resume, schedule)
    assert isinstance(resumed, Scheduled)
    assert resumed.schedule.next_at == times.due(schedule) + timedelta(days=1)
    assert await times.fire() == 0
    assert times.kinds() == ["schedule.made", "schedule.paused", "schedule.resumed"]


async def test_a_deleted_one_is_over(times: Times) -> None:
    schedule = await times.add()
    for _ in range(2):
        assert isinstance(await times.change(delete, schedule), Scheduled)
    times.world.clock.advance(hours=3)
    assert await times.fire() == 0
    assert code_of(await times.change(pause, schedule)) == "not_found"
    assert times.kinds() == ["schedule.made", "schedule.deleted", "refused"]


async def test_one_whose_maker_has_left_ends_and_is_told(times: Times) -> None:
    schedule = await times.add()
    await times.world.role("ann", None)
    times.world.clock.advance(hours=3)
    await times.fire()
    assert not await times.calls()
    assert [told.what for told in times.told] == [Told.LEFT]
    assert (await times.now(schedule)).ended_at is not None
    assert times.kinds()[-1] == "schedule.ended"


async def test_policy_is_asked_when_the_time_has_come_for_the_role_of_that_day(times: Times) -> None:
    times.world.rules('[[rule]]\nname = "members may not"\nrole = "member"\ndecision = "deny"\n')
    await times.add(by="cat", tool="high_once")
    await times.world.role("cat", Role.MEMBER)
    times.world.clock.advance(hours=3)
    await times.fire()
    (call,) = await times.calls()
    assert (call.status, call.verdict.rule) == (Status.DENIED, "members may not")


async def test_what_policy_denies_today_is_not_scheduled(times: Times) -> None:
    times.world.rules(DENY)
    answer = await times.try_add()
    assert code_of(answer) == "policy_forbids"
    assert isinstance(answer, Refused)
    assert "closed" in answer.refusal.message
    assert times.world.sql("SELECT count(*) FROM schedules") == [(0,)]


async def test_a_risky_one_is_signed_each_time(times: Times) -> None:
    answer = await times.try_add(tool="high_once")
    assert isinstance(answer, Scheduled)
    assert answer.verdict is not None
    assert answer.verdict.decision is PolicyDecision.REQUIRES_APPROVAL
    times.world.clock.advance(hours=3)
    await times.fire()
    (call,) = await times.calls()
    assert call.status is Status.PROPOSED
    await times.world.approve(call)
    await times.world.execute(call)
    assert times.world.ledger.effects == {call.id: 1}


async def test_one_whose_tool_is_gone_pauses_and_is_told(times: Times) -> None:
    schedule = await times.add()
    tools = [tool for tool in times.world.registry if tool.name != "low_once"]
    times.world.env = replace(times.world.env, registry=ToolRegistry(tools))
    times.world.clock.advance(hours=3)
    await times.fire()
    assert not await times.calls()
    (told,) = times.told
    assert told.what is Told.STOPPED
    assert "low_once" in told.why
    assert (await times.now(schedule)).paused_at is not None
    assert times.kinds()[-2:] == ["refused", "schedule.stopped"]


async def test_one_of_a_team_that_is_switched_off_waits_for_better_days(times: Times) -> None:
    schedule = await times.add()
    times.world.place.rows("UPDATE tenants SET active = ? WHERE id = ?", False, ACME)
    times.world.clock.advance(hours=3)
    async with beside(times.world) as writer:
        await times.fire(writer)
    assert not await times.calls()
    assert not times.told
    assert (await times.now(schedule)).paused_at is None


async def test_a_row_that_cannot_be_read_stops_no_other(times: Times) -> None:
    broken, sound = await times.add(), await times.add()
    times.world.place.damage("UPDATE schedules SET arguments = ? WHERE id = ?", "{", broken.id)
    times.world.clock.advance(hours=3)
    await times.fire()
    assert [call.requester_id for call in await times.calls()] == ["ann"]
    assert (await times.now(sound)).last_call is not None
