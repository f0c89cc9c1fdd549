"""Where cards go: to those who may sign, as the rule says, and elsewhere where they cannot be reached."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from core.engine import Proposed
from core.engine.routing import ask_others, follow_chat, reach
from core.ids import PersonId
from core.lifecycle import Status
from core.model import Channel, Role, ToolCall
from core.ports import Records
from tests.kit.waiting import chats, person, rerouted
from tests.kit.world import APPROVERS_GROUP, GROUP, SOLO, World, chat_of, code_of, principal

SIGNERS = {chat_of(name) for name in ("cat", "cid", "gus", "dan")}
ANN = chat_of("ann")
LONG = {"text": "x" * 2000}


def sends(world: World, to: str, **more: str) -> None:
    """From now on every call asks for a signature, and its cards go there."""
    rest = "".join(f"{name} = {value}\n" for name, value in more.items())
    world.rules(f'[[rule]]\ndecision = "requires_approval"\ncards_to = {to}\n{rest}')


async def blocked(world: World, name: str) -> None:
    """Somebody has blocked the bot."""
    await world.unit(lambda records: records.people.set_private_chat(Channel.TELEGRAM, name, None))


async def lost(world: World, call: ToolCall, chat: int) -> None:
    """The call's card cannot be delivered there."""
    await world.unit(
        lambda records: ask_others(records, call.id, lost=chat, now=world.clock.moment, env=world.env)
    )


# --------------------------------------------------------------------------- by rule


async def test_as_usual_a_copy_goes_to_each_who_may_sign(world: World) -> None:
    assert chats(world, await world.propose("high_once")) == SIGNERS | {ANN}


async def test_to_the_requester_alone_where_others_see_it_there(world: World) -> None:
    sends(world, '"requester"')
    assert chats(world, await world.propose("high_once", where="group")) == {GROUP}


async def test_what_a_groups_card_does_not_show_goes_to_signers_all_the_same(world: World) -> None:
    sends(world, '"requester"')
    call = await world.propose("high_once", where="group", arguments=LONG)
    assert chats(world, call) == SIGNERS | {GROUP}


async def test_to_the_requester_alone_is_no_way_to_have_it_signed_by_nobody(world: World) -> None:
    sends(world, '"requester"')
    call = await world.propose("high_once")
    assert chats(world, call) == SIGNERS | {ANN}, "nobody but the requester reads their private chat"


async def test_to_the_approvers_also_where_the_requester_may_sign(world: World) -> None:
    sends(world, '"approvers"', self_approval="true")
    assert chats(world, await world.propose("low_once")) == SIGNERS | {ANN}


async def test_to_the_chat_that_the_rule_names(world: World) -> None:
    sends(world, "-4242")
    call = await world.propose("high_once")
    assert chats(world, call) == {ANN, -4242}
    ((private,),) = world.sql("SELECT private FROM cards WHERE chat = -4242")
    assert not private
    assert chats(world, await world.propose("high_once", arguments=LONG)) == SIGNERS | {ANN, -4242}


async def test_a_call_from_a_program_goes_to_those_who_may_sign_also_its_requester(world: World) -> None:
    place = replace(world.conversation(), channel=Channel.API)
    call = await world.propose("medium_once", conversation=place)
    assert chats(world, call) == SIGNERS | {ANN}


# --------------------------------------------------------------------------- who is not there


async def test_nobody_reached_is_told_at_once(world: World) -> None:
    for name in ("cat", "cid", "gus", "dan"):
        await blocked(world, name)
    call = await world.propose("high_once")
    assert chats(world, call) == {ANN}
    assert "Nobody who may sign this has opened me yet" in call.verdict.note


async def test_where_all_are_away_they_are_asked_and_that_is_told(world: World) -> None:
    for name in ("cat", "cid", "gus", "dan"):
        await person(world, name, away_until=world.clock.now() + timedelta(days=1))
    call = await world.propose("high_once")
    assert chats(world, call) == SIGNERS | {ANN}
    assert "are away" in call.verdict.note


