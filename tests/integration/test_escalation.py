"""Once reminding did not help, others are asked as well, and may sign then."""

from __future__ import annotations

import json
from datetime import timedelta

from core.lifecycle import Status
from core.model import Role
from tests.kit.waiting import ESCALATING, chats, edited, escalating, person, planned, reminded, swept
from tests.kit.world import (
    World,
    chat_of,
    code_of,
)


async def test_once_reminding_did_not_help_the_next_role_is_asked_as_well(world: World) -> None:
    escalating(world, '["cat"]')
    call = await world.propose("high_once")
    assert chats(world, call) == {chat_of("ann"), chat_of("cat")}
    world.clock.advance(hours=2, minutes=29)
    await swept(world)
    assert code_of(await world.vote(call, "dan", shown=True)) == "not_approver"
    world.clock.advance(minutes=1)
    await swept(world)
    after = await world.call(call)
    assert after.verdict.escalated
    assert after.revision == call.revision
    assert chats(world, call) == {chat_of("ann"), chat_of("cat"), chat_of("dan")}
    event = next(event for event in world.chain() if event.kind == "call.escalated")
    assert json.loads(event.content)["people"] == ["dan"]
    assert "admins are asked as well" in after.verdict.note


async def test_who_was_asked_besides_signs_and_it_runs(world: World) -> None:
    escalating(world, '["cat"]')
    call = await world.propose("high_once")
    world.clock.advance(hours=3)
    await swept(world)
    assert (await world.approve(call, "dan")).status is Status.PENDING
    await world.execute(call)
    assert world.ledger.effects == {call.id: 1}


async def test_who_could_sign_before_still_can_and_nobody_else(world: World) -> None:
    escalating(world, '["cat"]')
    call = await world.propose("high_once", where="group")
    world.clock.advance(hours=3)
    await swept(world)
    assert code_of(await world.vote(call, "cid", shown=True)) == "not_approver"
    assert code_of(await world.vote(call, "ann")) == "self_approval"
    assert (await world.approve(call, "cat")).status is Status.PENDING


async def test_a_policy_that_asks_nobody_further_up_any_more_voids_their_signature(world: World) -> None:
    escalating(world, '["cat"]')
    call = await world.propose("high_once")
    world.clock.advance(hours=3)
    await swept(world)
    call = await world.approve(call, "dan")
    world.rules(ESCALATING.replace('"approver"', '["cat"]').replace("escalate_to", "# "))
    assert code_of(await world.start(call)) == "approval_invalid"
    assert world.ledger.effects == {}


async def test_who_may_sign_anyway_is_left_in_peace_until_then(world: World) -> None:
    escalating(world)
    call = await world.propose("high_once")
    assert chats(world, call) == {chat_of(name) for name in ("ann", "cat", "cid", "gus")}
    world.clock.advance(hours=1)
    await swept(world)
    assert chat_of("dan") not in reminded(world)
    world.clock.advance(hours=2)
    await swept(world)
    assert chat_of("dan") in chats(world, call)
    assert (await world.approve(call, "dan")).status is Status.PENDING


async def test_who_is_asked_later_may_sign_before(world: World) -> None:
    escalating(world)
    call = await world.propose("high_once")
    assert (await world.approve(call, "dan")).status is Status.PENDING


async def test_where_the_others_cannot_be_reached_it_is_asked_further_up_at_once(world: World) -> None:
    escalating(world)
    for name in ("cat", "cid", "gus"):
        await person(world, name, away_until=world.clock.now() + timedelta(days=3))
    assert chats(world, await world.propose("high_once")) == {chat_of("ann"), chat_of("dan")}


async def test_nobody_further_up_there_is_nothing_told(world: World) -> None:
    escalating(world)
    await world.role("dan", Role.APPROVER)
    call = await world.propose("high_once")
    world.clock.advance(hours=3)
    await swept(world)
    assert "call.escalated" not in world.kinds(call)
    assert not (await world.call(call)).verdict.escalated


async def test_an_edit_begins_with_those_asked_first(world: World) -> None:
    escalating(world, '["cat"]')
    call = await world.propose("high_once")
    world.clock.advance(hours=3)
    await swept(world)
    call = await edited(world, await world.call(call), amount=7)
    assert not call.verdict.escalated
    assert code_of(await world.vote(call, "dan", shown=True)) == "not_approver"
    assert set(planned(world, call)) == {"remind", "escalate"}


async def test_the_role_that_is_asked_is_read_when_it_is_asked(world: World) -> None:
    escalating(world, '["cat"]')
    call = await world.propose("high_once")
    await world.role("bob", Role.ADMIN)
    world.clock.advance(hours=3)
    await swept(world)
    assert {chat_of("bob"), chat_of("dan")} <= chats(world, call)
