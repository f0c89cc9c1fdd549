"""Who may sign is reminded in time, once, and not while it is quiet where they are or they are away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from core.lifecycle import Status
from core.model import Vote
from tests.kit.waiting import chats, edited, escalating, person, planned, reminded, swept
from tests.kit.world import (
    APPROVERS_GROUP,
    GROUP,
    World,
    chat_of,
)

SIGNERS = [chat_of(name) for name in ("cat", "cid", "gus", "dan")]


async def test_who_may_sign_is_reminded_when_a_fifth_of_the_time_is_left(world: World) -> None:
    call = await world.propose("high_once")
    world.clock.advance(hours=19, minutes=11)
    assert await swept(world) == 0
    world.clock.advance(minutes=1)
    assert await swept(world) == 1
    assert sorted(reminded(world)) == sorted(SIGNERS)
    assert world.kinds(call) == ["call.proposed", "call.reminded"]


async def test_a_reminder_comes_once(world: World) -> None:
    await world.propose("high_once")
    world.clock.advance(hours=20)
    await swept(world)
    world.clock.advance(hours=1)
    assert await swept(world) == 0
    assert len(reminded(world)) == len(SIGNERS)


async def test_short_waits_leave_ten_minutes_to_look(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\nexpires_after = "15m"\n')
    call = await world.propose("high_once")
    assert planned(world, call) == {"remind": world.clock.now() + timedelta(minutes=5)}


async def test_of_what_expires_at_once_nobody_is_reminded(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\nexpires_after = "10m"\n')
    call = await world.propose("high_once")
    assert planned(world, call) == {}


async def test_a_rule_says_when_to_remind(world: World) -> None:
    escalating(world)
    call = await world.propose("high_once")
    assert planned(world, call)["remind"] == world.clock.now() + timedelta(hours=1)


async def test_nobody_is_reminded_of_what_needs_no_signature(world: World) -> None:
    assert planned(world, await world.propose("low_once")) == {}


@pytest.mark.parametrize("end", ["approved", "denied", "cancelled", "expired"])
async def test_nobody_is_reminded_of_what_was_decided(world: World, end: str) -> None:
    call = await world.propose("high_once")
    if end == "approved":
        await world.approve(call)
    elif end == "denied":
        await world.vote(call, "cat", Vote.DENIED)
    elif end == "cancelled":
        await world.cancel(call)
    world.clock.advance(hours=30 if end == "expired" else 20)
    await swept(world)
    assert reminded(world) == []
    assert "call.reminded" not in world.kinds(call)


async def test_who_has_voted_is_not_reminded(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "approver"\ncount = 2\n')
    call = await world.propose("high_once")
    await world.vote(call, "cat")
    world.clock.advance(hours=20)
    await swept(world)
    assert chat_of("cat") not in reminded(world)
    assert chat_of("cid") in reminded(world)


async def test_who_voted_on_what_it_was_is_reminded_of_what_it_is(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "approver"\ncount = 2\n')
    call = await world.propose("high_once")
    await world.vote(call, "cat")
    await edited(world, call, amount=7)
    world.clock.advance(hours=20)
    await swept(world)
    assert chat_of("cat") in reminded(world)


async def test_an_approvers_chat_is_reminded_as_one(world: World) -> None:
    world.env = replace(world.env, approvers_chat=APPROVERS_GROUP)
    await world.propose("high_once")
    world.clock.advance(hours=20)
    await swept(world)
    assert reminded(world) == [APPROVERS_GROUP]


async def test_a_group_whose_card_is_the_only_one_is_reminded_there(world: World) -> None:
    await world.propose("medium_once", where="group")
    world.clock.advance(hours=20)
    await swept(world)
    assert reminded(world) == [GROUP]


async def test_the_requester_who_may_sign_alone_is_reminded(world: World) -> None:
    await world.propose("medium_once")
    world.clock.advance(hours=20)
    await swept(world)
    assert reminded(world) == [chat_of("ann")]


async def test_in_quiet_hours_a_reminder_waits_for_their_end(world: World) -> None:
    await person(world, "cat", quiet_from=22 * 60, quiet_to=9 * 60, timezone="Europe/Berlin")
    call = await world.propose("high_once")  # noon; the reminder is due at 07:12 UTC, 08:12 in Berlin
    world.clock.advance(hours=19, minutes=12)
    await swept(world)
    assert chat_of("cat") not in reminded(world)
    assert chat_of("cid") in reminded(world)
    assert planned(world, call) == {"remind:cat": datetime(2026, 11, 21, 8, 0, tzinfo=UTC)}
    world.clock.advance(minutes=48)
    await swept(world)
    assert reminded(world).count(chat_of("cat")) == 1


async def test_who_voted_meanwhile_is_not_reminded_after_quiet_hours(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "approver"\ncount = 2\n')
    await person(world, "cat", quiet_from=0, quiet_to=9 * 60)
    call = await world.propose("high_once")
    world.clock.advance(hours=19, minutes=12)
    await swept(world)
    await world.vote(call, "cat")
    world.clock.advance(hours=2)
    await swept(world)
    assert chat_of("cat") not in reminded(world)


async def test_who_is_away_is_neither_asked_nor_reminded(world: World) -> None:
    await person(world, "cat", away_until=world.clock.now() + timedelta(days=3))
    call = await world.propose("high_once")
    assert chat_of("cat") not in chats(world, call)
    assert chat_of("cid") in chats(world, call)
    world.clock.advance(hours=20)
    await swept(world)
    assert chat_of("cat") not in reminded(world)
    assert (await world.approve(call, "cat")).status is Status.PENDING, "away is no loss of a right"


async def test_who_came_back_is_shown_the_card_with_the_reminder(world: World) -> None:
    await person(world, "cat", away_until=world.clock.now() + timedelta(hours=2))
    call = await world.propose("high_once")
    world.clock.advance(hours=20)
    await swept(world)
    assert chat_of("cat") in chats(world, call)
    assert chat_of("cat") in reminded(world)
