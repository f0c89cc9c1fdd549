"""What let a call start is looked at before each further attempt, and what may have been done stays put."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from bot.workers.hand import resting
from core.engine import Proposed, Started
from core.engine.held import why_held
from core.errors import ToolError
from core.lifecycle import Status
from core.model import BreakerState, Outcome, Risk, Role, Target, ToolCall
from core.tool import Undo
from tests.integration.remote import BUSY, MAIL, SPARE, Remote
from tests.integration.test_retrying import waiting
from tests.kit.switching import paused, resumed
from tests.kit.world import World, code_of, refusal_of

GONE = ConnectionResetError("gone after it was sent")
LATER = ToolError("Come later.", error_class="limit", transient=True, retry_after_s=50.0)
CLOSED = '[[rule]]\nname = "closing"\ndecision = "deny"\nreason = "closed"\n'


async def carried(world: World, call: ToolCall) -> list[str | None]:
    """What carried each attempt."""
    return [each.adapter for each in (await world.view(call)).attempts]


# --------------------------------------------------------------------------- switches


async def test_what_waits_is_not_begun_while_it_is_paused_and_says_so(world: World) -> None:
    remote = Remote(world)
    started = await waiting(remote)
    await paused(world, until=world.clock.now() + timedelta(seconds=20))
    held = await remote.begin(started)
    assert isinstance(held, Started)
    assert (held.held, held.held_by, held.wait_s) == (True, "paused by Dan: deploy freeze", 20.0)
    assert resting(held) == "paused by Dan: deploy freeze; attempt 2 follows once that is over"
    assert world.ledger.effects[started.call.id] == 1
    await resumed(world)
    begun = await remote.begin(held)
    assert isinstance(begun, Started)
    assert (begun.wait_s, begun.attempt.adapter) == (None, MAIL)


async def test_a_pause_without_an_end_is_looked_at_again_and_not_waited_for_for_ever(world: World) -> None:
    remote = Remote(world)
    started = await waiting(remote)
    await paused(world)
    held = await remote.begin(started)
    assert isinstance(held, Started)
    assert held.wait_s == 60.0
    world.clock.move_wall(hours=25)
    ended = await remote.begin(held)
    assert isinstance(ended, Outcome)
    assert (ended.status, ended.error) == (Status.FAILED, "It was paused for too long.")


async def test_a_paused_fallback_carries_no_attempt(world: World) -> None:
    remote = Remote(world, failures=1)
    started = await waiting(remote, "send_over")
    await paused(world, target=Target.ADAPTER, name=SPARE)
    held = await remote.begin(started)
    assert isinstance(held, Started)
    assert held.held_by == "paused by Dan: deploy freeze"
    assert await carried(world, started.call) == [MAIL, None]


async def test_recovery_runs_nothing_again_while_it_is_paused(world: World) -> None:
    call = (await world.started(await world.propose("low_again"))).call
    await paused(world)
    (again,) = await world.recover(sole=True)
    assert (again.wait_s, again.attempt.adapter) == (0.0, None)
    remote = Remote(world)
    held = await remote.begin(again)
    assert isinstance(held, Started)
    assert held.held
    await resumed(world)
    begun = await remote.begin(held)
    assert isinstance(begun, Started)
    assert await world.finish(begun, await world.run(begun))
    assert world.ledger.effects == {call.id: 1}


async def test_a_card_names_the_pause_of_what_would_carry_it(world: World) -> None:
    remote = Remote(world, failures=1)
    await remote.cut_off()
    await paused(world, target=Target.ADAPTER, name=SPARE)
    call = await world.propose("send_over")
    assert code_of(await world.start(call)) == "paused"
    why, _ = await world.read(lambda records: why_held(records, call, now=world.clock.now(), env=world.env))
    assert why == "paused by Dan: deploy freeze"


# --------------------------------------------------------------------------- policy and authority


async def denied(world: World) -> None:
    world.rules(CLOSED)


async def left(world: World) -> None:
    await world.role("ann", None)


async def unentitled(world: World) -> None:
    await world.role("cat", Role.MEMBER)


async def switched_off(world: World) -> None:
    world.place.rows("UPDATE tenants SET active = ? WHERE id = ?", False, "acme")


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (denied, "policy_forbids", "Today's policy denies this: closed (closing)."),
        (left, "policy_forbids", "Today's policy denies this: the requester is not a member any more"),
        (unentitled, "approval_invalid", ""),
        (switched_off, "tenant_inactive", "This team is switched off, so nothing runs for it."),
    ],
)
async def test_what_would_not_start_today_is_not_tried_again(
    world: World, change: Callable[[World], Awaitable[None]], code: str, says: str
) -> None:
    remote = Remote(world)
    send = world.registry.get("send")
    world.registry.register(replace(send, name="send_signed", risk=Risk.HIGH))
    remote.errors = [BUSY]
    call = await world.approved("send_signed")
    waits = await remote.attempt(await world.started(call))
    assert isinstance(waits, Started)
    await change(world)
    ended = await remote.begin(waits)
    assert isinstance(ended, Outcome)
    assert (ended.status, ended.error_class) == (Status.FAILED, code)
    assert ended.error is not None
    assert ended.error.startswith(f"It was not tried again: {says}")
    assert await carried(world, call) == [MAIL, None]


async def test_what_a_dead_worker_held_and_would_not_start_today_waits_for_a_person(world: World) -> None:
    """Its tool may have done it: nobody saw the end of that attempt."""
    started = await world.started(await world.propose("low_again"))
    world.rules(CLOSED)
    (again,) = await world.recover(sole=True)
    assert await Remote(world).begin(again) is None
    left_over = await world.call(started.call)
    assert left_over.status is Status.INTERRUPTED
    assert left_over.note.startswith("It was not tried again: Today's policy denies this: closed (closing).")
    assert left_over.note.endswith("The worker of the attempt before stopped while it ran.")


# --------------------------------------------------------------------------- asked to stop


async def test_what_was_asked_to_stop_while_it_waited_is_not_begun(world: World) -> None:
    remote = Remote(world)
    started = await waiting(remote)
    await world.cancel(started.call)
    ended = await remote.begin(started)
    assert isinstance(ended, Outcome)
    assert (ended.status, ended.error) == (Status.CANCELLED, "Stopped by Ann.")
    assert await carried(world, started.call) == [MAIL, None]


async def test_a_begun_attempt_that_is_asked_to_stop_is_its_workers_to_end(world: World) -> None:
    """Where nobody heard whether it was begun, it is begun once more."""
    remote = Remote(world)
    started = await waiting(remote)
    assert isinstance(await remote.begin(started), Started)
    await world.cancel(started.call)
    assert await remote.begin(started) is None
    assert (await world.call(started.call)).status is Status.RUNNING


async def test_what_was_asked_to_stop_while_it_waited_is_cancelled_after_a_restart(world: World) -> None:
    remote = Remote(world)
    started = await waiting(remote)
    await world.cancel(started.call)
    assert await world.recover(sole=True) == []
    outcome = await world.outcome(started.call)
    assert outcome is not None
    assert (outcome.status, outcome.error) == (Status.CANCELLED, "Stopped by Ann.")


async def test_nor_is_it_said_to_be_cancelled_where_a_worker_died_before(world: World) -> None:
    started = await world.started(await world.propose("low_again"))
    await paused(world)
    await world.recover(sole=True)
    await world.cancel(started.call)
    assert await world.recover(worker="w3", sole=True) == []
    left_over = await world.call(started.call)
    assert left_over.status is Status.INTERRUPTED
    assert left_over.note == "Stopped by Ann. The worker of the attempt before stopped while it ran."


# --------------------------------------------------------------------------- what may have been done


async def test_what_was_lost_on_one_adapter_stays_with_it(world: World) -> None:
    """The key makes a repeat harmless there, and means nothing to the other side."""
    remote = Remote(world, failures=1)
    remote.errors = [GONE]
    call = await world.propose("send_over")
    outcome = await remote.through(call)
    assert outcome.status is Status.COMPLETED
    assert await carried(world, call) == [MAIL, MAIL]


async def test_so_does_what_its_worker_died_of(world: World) -> None:
    remote = Remote(world, failures=1)
    call = (await world.started(await world.propose("send_over"))).call
    await remote.cut_off()
    (again,) = await world.recover(sole=True)
    assert (again.held, again.wait_s, again.attempt.adapter) == (True, 30.0, None)
    world.clock.advance(30)
    begun = await remote.begin(again)
    assert isinstance(begun, Started)
    assert await carried(world, call) == [MAIL, MAIL]


@pytest.mark.parametrize("error", [BUSY, ConnectionRefusedError("nobody there")])
async def test_what_was_not_done_goes_over(world: World, error: Exception) -> None:
    remote = Remote(world, failures=1)
    remote.errors = [error]
    call = await world.propose("send_over")
    await remote.through(call)
    assert await carried(world, call) == [MAIL, SPARE]


async def test_what_the_fallback_did_is_not_taken_back_by_the_other_side(world: World) -> None:
    remote = Remote(world, failures=1)
    over = world.registry.get("send_over")
    undo = world.registry.get("undoable").undo
    assert isinstance(undo, Undo)
    world.registry.register(replace(over, name="send_undone", undo=undo))
    own = await world.done("send_undone")
    assert isinstance(await world.undo(own), Proposed)
    await remote.cut_off()
    done = await world.done("send_undone")
    refusal = refusal_of(await world.undo(done)).refusal
    assert refusal.message == "spare did this in the place of mail, which cannot take it back."


# --------------------------------------------------------------------------- after a restart


async def test_a_probe_whose_worker_died_lets_another_be_one(world: World) -> None:
    remote = Remote(world, failures=1)
    await remote.cut_off()
    world.clock.advance(30)
    probe = await world.started(await world.propose("send_once"))
    await world.recover(sole=True)
    assert (await world.call(probe.call)).status is Status.INTERRUPTED
    second = await world.started(await world.propose("send"))
    await paused(world)
    await world.recover(worker="w3", sole=True)
    breaker = await remote.breaker()
    assert breaker is not None
    assert (breaker.state, breaker.probe) == (BreakerState.OPEN, None)
    assert (await world.view(second.call)).attempts[-1].adapter is None


async def test_a_retry_after_outlives_the_process(world: World) -> None:
    remote = Remote(world)
    remote.errors = [LATER]
    started = await remote.attempt(await world.started(await world.propose("send")))
    assert isinstance(started, Started)
    world.clock.advance(20)
    (again,) = await world.recover(sole=True)
    assert (again.wait_s, again.attempt.adapter) == (30.0, None)
    world.clock.advance(20)
    (again,) = await world.recover(worker="w3", sole=True)
    assert again.wait_s == 10.0
    world.clock.advance(10)
    (again,) = await world.recover(worker="w4", sole=True)
    assert (again.wait_s, again.attempt.adapter) == (None, MAIL)


async def test_the_home_teams_audit_tells_of_a_breaker_and_not_of_whose_call_it_was(world: World) -> None:
    remote = Remote(world, failures=1)
    await remote.cut_off()
    world.clock.advance(30)
    await world.started(await world.propose("send_once"))
    told = [each for each in world.chain("_system") if each.kind.startswith("breaker.")]
    assert [each.kind for each in told] == ["breaker.open", "breaker.half_open"]
    assert [each.call_id for each in told] == [None, None]
    assert '"why":"busy"' in told[0].content
    assert str(BUSY) not in told[0].content


@pytest.mark.parametrize("readable", [True, False])
async def test_an_undo_is_run_again_where_what_it_takes_back_can_be_read(
    world: World, readable: bool
) -> None:
    undoable = world.registry.get("undoable")
    world.registry.register(replace(undoable, name="undo_again", idempotent=True))
    done = await world.done("undo_again")
    answer = await world.undo(done)
    assert isinstance(answer, Proposed)
    await world.started(answer.call)
    if not readable:
        world.change(done, "arguments", "{")
    again = await world.recover(sole=True)
    assert [each.original is not None for each in again] == [True] * readable
    status = (await world.call(answer.call)).status
    assert status is (Status.RUNNING if readable else Status.INTERRUPTED)
