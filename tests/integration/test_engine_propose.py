from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from core.engine import Env, Proposed, Refused, ask_again
from core.errors import Code
from core.ids import TenantId, short_id
from core.lifecycle import Status
from core.model import Channel, PolicyDecision, Principal, Risk, Role, StartMode, ToolCall, Vote
from core.registry import ToolRegistry
from tests.kit.tools import tool
from tests.kit.world import (
    ACME,
    APPROVERS_GROUP,
    GROUP,
    SOLO,
    UMBRELLA,
    World,
    chat_of,
    code_of,
    principal,
    refusal_of,
)


async def test_a_low_risk_call_waits_for_a_worker_at_once(world: World) -> None:
    call = await world.propose("low_once")
    assert (call.status, call.verdict.decision) == (Status.PENDING, PolicyDecision.ALLOW)
    assert call.start_by == world.clock.now() + timedelta(hours=24)
    assert call.expires_at is None
    assert await world.call(call) == call
    assert world.kinds(call) == ["call.pending"]


async def test_a_risky_call_waits_for_a_signature(world: World) -> None:
    call = await world.propose("high_once")
    assert call.status is Status.PROPOSED
    assert call.expires_at == world.clock.now() + timedelta(hours=24)
    assert (call.revision, call.version, call.attempts) == (1, 1, 0)
    assert call.title == "Note tea (1)"
    assert call.short_id == short_id(call.id)
    assert world.kinds(call) == ["call.proposed"]


async def test_a_call_that_policy_denies_ends_at_once_with_an_outcome(world: World) -> None:
    world.rules('[[rule]]\nname = "closed"\ndecision = "deny"\nreason = "we are closed"\n')
    call = await world.propose("low_once")
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (call.status, outcome.status, outcome.error_class) == (
        Status.DENIED,
        Status.DENIED,
        "policy_denied",
    )
    assert outcome.error == "Policy denied this: we are closed (closed)."
    assert world.kinds(call) == ["call.denied"]


@pytest.mark.parametrize(
    ("amount", "risk", "status"),
    [
        (50, Risk.LOW, Status.PENDING),
        (51, Risk.MEDIUM, Status.PROPOSED),
        (501, Risk.HIGH, Status.PROPOSED),
    ],
)
async def test_risk_follows_the_arguments(world: World, amount: int, risk: Risk, status: Status) -> None:
    call = await world.propose("spend", arguments={"text": "tea", "amount": amount})
    assert (call.risk, call.status) == (risk, status)


async def test_a_tenant_of_one_signs_for_itself(world: World) -> None:
    call = await world.propose("high_once", by="sol")
    assert "only member" in call.verdict.note
    signed = await world.approve(call, "sol")
    outcome = await world.execute(signed)
    assert outcome.success


async def test_critical_calls_ask_for_two_who_did_not_ask(world: World) -> None:
    call = await world.propose("critical_once", by="cat")
    assert (call.status, call.verdict.count, call.verdict.note) == (Status.PROPOSED, 2, "")
    await world.approve(call, "cid")
    assert (await world.execute(await world.approve(call, "gus"))).success


# --------------------------------------------------------------------------- once


async def test_the_same_message_proposed_again_gives_the_first_call_back(world: World) -> None:
    first = await world.propose("high_once", message=7)
    again = await world.try_propose("high_once", message=7)
    assert again == Proposed(call=first, repeated=True)
    assert world.kinds(first) == ["call.proposed"]


@pytest.mark.parametrize("change", [{"message": 8}, {"place": 1}, {"arguments": {"text": "milk"}}])
async def test_another_message_place_or_use_is_another_call(world: World, change: dict[str, object]) -> None:
    first = await world.propose("high_once", message=7)
    other = await world.propose("high_once", **({"message": 7} | change))  # type: ignore[arg-type]
    assert other.id != first.id


async def test_without_message_or_key_every_proposal_is_a_call(world: World) -> None:
    assert (await world.propose("high_once")).id != (await world.propose("high_once")).id


async def test_a_clients_key_is_good_for_one_call(world: World) -> None:
    first = await world.propose("high_once", key="k")
    assert await world.try_propose("high_once", key="k") == Proposed(call=first, repeated=True)
    conflict = await world.try_propose("high_once", key="k", arguments={"text": "milk"})
    assert code_of(conflict) == "idempotency_conflict"
    elsewhere = await world.propose("high_once", key="k", where="group")
    assert elsewhere.id != first.id


# --------------------------------------------------------------------------- refusals


NOBODY = Principal(person=None, tenant=ACME, roles=frozenset(), channel=Channel.API)


