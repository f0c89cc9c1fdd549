"""More than one signature: distinct people of today, a live tally, denials with a threshold, comments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.engine import Decided
from core.ids import PersonId
from core.lifecycle import Status
from core.model import Role, ToolCall, Vote
from tests.kit.world import ACME, World, code_of, refusal_of

TWO = '[[rule]]\nname = "two"\ndecision = "requires_approval"\napprovers = "approver"\ncount = 2\n'


async def asked(world: World, more: str = "", tool: str = "high_once") -> ToolCall:
    """A call that needs two signatures."""
    world.rules(TWO + more)
    call = await world.propose(tool)
    assert (call.status, call.verdict.count) == (Status.PROPOSED, 2)
    return call


def content(world: World, call: ToolCall) -> dict[str, Any]:
    """What the newest audit event of the call says."""
    events = [event for event in world.chain() if event.call_id == call.id]
    told: dict[str, Any] = json.loads(events[-1].content)
    return told


async def test_two_people_make_a_quorum(world: World) -> None:
    call = await asked(world)
    first = await world.approve(call, "cat")
    assert (first.status, first.version) == (Status.PROPOSED, 2)
    assert world.kinds(call) == ["call.proposed", "call.vote"]
    told = content(world, call)
    assert (told["vote"], told["votes"], told["needed"]) == ("approved", 1, 2)
    assert code_of(await world.start(call)) == "not_pending"
    second = await world.approve(call, "cid")
    assert second.status is Status.PENDING
    assert content(world, call)["votes"] == 2
    assert (await world.execute(second)).success
    assert world.ledger.effects == {call.id: 1}


async def test_every_vote_reaches_every_card(world: World) -> None:
    call = await asked(world)
    cards = world.sql("SELECT count(*) FROM cards WHERE call_id = ?", call.id)
    world.sql("DELETE FROM outbox")
    await world.approve(call, "cat")
    assert world.sql("SELECT count(*) FROM outbox WHERE kind = 'card'") == cards


async def test_one_person_is_one_signature(world: World) -> None:
    call = await asked(world)
    await world.approve(call, "cat")
    again = await world.vote(call, "cat")
    assert isinstance(again, Decided)
    assert again.repeated
    assert (await world.call(call)).status is Status.PROPOSED


async def test_the_requester_is_none_of_the_two(world: World) -> None:
    world.rules(TWO)
    call = await world.propose("high_once", by="cat")
    assert code_of(await world.vote(call, "cat")) == "self_approval"
    await world.approve(call, "cid")
    assert (await world.call(call)).status is Status.PROPOSED
    assert (await world.approve(call, "gus")).status is Status.PENDING


async def test_the_requester_is_one_of_the_two_where_the_rule_says_so(world: World) -> None:
    call = await asked(world, "self_approval = true\n")
    await world.approve(call, "ann")
    assert (await world.approve(call, "cat")).status is Status.PENDING


async def test_only_the_named_people_count(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = ["Cat", "Bob"]\ncount = 2\n')
    call = await world.propose("high_once")
    assert code_of(await world.vote(call, "cid", shown=True)) == "not_approver"
    await world.approve(call, "cat")
    assert (await world.approve(call, "bob")).status is Status.PENDING


async def test_a_signature_of_somebody_demoted_meanwhile_does_not_fill_the_quorum(world: World) -> None:
    call = await asked(world)
    await world.approve(call, "cat")
    await world.role("cat", Role.MEMBER)
    assert (await world.approve(call, "cid")).status is Status.PROPOSED
    assert content(world, call)["votes"] == 1
    assert (await world.approve(call, "gus")).status is Status.PENDING


async def test_a_vote_that_counts_no_more_is_named_and_not_taken_for_one(world: World) -> None:
    call = await asked(world)
    await world.approve(call, "cat")
    await world.role("cat", Role.MEMBER)
    assert (await world.view(call)).void == {PersonId("cat")}
    assert code_of(await world.vote(call, "cat", shown=True)) == "not_approver"


async def test_a_vote_that_counts_again_can_fill_the_quorum(world: World) -> None:
    """Else a call would lie there with two of two signatures, and nobody left to give one."""
    call = await asked(world)
    await world.approve(call, "cat")
    await world.role("cat", Role.MEMBER)
    await world.approve(call, "cid")
    await world.role("cat", Role.APPROVER)
    assert (await world.call(call)).status is Status.PROPOSED
    answer = await world.vote(call, "cat")
    assert isinstance(answer, Decided)
    assert (answer.call.status, answer.repeated) == (Status.PENDING, False)
    assert len((await world.view(call)).approvals) == 2


# --------------------------------------------------------------------------- denials


async def test_one_no_is_enough_unless_a_rule_says_otherwise(world: World) -> None:
    call = await asked(world)
    await world.approve(call, "cat")
    answer = await world.vote(call, "cid", Vote.DENIED)
    assert isinstance(answer, Decided)
    assert answer.call.status is Status.DENIED


async def test_a_no_below_the_threshold_is_kept_and_shown(world: World) -> None:
    call = await asked(world, "denials = 2\n")
    answer = await world.vote(call, "cat", Vote.DENIED, comment="too dear")
    assert isinstance(answer, Decided)
    assert (answer.call.status, answer.call.version) == (Status.PROPOSED, 2)
    told = content(world, call)
    assert (told["vote"], told["denials"], told["denials_needed"], told["votes"]) == ("denied", 1, 2, 0)
    (kept,) = (await world.view(call)).approvals
    assert (kept.vote, kept.comment) == (Vote.DENIED, "too dear")


async def test_enough_noes_end_it_and_say_whose(world: World) -> None:
    call = await asked(world, "denials = 2\n")
    await world.vote(call, "cat", Vote.DENIED, comment="too dear")
    await world.vote(call, "cid", Vote.DENIED)
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (outcome.status, outcome.error) == (Status.DENIED, "Denied by Cat: too dear; Denied by Cid.")


async def test_a_quorum_outweighs_a_no_below_the_threshold(world: World) -> None:
    call = await asked(world, "denials = 2\n")
    await world.vote(call, "cat", Vote.DENIED)
    await world.approve(call, "cid")
    signed = await world.approve(call, "gus")
    assert signed.status is Status.PENDING
    assert (await world.execute(signed)).success


async def test_who_said_no_cannot_also_approve(world: World) -> None:
    call = await asked(world, "denials = 2\n")
    await world.vote(call, "cat", Vote.DENIED)
    refused = refusal_of(await world.vote(call, "cat"))
    assert refused.refusal.code.value == "already_decided"
    assert refused.refusal.message.startswith("You denied this at 12:00 UTC already")
    assert "is still awaiting signature" in refused.refusal.message
    assert [vote.vote for vote in (await world.view(call)).approvals] == [Vote.DENIED]


async def test_the_requesters_own_no_is_enough(world: World) -> None:
    call = await asked(world, "denials = 3\nself_approval = true\n")
    await world.vote(call, "ann", Vote.DENIED)
    assert (await world.call(call)).status is Status.DENIED


async def test_a_no_that_leaves_too_few_to_sign_ends_it(world: World) -> None:
    """Else it would wait a day for a quorum that cannot come."""
    call = await asked(world, "denials = 4\n")
    await world.approve(call, "gus")
    await world.vote(call, "cat", Vote.DENIED)
    await world.vote(call, "cid", Vote.DENIED)
    assert (await world.call(call)).status is Status.PROPOSED
    await world.vote(call, "dan", Vote.DENIED)
    assert (await world.call(call)).status is Status.DENIED


async def test_a_no_of_somebody_demoted_meanwhile_does_not_count(world: World) -> None:
    call = await asked(world, "denials = 2\n")
    await world.vote(call, "cat", Vote.DENIED)
    await world.role("cat", Role.MEMBER)
    await world.vote(call, "cid", Vote.DENIED)
    assert content(world, call)["denials"] == 1
    assert (await world.call(call)).status is Status.PROPOSED


# --------------------------------------------------------------------------- comments


@pytest.mark.parametrize("vote", list(Vote))
async def test_what_is_said_with_a_vote_is_kept(world: World, vote: Vote) -> None:
    call = await world.propose("high_once")
    await world.vote(call, "cat", vote, comment=f"  {'x' * 500}\n")
    (kept,) = (await world.view(call)).approvals
    assert kept.comment == "x" * 500


@pytest.mark.parametrize("vote", list(Vote))
async def test_a_speech_is_refused_and_changes_nothing(world: World, vote: Vote) -> None:
    call = await world.propose("high_once")
    refused = refusal_of(await world.vote(call, "cat", vote, comment="x" * 501))
    assert refused.refusal.code.value == "invalid_input"
    assert "500 characters" in refused.refusal.message
    assert await world.call(call) == call
    assert (await world.view(call)).approvals == ()
    assert world.kinds(call)[-1] == "refused"


# --------------------------------------------------------------------------- who may


async def test_who_may_not_sign_is_told_who_may_today(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = ["Cat", "Dan"]\n')
    call = await world.propose("high_once", where="group")
    message = refusal_of(await world.vote(call, "bob", shown=True)).refusal.message
    assert message == "Your tap does not count here. This is signed by Dan or Cat."
    own = refusal_of(await world.vote(call, "ann")).refusal.message
    assert "somebody else must sign it: Dan or Cat." in own


async def test_a_role_that_was_lost_is_not_named_any_more(world: World) -> None:
    call = await world.propose("high_once", where="group")
    await world.role("cat", None, ACME)
    message = refusal_of(await world.vote(call, "bob", shown=True)).refusal.message
    assert "Dan, Cid or Gus" in message
