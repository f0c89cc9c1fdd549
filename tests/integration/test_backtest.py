"""A new policy held against recorded history, by the roles and facts as they were recorded then."""

from __future__ import annotations

import orjson

from core.ids import TenantId
from core.model import PolicyDecision, Role
from core.policy import Policy, load_policy
from core.policy.backtest import Compared, Recorded, Summary, backtest
from storage.history_facts import how_many, recorded
from tests.kit.world import ACME, UMBRELLA, World

ALLOW, ASK, DENY = PolicyDecision.ALLOW, PolicyDecision.REQUIRES_APPROVAL, PolicyDecision.DENY


def history(world: World, tenant: TenantId = ACME) -> list[Recorded]:
    return list(recorded(world.place.address, tenant))


async def compared(world: World, text: str) -> list[Compared]:
    tenant = await world.read(lambda records: records.people.tenant(ACME))
    members = await world.read(lambda records: records.people.members(ACME))
    assert tenant is not None
    tools = {tool.name: tool for tool in world.registry}
    policy = load_policy(text, tools=list(tools)) if text else Policy()
    return list(backtest(policy, history(world), tenant=tenant, members=members, tools=tools))


def rule(fields: str, decision: str = "deny") -> str:
    return f'[[rule]]\nname = "stricter"\ndecision = "{decision}"\n{fields}\n'


async def test_the_same_policy_changes_nothing(world: World) -> None:
    for tool in ("low_once", "high_once"):
        await world.propose(tool)
    found = await compared(world, "")
    assert [each.before.decision for each in found] == [ALLOW, ASK]
    assert not any(each.decided_otherwise or each.signed_otherwise or each.assumed for each in found)


async def test_a_stricter_policy_lists_what_it_would_have_stopped(world: World) -> None:
    low, high = await world.propose("low_once"), await world.propose("high_once")
    found = await compared(world, rule('tool = "low_once"\nreason = "no more"'))
    assert [each.decided_otherwise for each in found] == [True, False]
    assert (found[0].call.id, found[1].call.id) == (low.id, high.id)
    assert (found[0].after.decision, found[0].after.rule, found[0].after.reason) == (
        DENY,
        "stricter",
        "no more",
    )
    summary = Summary()
    for each in found:
        summary.add(each)
    assert (summary.calls, summary.assumed, summary.signed_otherwise) == (2, 0, 0)
    assert dict(summary.changes) == {(ALLOW, DENY): 1}


async def test_asked_of_other_people_is_told_apart_from_decided_otherwise(world: World) -> None:
    await world.propose("high_once")
    (found,) = await compared(world, rule('approvers = "admin"', "requires_approval"))
    assert (found.decided_otherwise, found.signed_otherwise) == (False, True)
    (found,) = await compared(world, rule('expires_after = "1h"', "requires_approval"))
    assert not found.signed_otherwise


async def test_the_role_and_the_place_are_those_of_then(world: World) -> None:
    await world.propose("high_once", by="ann")
    await world.propose("high_once", by="ann", where="group")
    await world.role("ann", Role.ADMIN)
    members = await compared(world, rule('role = "member"'))
    assert [each.after.decision for each in members] == [DENY, DENY]
    assert [each.after.decision for each in await compared(world, rule('role = "admin"'))] == [ASK, ASK]
    assert [each.after.decision for each in await compared(world, rule('chat = "group"'))] == [ASK, DENY]
    await world.role("ann", None)
    assert [each.after.decision for each in await compared(world, rule('role = "member"'))] == [DENY, DENY]


async def test_the_time_is_that_of_then_and_so_is_how_many_they_were(world: World) -> None:
    call = await world.propose("high_once")
    then = f"{call.created_at:%Y-%m-%dT%H:%M:%SZ}"
    world.clock.advance(days=400)
    (found,) = await compared(world, rule(f"when = \"now < timestamp('{then}') + duration('1h')\""))
    assert found.after.decision is DENY
    many = len(await world.read(lambda records: records.people.members(ACME)))
    await world.role("eve", Role.MEMBER)
    (found,) = await compared(world, rule(f'when = "tenant.members == {many}"'))
    assert found.after.decision is DENY


async def test_calls_of_before_facts_were_recorded_are_judged_by_today_and_said_to_be(world: World) -> None:
    call = await world.propose("high_once", by="ann")
    content = orjson.loads(world.chain()[-1].content)
    assert content["facts"] == {"role": "member", "members": 6, "chat": "100", "private": True}
    for left in ({k: v for k, v in content.items() if k != "facts"}, {**content, "facts": 7}, [1]):
        world.place.damage(
            "UPDATE audit_events SET content = ? WHERE call_id = ?", orjson.dumps(left).decode(), call.id
        )
        await world.role("ann", Role.APPROVER)
        (found,) = await compared(world, rule('role = "approver"\nchat = "private"'))
        assert found.assumed
        assert found.after.decision is DENY
        await world.role("ann", None)
        (found,) = await compared(world, rule('role = "member"'))
        assert found.after.decision is DENY
        await world.role("ann", Role.MEMBER)


async def test_a_tool_that_is_gone_is_judged_without_its_amount(world: World) -> None:
    call = await world.propose("high_once")
    world.place.damage("UPDATE tool_calls SET tool = 'bygone' WHERE id = ?", call.id)
    (found,) = await compared(world, "")
    assert found.after.decision is ASK


async def test_history_is_streamed_whole_in_order_and_only_the_tenants_own(world: World) -> None:
    calls = [await world.propose("low_once", arguments={"text": f"{n}"}) for n in range(5)]
    await world.propose("low_once", by="zoe")
    assert [each.call.id for each in history(world)] == [call.id for call in calls]
    assert how_many(world.place.address, ACME) == 5
    assert how_many(world.place.address, UMBRELLA) == 1
    assert how_many(world.place.address, TenantId("nobody")) == 0


async def test_more_than_one_batch_is_read_and_what_cannot_be_read_is_left_out(world: World) -> None:
    calls = [await world.propose("low_once", arguments={"text": f"{n}"}) for n in range(7)]
    world.place.damage("UPDATE tool_calls SET arguments = 'x' WHERE id = ?", calls[3].id)
    for batch in (1, 2, 7, 100):
        found = recorded(world.place.address, ACME, batch=batch)
        assert [each.call.id for each in found] == [call.id for call in (*calls[:3], *calls[4:])]