@pytest.mark.parametrize(
    ("who", "code", "chain"),
    [
        (NOBODY, "unauthenticated", "acme"),
        (replace(principal("ann"), tenant=None), "tenant_required", "_system"),
        (principal("eve"), "not_a_member", "acme"),
        (principal("zoe", ACME), "not_a_member", "acme"),
    ],
)
async def test_who_may_not_propose(world: World, who: Principal, code: str, chain: str) -> None:
    answer = await world.try_propose("low_once", as_principal=who, conversation=world.conversation())
    assert code_of(answer) == code
    event = world.chain(chain)[-1]
    assert (event.kind, event.actor) == ("refused", who.actor)
    assert code in event.content


async def test_a_refusal_of_an_unknown_team_goes_to_the_systems_chain(world: World) -> None:
    who = replace(principal("ann"), tenant=TenantId("../nowhere"))
    answer = await world.try_propose("low_once", as_principal=who, conversation=world.conversation())
    assert code_of(answer) == "tenant_unknown"
    # Once: `refused` opens an audit chain under whatever tenant id the caller claims (and the mirror a file
    # of that name); SPEC 5: refusals without a tenant go to the chain `_system`.
    assert world.chain("../nowhere") == []


async def test_an_inactive_team_proposes_nothing(world: World) -> None:
    world.sql("UPDATE tenants SET active = FALSE WHERE id = 'acme'")
    assert code_of(await world.try_propose("low_once")) == "tenant_inactive"


async def test_a_conversation_of_another_team_is_refused(world: World) -> None:
    answer = await world.try_propose("low_once", conversation=world.conversation("zoe", UMBRELLA))
    assert code_of(answer) == "tenant_mismatch"


async def test_an_unknown_tool_and_bad_input_are_refused_and_audited(world: World) -> None:
    assert code_of(await world.try_propose("nope")) == "tool_not_found"
    bad = refusal_of(await world.try_propose("low_once", arguments={"text": ""}))
    assert bad.refusal.code is Code.INVALID_INPUT
    assert bad.refusal.details["field"] == "text"
    assert [event.kind for event in world.chain()] == ["refused", "refused"]
    assert world.sql("SELECT count(*) FROM tool_calls") == [(0,)]


async def test_a_number_too_big_for_canonical_json_is_bad_input(world: World) -> None:
    # Once: args_digest raises ValueError out of propose ("/done 99999999999999999999" is such a number).
    answer = await world.try_propose("low_once", arguments={"text": "tea", "amount": 2**60})
    assert code_of(answer) == "invalid_input"


async def test_a_tool_whose_assess_breaks_is_not_let_through_and_does_not_break_the_door(
    world: World,
) -> None:
    def broken(_arguments: object, _context: object) -> Risk:
        raise ZeroDivisionError

    world.registry.register(tool("broken", assess=broken))
    # Once: propose raises what assess raises; facts.risk_of takes the same call for critical at dispatch.
    answer = await world.try_propose("broken")
    assert isinstance(answer, Refused) or answer.call.risk is Risk.CRITICAL


# --------------------------------------------------------------------------- cards


async def chats(world: World, call: ToolCall) -> dict[int, bool]:
    """The chats that a card of the call goes to, and whether it is only a line there."""
    cards = await world.read(lambda records: records.cards.of(call.id))
    queued = set(await world.read(lambda records: records.outbox.chats()))
    # A line waits for the end: nothing is shown of a call that is done in a moment.
    assert {card.chat for card in cards if not card.line} <= queued
    return {card.chat: bool(card.line) for card in cards}


async def test_a_call_that_needs_nobody_is_one_line(world: World) -> None:
    assert await chats(world, await world.propose("low_once")) == {chat_of("ann"): True}


async def test_a_call_that_the_requester_may_sign_goes_to_nobody_else(world: World) -> None:
    assert await chats(world, await world.propose("medium_once")) == {chat_of("ann"): False}


async def test_copies_go_to_all_who_may_sign_in_private(world: World) -> None:
    call = await world.propose("high_once", where="group")
    assert await chats(world, call) == {
        GROUP: False,
        chat_of("cat"): False,
        chat_of("cid"): False,
        chat_of("dan"): False,
        chat_of("gus"): False,
    }


async def test_an_approver_who_asks_gets_no_second_card(world: World) -> None:
    call = await world.propose("high_once", by="cat")
    assert set(await chats(world, call)) == {chat_of(name) for name in ("cat", "cid", "dan", "gus")}


async def test_who_has_not_opened_the_bot_gets_no_copy(world: World) -> None:
    await world.unit(lambda records: records.people.set_private_chat(Channel.TELEGRAM, "cat", None))
    assert chat_of("cat") not in await chats(world, await world.propose("high_once"))


