"""Grants: made with a signature, listed, and revoked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from core.engine import Proposed
from core.engine.grants import Revoked, listed
from core.ids import AccountId, GrantId
from core.lifecycle import Status
from core.model import Principal, Role, ToolCall, Vote
from tests.integration.granting import ASK, LUNCH, ask, granted, kept, try_grant, try_revoke
from tests.kit.clock import NOON
from tests.kit.world import UMBRELLA, World, code_of, principal, refusal_of

# --------------------------------------------------------------------------- making one


async def test_a_grant_signs_the_call_and_is_told(world: World) -> None:
    made = await granted(world)
    assert (made.tool, made.requester_id, made.granted_by, made.granted_by_name) == (
        *("pay", "ann", "cat"),
        "Cat",
    )
    assert (made.scope, made.conversation_id, made.used) == ({"text": "lunch", "amount": 200}, None, 0)
    assert made.expires_at - made.created_at == timedelta(hours=1)
    call = await world.call(made.call_id)
    assert world.kinds(call) == ["call.proposed", "call.pending", "grant.made"]
    told = json.loads(world.chain()[-1].content)
    assert (told["scope"], told["span"], told["grant"]) == (made.scope, "hour", made.id)
    (vote,) = (await world.view(call)).approvals
    assert (vote.person_id, vote.vote) == ("cat", Vote.APPROVED)
    assert (await world.execute(call)).success


async def test_a_grant_for_this_chat_lasts_a_week_and_holds_there_only(world: World) -> None:
    made = await granted(world, span="chat")
    assert made.conversation_id == world.conversation("ann").id
    assert made.expires_at - made.created_at == timedelta(days=7)
    assert (await ask(world)).status is Status.PENDING
    assert (await ask(world, where="group")).status is Status.PROPOSED


async def test_what_must_not_be_read_is_not_in_the_audit(world: World) -> None:
    tool = replace(world.registry.get("pay"), sensitive=frozenset({"text"}))
    world.registry._tools["pay"] = tool
    made = await granted(world, arguments={"text": "s3cret", "amount": 200})
    assert made.scope["text"] == "s3cret"
    assert not [event for event in world.chain() if "s3cret" in event.content]


@pytest.mark.parametrize(
    ("zone", "tenants", "until"),
    [
        (None, "UTC", datetime(2026, 11, 21, tzinfo=UTC)),
        (None, "Asia/Tokyo", datetime(2026, 11, 20, 15, tzinfo=UTC)),
        ("Pacific/Auckland", "UTC", datetime(2026, 11, 21, 11, tzinfo=UTC)),
        ("America/New_York", "UTC", datetime(2026, 11, 21, 5, tzinfo=UTC)),
    ],
)
async def test_a_grant_for_today_ends_at_midnight_where_the_granter_is(
    world: World, zone: str | None, tenants: str, until: datetime
) -> None:
    world.sql("UPDATE tenants SET timezone = ?", tenants)
    world.sql("UPDATE people SET timezone = ? WHERE id = 'cat'", zone)
    assert (await granted(world, span="today")).expires_at == until


async def test_a_day_of_25_hours_has_one_midnight(world: World) -> None:
    world.sql("UPDATE people SET timezone = 'Europe/Berlin' WHERE id = 'cat'")
    world.clock.move_wall((datetime(2026, 10, 24, 22, 30, tzinfo=UTC) - NOON).total_seconds())
    assert (await granted(world, span="today")).expires_at == datetime(2026, 10, 25, 23, tzinfo=UTC)


async def test_the_requester_may_grant_what_they_may_sign_alone(world: World) -> None:
    made = await granted(world, by="ann", arguments={"text": "tea", "amount": 60})
    assert made.granted_by == "ann"
    assert (await ask(world, 60, text="tea")).status is Status.PENDING


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (principal("ann"), "self_approval"),
        (principal("bob"), "not_found"),
        (principal("eve"), "not_a_member"),
        (principal("zoe"), "not_found"),
        (principal("gus", UMBRELLA), "tenant_mismatch"),
        (replace(principal("cat"), tenant=None), "tenant_required"),
    ],
    ids=["ann", "bob", "eve", "zoe", "gus", "cat without a team"],
)
async def test_who_may_not_sign_grants_nothing(world: World, who: Principal, code: str) -> None:
    call = await ask(world)
    assert code_of(await try_grant(world, call, who)) == code
    assert await world.call(call) == call
    assert world.sql("SELECT count(*) FROM grants") == [(0,)]
    assert [event.kind for event in world.chain()][-1] == "refused"


async def test_a_bystander_is_told_who_signs(world: World) -> None:
    call = await ask(world, where="group")
    message = refusal_of(await try_grant(world, call, "bob", shown=True)).refusal.message
    assert message.endswith("This is signed by Dan, Cat, Cid or Gus.")


async def test_what_was_not_shown_is_not_granted(world: World) -> None:
    call = await ask(world)
    assert code_of(await try_grant(world, call, delivered=False)) == "not_delivered"
    assert world.sql("SELECT count(*) FROM grants") == [(0,)]


async def test_the_same_tap_twice_is_one_grant(world: World) -> None:
    call = await ask(world)
    first = await try_grant(world, call)
    second = await try_grant(world, call)
    assert (second.repeated, second.grant) == (True, first.grant)
    assert world.sql("SELECT count(*) FROM grants") == [(1,)]


async def test_after_the_decision_it_is_too_late(world: World) -> None:
    call = await world.approved("pay", signer="cat")
    assert code_of(await try_grant(world, call, "cat")) == "already_decided"
    assert code_of(await try_grant(world, call, "cid")) == "already_decided"


async def critical(world: World) -> ToolCall:
    world.rules(ASK + 'approvers = "approver"\ncount = 1\n')
    return await ask(world, 5000)


async def without_scope(world: World) -> ToolCall:
    return await world.propose("high_once")


async def an_undo(world: World) -> ToolCall:
    undo = await world.undo(await world.done("undo_asks"))
    assert isinstance(undo, Proposed)
    tool = replace(world.registry.get("undo_asks"), scope=("text",))
    world.registry._tools["undo_asks"] = tool
    return undo.call


async def two_signatures(world: World) -> ToolCall:
    world.rules(ASK + 'approvers = "approver"\ncount = 2\n')
    return await ask(world)


@pytest.mark.parametrize("what", [critical, without_scope, an_undo, two_signatures])
async def test_what_must_be_asked_for_each_time(world: World, what: Any) -> None:
    call = await what(world)
    assert call.status is Status.PROPOSED
    assert code_of(await try_grant(world, call)) == "not_grantable"
    assert (await world.call(call)).status is Status.PROPOSED
    assert world.sql("SELECT count(*) FROM grants") == [(0,)]


async def test_a_tool_that_is_gone_is_not_granted(world: World) -> None:
    call = await ask(world)
    del world.registry._tools["pay"]
    assert code_of(await try_grant(world, call)) == "not_grantable"


async def test_what_was_altered_while_it_waited_is_not_granted(world: World) -> None:
    call = await ask(world)
    world.change(call, "arguments", '{"text":"gold","amount":200}')
    assert code_of(await try_grant(world, call)) == "approval_invalid"
    assert world.sql("SELECT count(*) FROM grants") == [(0,)]


async def test_who_may_act_in_some_accounts_only_grants_for_this_conversation(world: World) -> None:
    call = await ask(world)
    limited = replace(principal("cat"), account_ids=frozenset({call.account_id}))
    answer = await try_grant(world, call, limited)
    assert answer.grant.conversation_id == call.conversation_id


# --------------------------------------------------------------------------- listing and revoking


async def test_who_sees_which_grants(world: World) -> None:
    anns = await granted(world)
    bobs = await granted(world, by="cid", arguments=LUNCH, where="bob", as_principal=principal("bob"))

    async def seen(who: Principal) -> list[GrantId]:
        found = await world.read(lambda records: listed(records, by=who, now=world.clock.moment))
        return [each.id for each in found]

    assert await seen(principal("ann")) == [anns.id]
    assert await seen(principal("bob")) == [bobs.id]
    for who in ("cat", "cid", "gus", "dan"):
        assert await seen(principal(who)) == [anns.id, bobs.id]
    limited = replace(principal("dan"), account_ids=frozenset({AccountId("acme-account-bob")}))
    assert await seen(limited) == [bobs.id]
    for stranger in ("eve", "zoe", "sol"):
        assert await seen(principal(stranger)) == []
    assert await seen(replace(principal("cat"), tenant=None)) == []
    world.clock.advance(hours=1)
    assert await seen(principal("cat")) == []


@pytest.mark.parametrize("who", ["cat", "cid", "dan"])
async def test_who_made_it_an_approver_and_an_admin_may_revoke(world: World, who: str) -> None:
    made = await granted(world)
    answer = await try_revoke(world, made, who)
    assert isinstance(answer, Revoked)
    assert (answer.grant.revoked_by, answer.grant.revoked_at, answer.repeated) == (who, NOON, False)
    event = world.chain()[-1]
    assert (event.kind, event.actor, json.loads(event.content)["grant"]) == ("grant.revoked", who, made.id)
    assert (await ask(world)).status is Status.PROPOSED


async def test_who_made_it_may_revoke_it_whatever_they_are_now(world: World) -> None:
    made = await granted(world)
    await world.role("cat", Role.MEMBER)
    assert isinstance(await try_revoke(world, made), Revoked)


async def test_revoking_twice_is_once(world: World) -> None:
    made = await granted(world)
    await try_revoke(world, made)
    events = len(world.chain())
    again = await try_revoke(world, made, "dan")
    assert (again.repeated, again.grant.revoked_by) == (True, "cat")
    assert len(world.chain()) == events


@pytest.mark.parametrize(
    ("who", "code"),
    [("ann", "not_owner"), ("bob", "not_found"), ("zoe", "not_found"), ("eve", "not_a_member")],
)
async def test_others_may_not_revoke_it(world: World, who: str, code: str) -> None:
    made = await granted(world)
    assert code_of(await try_revoke(world, made, who)) == code
    assert (await kept(world, made)).revoked_at is None
    assert world.chain(UMBRELLA if who == "zoe" else "acme")[-1].kind == "refused"


async def test_no_such_grant(world: World) -> None:
    made = await granted(world)
    ghost = replace(made, id=GrantId("nothing"))
    absent, foreign = await try_revoke(world, ghost), await try_revoke(world, made, "zoe")
    assert refusal_of(absent).refusal.message == refusal_of(foreign).refusal.message
