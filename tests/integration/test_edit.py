"""Changing a call before it is signed: what is signed is what it says last, judged as it is then."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from core.engine import Proposed
from core.lifecycle import Status
from core.model import PolicyDecision, Principal, Risk, Vote
from core.tool import Preview, ToolInput
from tests.kit.tools import tool
from tests.kit.waiting import chats, edited, edits_of, planned, try_edit
from tests.kit.world import GROUP, UMBRELLA, World, chat_of, code_of, principal, refusal_of


async def test_an_edit_makes_a_new_revision_that_says_what_it_is_now(world: World) -> None:
    call = await world.propose("high_once")
    after = await edited(world, call, amount=7)
    assert (after.revision, after.status) == (2, Status.PROPOSED)
    assert after.arguments == {"text": "tea", "amount": 7}
    assert after.title == "Note tea (7)"
    assert after.consent_digest != call.consent_digest
    assert after.args_digest != call.args_digest
    assert await world.call(call) == after


async def test_an_edit_is_recorded_and_audited_with_what_was_and_is(world: World) -> None:
    call = await world.propose("high_once")
    world.clock.advance(60)
    await edited(world, call, "cat", amount=7, text="coffee")
    (recorded,) = await edits_of(world, call)
    assert (recorded.revision, recorded.person_id, recorded.person_name) == (2, "cat", "Cat")
    assert recorded.changes == (("text", "tea", "coffee"), ("amount", 1, 7))
    assert recorded.at == world.clock.now()
    event = world.chain()[-1]
    assert (event.kind, event.actor, event.call_id) == ("call.edited", "cat", call.id)
    told = json.loads(event.content)
    assert told["changes"] == [["text", "tea", "coffee"], ["amount", 1, 7]]
    assert told["revision"] == 2


async def test_the_view_of_a_call_has_its_edits(world: World) -> None:
    call = await world.propose("high_once")
    await edited(world, await edited(world, call, amount=7), amount=8)
    assert [edit.changes for edit in (await world.view(call)).edits] == [
        (("amount", 1, 7),),
        (("amount", 7, 8),),
    ]


async def test_what_was_signed_and_delivered_before_an_edit_does_not_count(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "approver"\ncount = 2\n')
    call = await world.propose("high_once")
    await world.vote(call, "cat")
    call = await edited(world, call, amount=7)
    assert code_of(await world.vote(call, "cid", delivered=False)) == "not_delivered"
    after = await world.approve(call, "cid")
    assert after.status is Status.PROPOSED
    assert (await world.approve(after, "cat")).status is Status.PENDING
    await world.execute(call)
    assert world.ledger.effects == {call.id: 1}


async def test_a_vote_on_what_it_was_is_stale(world: World) -> None:
    call = await world.propose("high_once")
    await edited(world, call, amount=7)
    assert code_of(await world.vote(call, "cat")) == "stale_revision"
    assert code_of(await try_edit(world, call, amount=8)) == "stale_revision"


async def test_a_vote_before_an_edit_is_no_vote_of_the_same_person_after_it(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "approver"\ncount = 2\n')
    call = await world.propose("high_once")
    await world.vote(call, "cat")
    call = await edited(world, call, amount=7)
    await world.vote(call, "cat", Vote.DENIED)
    assert (await world.call(call)).status is Status.DENIED


async def test_the_time_to_decide_begins_anew(world: World) -> None:
    call = await world.propose("high_once")
    world.clock.advance(hours=23)
    after = await edited(world, call, amount=7)
    world.clock.advance(hours=2)
    assert await world.expire() == 0
    assert after.expires_at is not None
    assert (after.expires_at - after.changed_at).total_seconds() == 24 * 3600
    assert "remind" in planned(world, call)


async def test_a_field_left_out_takes_its_default_and_a_required_one_cannot_be(world: World) -> None:
    call = await world.propose("high_once", arguments={"text": "tea", "amount": 5})
    assert (await edited(world, call, amount=None)).arguments["amount"] == 1
    latest = await world.call(call)
    for nothing in (None, ""):
        refused = refusal_of(await try_edit(world, latest, text=nothing))
        assert refused.refusal.code.value == "invalid_input"
        assert "text" in refused.refusal.message
        assert "required" in refused.refusal.message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"amount": "many"}, "amount"),
        ({"colour": "red"}, "colour"),
        ({"colour": None}, "colour"),
        ({"amount": 1 << 60}, "arguments"),
        ({"amount": 1}, "nothing was changed"),
        ({"amount": "1"}, "nothing was changed"),
        ({}, "nothing was changed"),
    ],
)
async def test_what_does_not_fit_changes_nothing_and_is_audited(
    world: World, changes: dict[str, Any], named: str
) -> None:
    call = await world.propose("high_once")
    refused = refusal_of(await try_edit(world, call, **changes))
    assert refused.refusal.code.value == "invalid_input"
    assert named in refused.refusal.message
    assert await world.call(call) == call
    assert await edits_of(world, call) == []
    told = json.loads(world.chain()[-1].content)
    assert told == {"verb": "edit", "code": "invalid_input", "channel": "telegram"}


# --------------------------------------------------------------------------- who


@pytest.mark.parametrize("who", ["ann", "cat", "dan"])
async def test_the_requester_and_who_may_sign_may_edit(world: World, who: str) -> None:
    call = await world.propose("high_once")
    assert (await edited(world, call, who, amount=7)).revision == 2


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (principal("bob"), "not_found"),
        (principal("zoe"), "not_found"),
        (principal("eve"), "not_a_member"),
        (replace(principal("cat"), tenant=None), "tenant_required"),
        (principal("gus", UMBRELLA), "tenant_mismatch"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_others_may_not(world: World, who: Principal, code: str) -> None:
    call = await world.propose("high_once")
    assert code_of(await try_edit(world, call, who, amount=7)) == code
    assert await world.call(call) == call


async def test_a_bystander_who_was_shown_the_card_is_told_who_may(world: World) -> None:
    call = await world.propose("high_once", where="group")
    refused = refusal_of(await try_edit(world, call, "bob", shown=True, amount=7))
    assert refused.refusal.code.value == "not_owner"
    assert "Ann" in refused.refusal.message


async def test_who_lost_the_right_to_sign_may_not_edit(world: World) -> None:
    call = await world.propose("high_once")
    await world.role("cat", None)
    assert code_of(await try_edit(world, call, "cat", amount=7)) == "not_a_member"


@pytest.mark.parametrize("state", ["approved", "denied", "cancelled", "expired"])
async def test_what_was_decided_is_not_edited(world: World, state: str) -> None:
    call = await world.propose("high_once")
    if state == "approved":
        await world.approve(call)
    elif state == "denied":
        await world.vote(call, "cat", Vote.DENIED)
    elif state == "cancelled":
        await world.cancel(call)
    else:
        world.clock.advance(hours=24)
    before = await world.call(call)
    assert code_of(await try_edit(world, call, amount=7)) == "already_decided"
    assert await world.call(call) == before


async def test_an_undo_is_not_edited(world: World) -> None:
    done = await world.done("undo_asks")
    answer = await world.undo(done)
    assert isinstance(answer, Proposed)
    refused = refusal_of(await try_edit(world, answer.call, amount=7))
    assert refused.refusal.code.value == "invalid_input"
    assert "An undo takes back exactly what was done" in refused.refusal.message


# --------------------------------------------------------------------------- judged anew


async def test_an_edit_that_raises_the_risk_asks_those_who_may_sign_that(world: World) -> None:
    call = await world.propose("spend", arguments={"text": "tea", "amount": 100})
    assert (call.risk, chats(world, call)) == (Risk.MEDIUM, {chat_of("ann")})
    after = await edited(world, call, amount=900)
    assert (after.risk, after.verdict.self_approval) == (Risk.HIGH, False)
    assert {chat_of("cat"), chat_of("cid"), chat_of("dan")} <= chats(world, call)
    assert code_of(await world.vote(after, "ann")) == "self_approval"


async def test_an_edit_that_lowers_the_risk_is_let_through(world: World) -> None:
    call = await world.propose("spend", arguments={"text": "tea", "amount": 900})
    after = await edited(world, call, "cat", amount=5)
    assert (after.status, after.risk) == (Status.PENDING, Risk.LOW)
    assert after.verdict.decision is PolicyDecision.ALLOW
    assert (after.expires_at, after.start_by is not None) == (None, True)
    assert world.kinds(call) == ["call.proposed", "call.edited", "call.pending"]
    await world.execute(after)
    assert world.ledger.effects == {call.id: 1}


async def test_an_edit_to_what_is_forbidden_ends_the_call(world: World) -> None:
    call = await world.propose("spend", arguments={"text": "tea", "amount": 100})
    world.rules('[[rule]]\nname = "no big sums"\nrisk = "high"\ndecision = "deny"\nreason = "too dear"\n')
    after = await edited(world, call, amount=900)
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (after.status, outcome.status) == (Status.DENIED, Status.DENIED)
    assert (outcome.error, outcome.error_class) == (
        "Policy denied this: too dear (no big sums).",
        "policy_denied",
    )
    assert world.kinds(call) == ["call.proposed", "call.edited", "call.denied"]


async def test_in_a_group_the_new_card_is_shown_to_those_who_sign(world: World) -> None:
    call = await world.propose("high_once", where="group")
    after = await edited(world, call, text="x" * 2000)
    assert {GROUP, chat_of("cat"), chat_of("dan")} <= chats(world, after)


class Login(ToolInput):
    """A secret and a remark."""

    password: str
    remark: str = ""


async def test_sensitive_values_are_kept_and_not_audited(world: World) -> None:
    world.registry.register(
        tool(
            "log_in",
            input=Login,
            risk=Risk.HIGH,
            sensitive=frozenset({"password"}),
            preview=lambda _: Preview(title="Log in"),
        )
    )
    call = await world.propose("log_in", arguments={"password": "hunter2"})
    await edited(world, call, password="hunter3", remark="new")
    (recorded,) = await edits_of(world, call)
    assert recorded.changes[0] == ("password", "hunter2", "hunter3")
    told = "".join(event.content for event in world.chain())
    assert "hunter" not in told
    assert "[hidden]" in told
    assert "new" in told


async def test_a_tool_that_is_gone_is_told(world: World) -> None:
    call = await world.propose("high_once")
    world.change(call, "tool", "gone")
    assert code_of(await try_edit(world, call, amount=7)) == "tool_not_found"