async def test_where_too_few_are_here_those_away_are_asked_too(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "approver"\ncount = 2\n')
    for name in ("cat", "gus", "dan"):
        await person(world, name, away_until=world.clock.now() + timedelta(days=1))
    assert chats(world, await world.propose("high_once")) == SIGNERS | {ANN}


async def test_a_stand_in_who_may_not_sign_is_not_asked(world: World) -> None:
    away = world.clock.now() + timedelta(days=1)
    await person(world, "cat", away_until=away, stand_in=PersonId("bob"))
    call = await world.propose("high_once")
    assert chats(world, call) == SIGNERS - {chat_of("cat")} | {ANN}
    assert code_of(await world.vote(call, "bob", shown=True)) == "not_approver"


async def test_a_stand_in_who_would_be_asked_later_is_asked_now(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "approver"\nescalate_to = "admin"\n')
    assert chat_of("dan") not in chats(world, await world.propose("high_once"))
    away = world.clock.now() + timedelta(days=1)
    await person(world, "cat", away_until=away, stand_in=PersonId("dan"))
    call = await world.propose("high_once")
    assert chats(world, call) == SIGNERS - {chat_of("cat")} | {ANN}


async def test_an_approvers_chat_that_is_gone_is_replaced_by_private_chats(world: World) -> None:
    world.env = replace(world.env, approvers_chat=APPROVERS_GROUP)
    call = await world.propose("high_once")
    assert chats(world, call) == {ANN, APPROVERS_GROUP}
    await lost(world, call, APPROVERS_GROUP)
    assert chats(world, call) == SIGNERS | {ANN, APPROVERS_GROUP}


async def test_the_last_signer_who_blocked_the_bot_leaves_a_note(world: World) -> None:
    for name in ("cid", "gus", "dan"):
        await blocked(world, name)
    call = await world.propose("high_once")
    assert call.verdict.note == ""
    await blocked(world, "cat")
    await lost(world, call, chat_of("cat"))
    assert "Nobody who may sign this" in (await world.call(call)).verdict.note
    before = len(world.kinds(call))
    await lost(world, call, chat_of("cat"))
    assert len(world.kinds(call)) == before, "it is told once"


async def test_who_came_back_from_being_away_is_asked_where_another_is_lost(world: World) -> None:
    for name in ("cid", "gus", "dan"):
        await blocked(world, name)
    await person(world, "cat", away_until=world.clock.now() + timedelta(hours=1))
    await world.role("bob", Role.APPROVER)
    call = await world.propose("high_once")
    assert chats(world, call) == {ANN, chat_of("bob")}
    await blocked(world, "bob")
    await lost(world, call, chat_of("bob"))
    assert chats(world, call) == {ANN, chat_of("bob"), chat_of("cat")}


async def test_nothing_is_asked_anew_of_what_was_decided(world: World) -> None:
    world.env = replace(world.env, approvers_chat=APPROVERS_GROUP)
    call = await world.approve(await world.propose("high_once"))
    await lost(world, call, APPROVERS_GROUP)
    assert chats(world, call) == {ANN, APPROVERS_GROUP}


# --------------------------------------------------------------------------- roles change


async def test_a_new_approver_gets_the_cards_that_wait(world: World) -> None:
    call = await world.propose("high_once")
    await world.role("bob", Role.APPROVER)
    await rerouted(world)
    assert chat_of("bob") in chats(world, call)
    queued = {row[0] for row in world.sql("SELECT chat FROM outbox WHERE done_at IS NULL")}
    assert {chat_of("bob"), ANN} <= queued
    assert (await world.approve(call, "bob")).status is Status.PENDING


async def test_a_call_that_nobody_can_sign_any_more_says_so(world: World) -> None:
    call = await world.propose("high_once")
    for name in ("cat", "cid", "gus", "dan"):
        await world.role(name, Role.MEMBER)
    await rerouted(world)
    after = await world.call(call)
    assert "can sign this" in after.verdict.note
    assert after.revision == call.revision
    assert world.kinds(call) == ["call.proposed", "call.rerouted"]
    await world.role("cat", Role.APPROVER)
    await rerouted(world)
    assert (await world.call(call)).verdict.note == ""
    assert (await world.approve(call, "cat")).status is Status.PENDING


async def test_a_named_signer_who_left_is_told_as_that(world: World) -> None:
    world.rules('[[rule]]\nname = "office"\ndecision = "requires_approval"\napprovers = ["Cat"]\n')
    call = await world.propose("high_once")
    await world.role("cat", None)
    await rerouted(world)
    after = await world.call(call)
    assert after.status is Status.PROPOSED
    assert "Cat" in after.verdict.note
    assert code_of(await world.vote(call, "dan", shown=True)) == "not_approver"


async def test_who_is_left_alone_may_sign_their_own_and_is_told(world: World) -> None:
    call = await world.propose("high_once", by="dan")
    for name in ("ann", "bob", "cat", "cid", "gus"):
        await world.role(name, None)
    await rerouted(world)
    assert "only member" in (await world.call(call)).verdict.note
    assert (await world.approve(call, "dan")).status is Status.PENDING


async def test_votes_outlast_a_change_of_roles(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "approver"\ncount = 2\n')
    call = await world.propose("high_once")
    await world.vote(call, "cat")
    await world.role("bob", Role.APPROVER)
    await rerouted(world)
    assert (await world.approve(call, "bob")).status is Status.PENDING


async def test_what_nothing_changed_for_is_not_audited(world: World) -> None:
    call = await world.propose("high_once")
    await rerouted(world)
    assert world.kinds(call) == ["call.proposed"]


async def test_other_teams_calls_are_left_alone(world: World) -> None:
    call = await world.propose("high_once", by="zoe")
    await world.role("ann", Role.APPROVER)
    await rerouted(world)
    assert chats(world, call) == {chat_of("zoe")}
    assert world.kinds(call) == ["call.proposed"]


async def test_a_call_whose_tool_is_gone_is_still_shown_to_who_may_deny_it(world: World) -> None:
    call = await world.propose("high_once")
    world.change(call, "tool", "gone")
    await world.role("bob", Role.APPROVER)
    await rerouted(world)
    assert chat_of("bob") in chats(world, call)


async def test_somebody_alone_is_asked_in_their_own_chat(world: World) -> None:
    call = await world.propose("high_once", by="sol", as_principal=principal("sol", SOLO))
    assert chats(world, call) == {chat_of("sol")}


async def test_who_opens_the_bot_is_asked_what_waits(world: World) -> None:
    for name in ("cat", "cid", "gus", "dan"):
        await blocked(world, name)
    call = await world.propose("high_once")

    def opened(records: Records) -> None:
        records.people.set_private_chat(Channel.TELEGRAM, "cat", chat_of("cat"))
        reach(records, PersonId("cat"), now=world.clock.moment, env=world.env)

    await world.unit(opened)
    assert chats(world, call) == {ANN, chat_of("cat")}
    assert (await world.call(call)).verdict.note == ""


async def test_a_row_that_cannot_be_read_keeps_no_other_call_from_being_asked_for(world: World) -> None:
    done = await world.done("undo_asks")
    undo = await world.undo(done)
    assert isinstance(undo, Proposed)
    call = await world.propose("high_once")
    world.change(done, "arguments", "{")
    await world.role("bob", Role.APPROVER)
    await rerouted(world)
    assert chat_of("bob") in chats(world, call)
    assert world.sql("SELECT row_id FROM quarantine") == [(done.id,)]


# --------------------------------------------------------------------------- a chat moves


async def test_a_chat_that_moves_has_one_card_of_what_both_show(world: World) -> None:
    """The approvers' group became a supergroup: what is asked for there has a card there, and a copy in the
    group of before, which the settings still name."""
    world.env = replace(world.env, approvers_chat=APPROVERS_GROUP)
    both, other = await world.propose("high_once", where="group"), await world.propose("high_once")
    assert chats(world, both) == {GROUP, APPROVERS_GROUP}
    (kept,) = [card for card in await world.read(lambda r: r.cards.of(both.id)) if card.chat == GROUP]
    for _ in range(2):  # a change of roles has the copy made again
        await world.unit(lambda r: follow_chat(r, old=APPROVERS_GROUP, new=GROUP, now=world.clock.now()))
        assert await world.read(lambda r: r.cards.of(both.id)) == [kept]
        assert chats(world, other) == {ANN, GROUP}
        waiting = {row[0] for row in world.sql("SELECT card_id FROM outbox WHERE done_at IS NULL")}
        assert waiting == {row[0] for row in world.sql("SELECT id FROM cards")}, "a card that is not there"
        await rerouted(world)
        assert APPROVERS_GROUP in chats(world, both) & chats(world, other)
