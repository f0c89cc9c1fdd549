"""A pause that stops what runs as well: all of it, and only what it covers."""

from __future__ import annotations

import asyncio

import pytest

from core.engine.switches import Paused, running_under
from core.ids import CallId
from core.model import Target
from core.model.pulse import MOST_LISTED
from tests.integration.remote import MAIL, SPARE, Remote
from tests.integration.test_retrying import waiting
from tests.kit.switching import paused, stopped
from tests.kit.world import World


async def stopping(world: World, target: Target, name: str) -> tuple[CallId, ...]:
    """What a pause of this asks to stop."""
    answer = await paused(world, target=target, name=name, cancel_running=True)
    assert isinstance(answer, Paused), answer
    return answer.stopping


async def test_another_teams_flood_hides_nothing_that_a_pause_stops(world: World) -> None:
    theirs = await asyncio.gather(*(world.propose("low_once", by="zoe") for _ in range(MOST_LISTED + 1)))
    await asyncio.gather(*(world.started(call, worker=f"w{n}") for n, call in enumerate(theirs)))
    world.clock.advance(1)
    mine = await world.started(await world.propose("low_once"))
    assert await stopping(world, Target.EVERYTHING, "") == (mine.call.id,)
    everywhere = await stopped(world, everywhere=True)
    found = await world.read(lambda records: running_under(records, everywhere, env=world.env))
    assert set(found) == {mine.call.id, *(call.id for call in theirs)}


@pytest.mark.parametrize(("name", "stops"), [(SPARE, True), (MAIL, False)])
async def test_what_runs_is_stopped_by_the_adapter_that_carries_it(
    world: World, name: str, stops: bool
) -> None:
    remote = Remote(world, failures=1)
    await remote.cut_off()
    running = await world.started(await world.propose("send_over"))
    assert running.attempt.adapter == SPARE
    assert await stopping(world, Target.ADAPTER, name) == ((running.call.id,) if stops else ())


@pytest.mark.parametrize("name", [SPARE, MAIL])
async def test_what_waits_for_its_next_attempt_is_stopped_by_any_that_may_carry_it(
    world: World, name: str
) -> None:
    held = await waiting(Remote(world), "send_over")
    assert await stopping(world, Target.ADAPTER, name) == (held.call.id,)