async def test_copies_go_to_the_approvers_chat_where_there_is_one(world: World) -> None:
    world.env = replace(world.env, approvers_chat=APPROVERS_GROUP)
    call = await world.propose("high_once")
    assert set(await chats(world, call)) == {chat_of("ann"), APPROVERS_GROUP}
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = ["Cat"]\n')
    named = await world.propose("high_once")
    assert set(await chats(world, named)) == {chat_of("ann"), chat_of("cat")}


async def test_a_call_from_a_program_has_copies_only(world: World) -> None:
    place = replace(world.conversation(), id=world.conversation().id, channel=Channel.API, chat="client")
    call = await world.propose("high_once", conversation=place)
    assert chat_of("ann") not in await chats(world, call)


# --------------------------------------------------------------------------- short ids, start modes


async def test_a_short_id_that_is_taken_is_drawn_anew(world: World) -> None:
    first = await world.propose("low_once")
    drawn = iter([first.id, world.new_id(), *(world.new_id() for _ in range(20))])
    world.env = replace(world.env, new_id=lambda: next(drawn))
    second = await world.propose("low_once")
    assert second.short_id != first.short_id


async def test_short_ids_grow_where_it_is_crowded(world: World) -> None:
    first = await world.propose("low_once")
    twins = iter(str(UUID(int=UUID(first.id).int ^ (1 << (40 + n)))) for n in range(20))
    new_id = world.env.new_id
    drawn = iter([*(next(twins) for _ in range(4))])
    world.env = replace(world.env, new_id=lambda: next(drawn, None) or new_id())
    second = await world.propose("low_once")
    assert (len(first.short_id), len(second.short_id)) == (6, 7)
    assert second.short_id.endswith(first.short_id)


async def test_a_manual_call_waits_for_execute(world: World) -> None:
    call = await world.propose("low_once", start_mode=StartMode.MANUAL)
    auto = await world.propose("low_once")
    waiting = await world.read(lambda records: records.calls.waiting(Status.PENDING, limit=9))
    assert list(waiting) == [auto.id]
    assert call.start_mode is StartMode.MANUAL


# --------------------------------------------------------------------------- asking again


async def ask(world: World, call: ToolCall, by: str = "ann") -> Proposed | Refused:
    return await world.unit(
        lambda records: ask_again(records, call, by=principal(by), now=world.clock.moment, env=world.env)
    )


async def test_asking_again_makes_a_new_linked_call_once(world: World) -> None:
    call = await world.propose("high_once")
    await world.vote(call, "cat", Vote.DENIED)
    denied = await world.call(call)
    fresh = await ask(world, denied)
    assert isinstance(fresh, Proposed)
    assert (fresh.call.retry_of, fresh.call.status) == (call.id, Status.PROPOSED)
    assert fresh.call.arguments == call.arguments
    assert await ask(world, denied) == Proposed(call=fresh.call, repeated=True)


async def test_a_call_that_has_not_ended_is_not_asked_again(world: World) -> None:
    call = await world.propose("high_once")
    assert code_of(await ask(world, call)) == "not_pending"


async def test_asking_again_goes_through_todays_policy(world: World) -> None:
    done = await world.done("low_once")
    world.rules('[[rule]]\ndecision = "deny"\n')
    fresh = await ask(world, done)
    assert isinstance(fresh, Proposed)
    assert fresh.call.status is Status.DENIED


async def test_people_of_two_teams_propose_in_the_one_they_are_in(world: World) -> None:
    mine = await world.propose("low_once", by="gus")
    other = await world.propose("low_once", as_principal=principal("gus", UMBRELLA), where="gus")
    assert (mine.tenant_id, other.tenant_id) == (ACME, UMBRELLA)
    assert len(world.chain(ACME)) == len(world.chain(UMBRELLA)) == 1


async def test_the_only_admin_of_a_team_of_two_is_told_that_nobody_can_sign(world: World) -> None:
    await world.role("bob", Role.MEMBER, SOLO)
    call = await world.propose("high_once", by="sol")
    assert "Nobody here can sign" in call.verdict.note


def test_the_environment_is_data() -> None:
    env = Env(registry=ToolRegistry(), policy=lambda: None, new_id=str)  # type: ignore[arg-type,return-value]
    assert env.limits.lease == timedelta(seconds=15)


async def test_only_the_requester_asks_again(world: World) -> None:
    """Else whoever may sign could bring back what was withdrawn, and sign it."""
    call = await world.propose("high_once")
    await world.vote(call, "cat", Vote.DENIED)
    denied = await world.call(call)
    assert code_of(await ask(world, denied, "cat")) == "not_owner"
    assert code_of(await ask(world, denied, "dan")) == "not_owner"
    assert isinstance(await ask(world, denied), Proposed)
