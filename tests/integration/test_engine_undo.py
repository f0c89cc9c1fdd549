from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.engine import Proposed, mark
from core.engine.undo import undo_until
from core.lifecycle import Status
from core.model import Principal, ToolCall, Vote
from tests.kit.world import UMBRELLA, World, code_of, principal, refusal_of


async def undoing(world: World, call: ToolCall, by: str = "ann") -> ToolCall:
    answer = await world.undo(call, by)
    assert isinstance(answer, Proposed), answer
    return answer.call


async def test_an_undo_is_a_call_of_its_own_linked_and_audited(world: World) -> None:
    done = await world.done("undoable")
    undo = await undoing(world, done)
    assert (undo.undo_of, undo.title, undo.risk, undo.status) == (
        done.id,
        "Undo: Note tea (1)",
        done.risk,
        Status.PENDING,
    )
    world.sql("UPDATE outbox SET done_at = 0")
    outcome = await world.execute(undo)
    assert (outcome.formatted, outcome.result) == ("Taken back.", {"attempt": 1})
    assert world.ledger.lines == [f"did {done.id} 1", f"undid {undo.id} 1"]
    view = await world.view(done)
    assert view.undone_by == undo.id
    assert view.call.version == done.version + 1  # so that its card is brought up to date
    assert view.call.status is Status.COMPLETED
    assert world.kinds(done)[-1] == "call.undone"
    queued = world.sql(
        "SELECT count(*) FROM outbox JOIN cards ON cards.id = card_id"
        " WHERE call_id = ? AND outbox.done_at IS NULL",
        done.id,
    )
    assert queued == [(1,)]


async def test_an_undo_of_declared_risk_is_asked_for(world: World) -> None:
    undo = await undoing(world, await world.done("undo_asks"))
    assert (undo.status, undo.risk.value) == (Status.PROPOSED, "high")
    assert code_of(await world.vote(undo, "ann")) == "self_approval"
    assert (await world.execute(await world.approve(undo))).success


@pytest.mark.parametrize(("seconds", "possible"), [(599, True), (600, False), (601, False)])
async def test_the_window(world: World, seconds: int, possible: bool) -> None:
    done = await world.done("undoable")
    world.clock.advance(seconds)
    answer = await world.undo(done)
    assert isinstance(answer, Proposed) is possible
    if not possible:
        assert refusal_of(answer).refusal.message == "The time for undoing this (10 minutes) is over."


async def test_it_is_undone_once(world: World) -> None:
    done = await world.done("undoable")
    first = await undoing(world, done)
    assert await world.undo(done, "dan") == Proposed(call=first, repeated=True)
    await world.execute(first)
    again = await world.undo(done)
    assert isinstance(again, Proposed)
    assert (again.repeated, again.call.id) == (True, first.id)
    assert len(world.ledger.lines) == 2


async def test_an_undo_that_was_denied_can_be_asked_for_anew(world: World) -> None:
    done = await world.done("undo_asks")
    first = await undoing(world, done)
    await world.vote(first, "cat", Vote.DENIED)
    # Once: the key undo:<id>:<version> is the same as before, so the denied call is given back for ever,
    # though the schema's partial index makes room for another one.
    assert (await undoing(world, done)).status is Status.PROPOSED


async def test_an_approver_may_undo_what_they_may_see(world: World) -> None:
    world.rules('[[rule]]\ntool = "undoable"\ndecision = "requires_approval"\napprovers = "approver"\n')
    done = await world.approved("undoable")
    await world.execute(done)
    undo = await undoing(world, done, "cat")
    assert undo.requester_id == "cat"
    assert undo.conversation_id == done.conversation_id


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (principal("bob"), "not_found"),
        (principal("zoe"), "not_found"),
        (principal("eve"), "not_a_member"),
        (principal("gus", UMBRELLA), "not_found"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_who_may_not_undo(world: World, who: Principal, code: str) -> None:
    done = await world.done("undoable")
    assert code_of(await world.undo(done, who)) == code


async def test_a_member_who_was_shown_it_in_a_group_may_not_undo_anothers(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "member"\n')
    done = await world.approved("undoable", signer="bob")
    await world.execute(done)
    assert code_of(await world.undo(done, "bob")) == "not_owner"


@pytest.mark.parametrize(
    ("tool", "says"),
    [
        ("low_once", "low_once cannot be undone."),
        ("fails", "fails cannot be undone."),
    ],
)
async def test_a_tool_without_an_undo(world: World, tool: str, says: str) -> None:
    done = await world.done(tool)
    refused = refusal_of(await world.undo(done))
    assert (refused.refusal.code.value, refused.refusal.message) == ("not_undoable", says)


async def test_only_what_was_completed_can_be_undone(world: World) -> None:
    call = await world.propose("undoable")
    assert refusal_of(await world.undo(call)).refusal.message == "Only what was completed can be undone."


async def test_an_undo_is_not_undone(world: World) -> None:
    undo = await undoing(world, await world.done("undoable"))
    await world.execute(undo)
    assert refusal_of(await world.undo(undo)).refusal.message == "undoable cannot be undone."


async def test_a_failed_undo_leaves_the_original_as_it_was(world: World) -> None:
    done = await world.done("undoable")
    undo = await undoing(world, done)
    started = await world.started(undo)
    world.change(done, "arguments", '{"text":""}')
    result = await world.run(started)
    assert result.status is Status.COMPLETED  # it runs on what was read when it was started
    world.change(done, "arguments", '{"text":"tea","amount":1}')
    await world.finish(started, replace(result, status=Status.FAILED, error="no", error_class="refused"))
    view = await world.view(done)
    assert (view.undone_by, view.call.version) == (None, done.version)


async def test_what_a_person_marked_done_is_not_undone(world: World) -> None:
    call = await world.propose("undoable")
    await world.started(call)
    await world.recover(sole=True)
    await world.unit(
        lambda records: mark(
            records,
            by=principal("ann"),
            call_id=call.id,
            done=True,
            now=world.clock.moment,
            env=world.env,
        )
    )
    assert refusal_of(await world.undo(call)).refusal.message == "Only what was completed can be undone."


async def test_a_call_whose_conversation_is_gone_is_not_undone(world: World) -> None:
    done = await world.done("undoable")
    world.change(done, "conversation_id", "nowhere")
    assert code_of(await world.undo(done)) == "not_undoable"


async def test_an_undo_whose_signature_lapsed_is_signed_anew_and_still_an_undo(world: World) -> None:
    done = await world.done("undo_asks")
    signed = await world.approve(await undoing(world, done))
    await world.role("cat", None)
    assert code_of(await world.start(signed)) == "approval_invalid"
    again = await world.call(signed)
    assert (again.revision, again.title, again.undo_of) == (2, "Undo: Note tea (1)", done.id)
    assert (await world.execute(await world.approve(again, "cid"))).formatted == "Taken back."


async def test_until_when_it_can_be_undone(world: World) -> None:
    done = await world.done("undoable")
    outcome = await world.outcome(done)
    assert outcome is not None
    until = undo_until(done, outcome, world.registry, attempts=(), now=world.clock.now())
    assert until is not None
    assert (until - outcome.completed_at).total_seconds() == 600
    assert undo_until(done, None, world.registry, attempts=(), now=world.clock.now()) is None


async def test_the_undo_of_a_removed_tool_is_no_more(world: World) -> None:
    done = await world.done("undoable")
    del world.registry._tools["undoable"]
    assert refusal_of(await world.undo(done)).refusal.message == "undoable cannot be undone."
