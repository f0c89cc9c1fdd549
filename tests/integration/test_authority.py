"""Authority, read anew when a signed call starts: what changed since sends it back, and people are told what
(guards 11 and 12)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.lifecycle import Status
from core.model import Role, ToolCall, Vote
from core.tool import Tool
from tests.kit.tools import Note
from tests.kit.world import World, code_of

ASK = '[[rule]]\nname = "ask"\ndecision = "requires_approval"\n'


async def sent_back(world: World, call: ToolCall, why: str) -> ToolCall:
    """The start is refused; the call waits for signatures anew, and says why. Nothing ran."""
    assert code_of(await world.start(call)) == "approval_invalid"
    again = await world.call(call)
    assert (again.status, again.revision) == (Status.PROPOSED, call.revision + 1)
    assert again.note == why
    assert world.kinds(call)[-2:] == ["refused", "call.proposed"]
    assert world.ledger.lines == []
    assert world.sql("SELECT count(*) FROM attempts") == [(0,)]
    return again


def changed(world: World, name: str, **changes: object) -> Tool:
    """The tool of this name is another from now on."""
    tool: Tool = replace(world.registry.get(name), **changes)
    world.registry._tools[name] = tool
    world.registry._hashes[name] = tool.definition_hash
    return tool


@pytest.mark.parametrize(
    ("role", "clause"),
    [(None, "Cat is not a member any more"), (Role.MEMBER, "Cat is not an approver any more")],
)
async def test_a_lost_role_is_named(world: World, role: Role | None, clause: str) -> None:
    call = await world.approved()
    await world.role("cat", role)
    again = await sent_back(world, call, f"The signatures on it do not count any more: {clause}.")
    assert code_of(await world.vote(again, "cid", revision=1)) == "stale_revision"
    assert (await world.execute(await world.approve(again, "cid"))).success


async def test_each_lost_role_of_a_quorum_is_named(world: World) -> None:
    world.rules(ASK + 'approvers = "approver"\ncount = 2\n')
    call = await world.propose("high_once")
    await world.approve(call, "cat")
    signed = await world.approve(call, "cid")
    await world.role("cat", None)
    await world.role("cid", Role.MEMBER)
    why = "Cat is not a member any more; Cid is not an approver any more."
    await sent_back(world, signed, f"The signatures on it do not count any more: {why}")


async def test_one_lost_role_is_no_matter_where_enough_are_left(world: World) -> None:
    """Nobody may sign more than is asked for, but what is asked for may become less."""
    world.rules(ASK + 'approvers = "approver"\ncount = 2\n')
    call = await world.propose("high_once")
    await world.approve(call, "cat")
    signed = await world.approve(call, "cid")
    world.rules(ASK + 'approvers = "approver"\ncount = 1\n')
    await world.role("cat", None)
    assert (await world.execute(signed)).success


async def test_a_count_that_was_raised_asks_for_all_signatures_anew(world: World) -> None:
    call = await world.approved()
    world.rules(ASK + 'approvers = "approver"\ncount = 2\n')
    again = await sent_back(world, call, "Policy asks for 2 signatures now, and it has 1 (ask).")
    await world.approve(again, "cat")
    assert (await world.call(call)).status is Status.PROPOSED
    assert (await world.execute(await world.approve(again, "cid"))).success


async def test_named_people_who_were_changed(world: World) -> None:
    world.rules(ASK + 'approvers = ["Cat"]\n')
    call = await world.approved()
    world.rules(ASK + 'approvers = ["Cid"]\n')
    why = "The signatures on it do not count any more: the rule does not name Cat any more."
    again = await sent_back(world, call, why)
    assert code_of(await world.vote(again, "cat", shown=True)) == "not_approver"
    assert (await world.execute(await world.approve(again, "cid"))).success


async def test_a_right_to_sign_for_oneself_that_is_gone(world: World) -> None:
    call = await world.approved("medium_once", signer="ann")
    world.rules(ASK + 'approvers = "approver"\nself_approval = false\n')
    why = "The signatures on it do not count any more: Ann asked for it and may not sign it."
    await sent_back(world, call, why)


async def test_what_was_allowed_and_now_asks(world: World) -> None:
    call = await world.propose("low_once")
    world.rules(ASK + 'approvers = "approver"\n')
    await sent_back(world, call, "It was allowed unasked, and policy asks for a signature now (ask).")


async def test_a_no_that_counts_now(world: World) -> None:
    world.rules(ASK + 'approvers = "approver"\ndenials = 2\n')
    call = await world.propose("high_once")
    await world.vote(call, "cid", Vote.DENIED)
    signed = await world.approve(call, "cat")
    world.rules(ASK + 'approvers = "approver"\n')
    await sent_back(world, signed, "Cid said no to it, and today's policy heeds that.")


async def test_a_vote_that_is_not_there_any_more(world: World) -> None:
    call = await world.approved()
    world.place.damage("DELETE FROM approvals")
    await sent_back(world, call, "The signatures on it do not count any more.")


async def test_a_signature_on_something_else_is_told_as_that(world: World) -> None:
    call = await world.approved()
    world.place.damage("UPDATE approvals SET consent_digest = ?", "0" * 64)
    await sent_back(world, call, "The signatures on it do not count any more: Cat signed something else.")


# --------------------------------------------------------------------------- T8: the tool, the policy


class Longer(Note):
    """The same input with another field."""

    more: str = ""


CHANGES: dict[str, dict[str, object]] = {
    "version": {"version": "2"},
    "schema": {"input": Longer},
}


@pytest.mark.parametrize("change", CHANGES)
async def test_t08_a_tool_that_changed_once_it_was_approved_is_asked_for_again(
    world: World, change: str
) -> None:
    call = await world.approved()
    tool = changed(world, "high_once", **CHANGES[change])
    again = await sent_back(world, call, "The tool 'high_once' has changed since this was signed.")
    assert again.definition_hash == tool.definition_hash
    assert again.consent_digest != call.consent_digest
    assert (await world.execute(await world.approve(again, "cid"))).success
    assert world.ledger.effects == {call.id: 1}
    print(f"T8 {world.place.kind}: 1/1 changes, {change} of the tool once it was approved, asked for again")


@pytest.mark.parametrize("change", CHANGES)
async def test_t08_a_tool_that_changed_while_it_waited_is_asked_for_again(world: World, change: str) -> None:
    """The signature was on the tool as it was when it was asked for."""
    call = await world.propose("high_once")
    changed(world, "high_once", **CHANGES[change])
    signed = await world.approve(call)
    again = await sent_back(world, signed, "The tool 'high_once' has changed since this was signed.")
    assert (await world.execute(await world.approve(again))).success
    assert world.ledger.effects == {call.id: 1}
    print(f"T8 {world.place.kind}: 1/1 changes, {change} of the tool while it waited, asked for again")


async def test_t08_a_policy_that_changed_while_it_waited_is_asked_for_again(world: World) -> None:
    call = await world.propose("high_once")
    world.rules(ASK + 'approvers = "admin"\n')
    signed = await world.approve(call, "cat")
    why = "The signatures on it do not count any more: Cat is not an admin any more."
    again = await sent_back(world, signed, why)
    assert code_of(await world.vote(again, "cat", shown=True)) == "not_approver"
    assert (await world.execute(await world.approve(again, "dan"))).success
    print(f"T8 {world.place.kind}: 1/1 changes, policy while it waited, asked for again")
