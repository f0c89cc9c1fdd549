"""Time and those who may sign: reminded, given longer, others asked; and nothing of it is forgotten."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.engine import Proposed
from core.lifecycle import Status
from core.model import Principal, Role, Vote
from tests.kit.databases import Place
from tests.kit.waiting import chats, edited, longer, person, planned, reminded, swept
from tests.kit.world import (
    APPROVERS_GROUP,
    GROUP,
    UMBRELLA,
    World,
    chat_of,
    code_of,
    open_world,
    principal,
    refusal_of,
)

ESCALATING = """
[[rule]]
name = "office"
tool = "high_*"
decision = "requires_approval"
approvers = "approver"
expires_after = "4h"
remind_after = "1h"
escalate_to = "admin"
"""
SIGNERS = [chat_of(name) for name in ("cat", "cid", "gus", "dan")]


def escalating(world: World, approvers: str = '"approver"') -> None:
    """From now on `approvers` sign, and admins too after two and a half hours."""
    world.rules(ESCALATING.replace('"approver"', approvers))


# --------------------------------------------------------------------------- reminders


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


# --------------------------------------------------------------------------- quiet hours, away


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


# --------------------------------------------------------------------------- escalation


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


# --------------------------------------------------------------------------- one hour more


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


# --------------------------------------------------------------------------- restarts


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


async def test_the_role_that_is_asked_is_read_when_it_is_asked(world: World) -> None:
    escalating(world, '["cat"]')
    call = await world.propose("high_once")
    await world.role("bob", Role.ADMIN)
    world.clock.advance(hours=3)
    await swept(world)
    assert {chat_of("bob"), chat_of("dan")} <= chats(world, call)
