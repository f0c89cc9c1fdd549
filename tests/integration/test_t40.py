"""T40: the wall clock is set an hour and a year on and back while calls are open. Nothing that ended comes
back, nobody loses what they hold, and nothing runs twice. (Schedules over such times: tests of schedules.)"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from core.lifecycle import ENDS, Status
from core.model import ToolCall
from tests.kit.world import World, code_of

HOUR, YEAR = timedelta(hours=1), timedelta(days=365)
SHIFTS: Final = ([HOUR, -HOUR], [-HOUR, HOUR], [YEAR, -YEAR], [-YEAR, YEAR], [HOUR, -YEAR, YEAR, -HOUR])


@pytest.mark.parametrize("shifts", SHIFTS, ids=str)
async def test_t40_nothing_that_ended_comes_back(world: World, shifts: list[timedelta]) -> None:
    open_call = await world.propose("high_once")
    signed = await world.approved()
    running = await world.started(await world.approved())
    ended = [await world.done("undoable"), await _denied(world), await _cancelled(world)]
    over: dict[str, Status] = {}
    for shift in shifts:
        world.clock.move_wall(shift.total_seconds())
        await world.expire()
        assert await world.recover() == [], "a lease is in real time: nobody else may take it"
        for call in (open_call, signed, *ended):
            found = (await world.call(call)).status
            assert over.get(call.id, found) is found, "it came back"
            if found in ENDS:
                over[call.id] = found
                assert code_of(await world.start(call)) == "not_pending"
    outcome = await world.finish(running, await world.run(running))
    assert outcome is not None
    assert outcome.success
    assert world.ledger.effects[running.call.id] == 1
    far = any(abs(shift) > HOUR and shift > timedelta(0) for shift in shifts[:1])
    assert {over.get(open_call.id), over.get(signed.id)} == ({Status.EXPIRED} if far else {None})
    print(f"T40: {len(shifts)}/{len(shifts)} shifts, {len(over)} calls ended, 0 came back")


@pytest.mark.parametrize("shift", [HOUR, -HOUR, YEAR, -YEAR], ids=str)
async def test_t40_what_is_open_can_still_be_decided_or_is_over(world: World, shift: timedelta) -> None:
    call = await world.propose("high_once")
    world.clock.move_wall(shift.total_seconds())
    answer = await world.vote(call, "cat")
    if shift is YEAR:
        assert code_of(answer) == "already_decided"
        assert await world.expire() == 1
        return
    assert (await world.call(call)).status is Status.PENDING
    assert (await world.execute(await world.call(call))).success
    assert world.ledger.effects == {call.id: 1}


async def _denied(world: World) -> ToolCall:
    world.rules('[[rule]]\nname = "no"\ntool = "low_once"\ndecision = "deny"\nreason = "no"\n')
    call = await world.propose("low_once")
    assert call.status is Status.DENIED
    return call


async def _cancelled(world: World) -> ToolCall:
    call = await world.propose("high_once")
    await world.cancel(call)
    return await world.call(call)
