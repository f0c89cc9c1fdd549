"""Grants at work: what they let through, and what is looked at once more when it starts (guard 12)."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from core.engine.grants import Revoked
from core.lifecycle import Status
from core.model import Risk, Role
from tests.integration.granting import ASK, LUNCH, ask, granted, held, kept, try_revoke
from tests.kit.world import World

# --------------------------------------------------------------------------- spending it


async def test_a_like_call_runs_unasked_and_says_by_what(world: World) -> None:
    made = await granted(world)
    call = await ask(world)
    assert (call.status, call.verdict.grant, call.expires_at) == (Status.PENDING, made.id, None)
    assert call.start_by is not None
    assert world.kinds(call) == ["call.pending", "grant.spent"]
    spent = world.chain()[-1]
    told = json.loads(spent.content)
    assert (spent.actor, told["grant"], told["granted_from"]) == ("cat", made.id, made.call_id)
    assert (await kept(world, made)).used == 1
    assert (await world.execute(call)).success
    view = await world.view(call)
    assert (view.approvals, view.grant) == ((), await kept(world, made))


async def test_an_amount_is_a_ceiling(world: World) -> None:
    await granted(world)
    assert (await ask(world, 199)).status is Status.PENDING
    assert (await ask(world, 200)).status is Status.PENDING
    assert (await ask(world, 201)).status is Status.PROPOSED


@pytest.mark.parametrize("amount", [-1, -200])
async def test_less_than_nothing_is_not_less(world: World, amount: int) -> None:
    await granted(world, by="ann", arguments={"text": "tea", "amount": 60})
    assert (await ask(world, amount, text="tea")).status is Status.PROPOSED


async def test_other_values_other_people_and_other_tools_are_asked_for(world: World) -> None:
    await granted(world)
    assert (await ask(world, text="Lunch")).status is Status.PROPOSED
    assert (await ask(world, by="bob")).status is Status.PROPOSED
    assert (await world.propose("high_once", arguments=LUNCH)).status is Status.PROPOSED


async def test_a_grant_ends_with_its_time(world: World) -> None:
    await granted(world)
    world.clock.advance(hours=1, seconds=-1)
    before = await ask(world)
    assert before.status is Status.PENDING
    world.clock.advance(1)
    assert (await ask(world)).status is Status.PROPOSED
    # It covers what was asked for in time, also where that starts later.
    assert (await world.execute(before)).success


async def test_a_grant_does_not_make_more_of_a_risk_than_its_maker_may_sign(world: World) -> None:
    """Ann may confirm 60 herself; when the price list changes so that it is of high risk, she may not."""
    await granted(world, by="ann", arguments={"text": "tea", "amount": 60})
    world.registry._tools["pay"] = replace(
        world.registry.get("pay"), assess=lambda _arguments, _context: Risk.HIGH
    )
    assert (await ask(world, 60, text="tea")).status is Status.PROPOSED


async def test_a_grant_of_somebody_who_may_not_sign_any_more_lets_nothing_through(world: World) -> None:
    await granted(world)
    await world.role("cat", Role.MEMBER)
    assert (await ask(world)).status is Status.PROPOSED


async def test_a_policy_that_denies_is_not_outweighed(world: World) -> None:
    await granted(world)
    world.rules('[[rule]]\ndecision = "deny"\n')
    assert (await ask(world)).status is Status.DENIED


async def test_a_tool_that_changed_is_asked_for(world: World) -> None:
    await granted(world)
    tool = replace(world.registry.get("pay"), version="2")
    world.registry._tools["pay"] = tool
    world.registry._hashes["pay"] = tool.definition_hash
    assert (await ask(world)).status is Status.PROPOSED


async def test_of_several_grants_the_one_that_fits_is_spent(world: World) -> None:
    small = await granted(world)
    large = await granted(world, arguments={"text": "lunch", "amount": 300})
    assert (await ask(world, 250)).verdict.grant == large.id
    assert (await ask(world, 200)).verdict.grant == small.id


async def test_a_call_proposed_again_spends_nothing_more(world: World) -> None:
    made = await granted(world)
    call = await ask(world, message=77)
    assert (await ask(world, message=77)).id == call.id
    assert (await kept(world, made)).used == 1


# --------------------------------------------------------------------------- at the start (guard 12)


async def test_a_grant_revoked_since_sends_the_call_back(world: World) -> None:
    made = await granted(world)
    call = await ask(world)
    assert isinstance(await try_revoke(world, made, "dan"), Revoked)
    again = await held(world, call, "The grant by Cat that let it through was revoked.")
    assert (await world.execute(await world.approve(again, "cid"))).success


async def test_a_granter_demoted_since_sends_the_call_back(world: World) -> None:
    await granted(world)
    call = await ask(world)
    await world.role("cat", Role.MEMBER)
    await held(world, call, "Cat, who granted this, may not sign it any more.")


async def test_a_policy_tightened_since_sends_the_call_back(world: World) -> None:
    await granted(world)
    call = await ask(world)
    world.rules(ASK + 'approvers = "approver"\ncount = 2\n')
    await held(world, call, "The grant by Cat is not enough any more: policy asks for 2 signatures now.")


async def test_a_risk_that_became_critical_sends_the_call_back(world: World) -> None:
    world.rules(ASK + 'approvers = "approver"\ncount = 1\n')
    await granted(world)
    call = await ask(world)
    world.registry._tools["pay"] = replace(
        world.registry.get("pay"), assess=lambda _arguments, _context: Risk.CRITICAL
    )
    world.registry.risks.clear()
    await held(world, call, "The grant by Cat is not enough any more: it is of critical risk now.")


async def test_a_policy_loosened_since_needs_no_grant(world: World) -> None:
    made = await granted(world)
    call = await ask(world)
    await try_revoke(world, made)
    world.rules('[[rule]]\ndecision = "allow"\n')
    assert (await world.execute(call)).success


async def test_a_grant_that_is_not_there_lets_nothing_through(world: World) -> None:
    made = await granted(world)
    call = await ask(world)
    world.place.damage("DELETE FROM grants WHERE id = ?", made.id)
    await held(world, call, "The grant that let it through is not there any more.")


async def test_t7_a_grant_written_into_a_call_that_it_does_not_cover_does_not_count(world: World) -> None:
    made = await granted(world)
    call = await ask(world, text="gold")
    other = await ask(world)
    stored = world.sql("SELECT verdict FROM tool_calls WHERE id = ?", other.id)[0][0]
    assert made.id in stored
    world.change(call, "verdict", stored)
    world.change(call, "status", "pending")
    await held(world, call, "The grant by Cat does not cover this.")


async def test_t7_a_grant_does_not_count_for_what_was_asked_before_it(world: World) -> None:
    early = await ask(world)
    world.clock.advance(5)
    await granted(world)
    stored = world.sql("SELECT verdict FROM tool_calls WHERE id = ?", (await ask(world)).id)[0][0]
    world.change(early, "verdict", stored)
    world.change(early, "status", "pending")
    await held(world, early, "The grant by Cat was not valid when this was asked for.")
