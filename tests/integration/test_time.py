"""One hour more; and a restart in between changes nothing of what time does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.engine import Proposed
from core.lifecycle import Status
from core.model import Principal
from tests.kit.databases import Place
from tests.kit.waiting import escalating, longer, planned, reminded, swept
from tests.kit.world import (
    UMBRELLA,
    World,
    code_of,
    open_world,
    principal,
    refusal_of,
)


async def test_one_hour_more_is_given_by_who_may_sign(world: World) -> None:
    call = await world.propose("high_once")
    world.clock.advance(hours=23)
    answer = await longer(world, call)
    assert isinstance(answer, Proposed)
    assert call.expires_at is not None
    assert answer.call.expires_at == call.expires_at + timedelta(hours=1)
    assert answer.call.revision == call.revision
    event = world.chain()[-1]
    assert (event.kind, event.actor) == ("call.extended", "cat")
    world.clock.advance(minutes=90)
    assert await world.expire() == 0
    world.clock.advance(minutes=30)
    assert await world.expire() == 1
    assert (await world.call(call)).status is Status.EXPIRED


async def test_votes_outlast_an_extension(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "approver"\ncount = 2\n')
    call = await world.propose("high_once")
    await world.vote(call, "cat")
    await longer(world, call, "cid")
    assert (await world.approve(call, "cid")).status is Status.PENDING


async def test_after_an_extension_people_are_reminded_before_the_new_end(world: World) -> None:
    call = await world.propose("high_once")
    world.clock.advance(hours=20)
    await swept(world)
    before = len(reminded(world))
    world.clock.advance(hours=3, minutes=55)
    await longer(world, call)
    assert planned(world, call) == {"remind": world.clock.now() + timedelta(minutes=52)}
    world.clock.advance(minutes=52)
    await swept(world)
    assert len(reminded(world)) == 2 * before


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (principal("ann"), "not_approver"),
        (principal("bob"), "not_found"),
        (principal("zoe"), "not_found"),
        (principal("eve"), "not_a_member"),
        (principal("gus", UMBRELLA), "tenant_mismatch"),
        (replace(principal("cat"), person=None), "unauthenticated"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_others_give_no_time(world: World, who: Principal, code: str) -> None:
    call = await world.propose("high_once")
    assert code_of(await longer(world, call, who)) == code
    assert await world.call(call) == call


async def test_the_requester_is_told_who_may_give_time(world: World) -> None:
    call = await world.propose("high_once")
    assert "Cat" in refusal_of(await longer(world, call, "ann")).refusal.message


async def test_what_has_expired_gets_no_more_time(world: World) -> None:
    call = await world.propose("high_once")
    world.clock.advance(hours=24)
    assert code_of(await longer(world, call)) == "already_decided"
    assert await world.expire() == 1


async def test_another_revision_gets_no_more_time(world: World) -> None:
    call = await world.propose("high_once")
    assert code_of(await longer(world, call, revision=2)) == "stale_revision"


@pytest.mark.parametrize("when", [timedelta(minutes=30), timedelta(hours=2), timedelta(hours=3)])
async def test_a_restart_in_between_changes_nothing(tmp_path: Path, place: Place, when: timedelta) -> None:
    """The same calls end in the same way at the same times, whether or not the process ended on the way."""
    told = []
    for restarts in (False, True):
        folder = tmp_path / str(restarts)
        here = place if restarts else None
        async with open_world(folder, place=here) as world:
            escalating(world, '["cat"]')
            call = await world.propose("high_once")
            if not restarts:
                told.append(await lived(world, call.id, steps=24, first=0))
                continue
            begun = await lived(world, call.id, steps=int(when / STEP), first=0)
            moment = world.clock.now()
        async with open_world(folder, place=here) as world:
            for _ in range(1000):
                world.new_id()  # the ids of a world count from 1
            escalating(world, '["cat"]')
            world.clock.advance((moment - world.clock.now()).total_seconds())
            rest = await lived(world, call.id, steps=24, first=int(when / STEP))
            told.append(begun + rest)
    assert told[0] == told[1]
    assert [kind for _, kind in told[0]] == ["reminded", "escalated", "expired"]


STEP = timedelta(minutes=10)


async def lived(world: World, call_id: str, *, steps: int, first: int) -> list[tuple[int, str]]:
    """What the clockwork did to the call, and in which of the ten minutes."""
    seen: list[tuple[int, str]] = []
    known = len(world.chain())
    for number in range(first, steps):
        world.clock.advance(STEP.total_seconds())
        await swept(world)
        await world.expire()
        events = world.chain()
        seen += [
            (number, event.kind.removeprefix("call."))
            for event in events[known:]
            if event.call_id == call_id and event.kind != "refused"
        ]
        known = len(events)
    return seen
