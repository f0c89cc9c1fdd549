from __future__ import annotations

from typing import Any

import pytest

from core.engine import Marked, Proposed, Refused, Started, mark
from core.errors import CorruptRecord
from core.lifecycle import Status
from core.model import SYSTEM, Principal, ToolCall
from tests.kit.world import ACME, World, code_of, principal, refusal_of


async def crashed(world: World, tool: str = "low_once", *, ran: bool = True) -> Started:
    """A call whose worker died, after the tool's effect or before it."""
    started = await world.started(await world.propose(tool))
    if ran:
        await world.run(started)
    return started


# --------------------------------------------------------------------------- leases


async def test_a_live_lease_is_left_alone(world: World) -> None:
    started = await crashed(world)
    world.clock.advance(14.9)
    assert list(await world.recover()) == []
    assert (await world.call(started.call)).status is Status.RUNNING


async def test_a_lapsed_lease_of_an_idempotent_tool_gets_another_attempt(world: World) -> None:
    dead = await crashed(world, "low_again")
    world.clock.advance(15)
    again = (await world.recover())[0]
    assert (again.call.status, again.attempt.number, again.attempt.worker) == (Status.RUNNING, 2, "w2")
    view = await world.view(again.call)
    assert [attempt.ended_at is None for attempt in view.attempts] == [False, True]
    outcome = await world.finish(again, await world.run(again))
    assert outcome is not None
    assert (outcome.attempt_count, outcome.worker) == (2, "w2")
    assert outcome.started_at == dead.attempt.started_at
    assert world.kinds(dead.call) == ["call.pending", "call.running", "call.attempt", "call.completed"]


async def test_a_lapsed_lease_of_a_tool_that_is_not_idempotent_asks_a_person(world: World) -> None:
    dead = await crashed(world)
    world.clock.advance(15)
    assert list(await world.recover()) == []
    view = await world.view(dead.call)
    assert (view.call.status, view.outcome) == (Status.INTERRUPTED, None)
    assert view.call.note == "The worker stopped while it ran (attempt 1)."
    assert world.sql("SELECT kind FROM outbox WHERE kind = 'end_reply'") == [("end_reply",)]
    assert code_of(await world.start(dead.call)) == "not_pending"
    assert list(await world.recover(sole=True)) == []
    assert world.ledger.effects == {dead.call.id: 1}


async def test_what_was_asked_to_stop_is_not_run_again(world: World) -> None:
    dead = await crashed(world, "low_again")
    await world.cancel(dead.call)
    world.clock.advance(15)
    assert list(await world.recover()) == []
    left = await world.call(dead.call)
    assert left.status is Status.INTERRUPTED
    assert left.note == "Ann asked it to stop, and the worker stopped before it told of its end."


async def test_leases_are_in_real_time(world: World) -> None:
    await crashed(world)
    world.clock.move_wall(days=400)
    assert list(await world.recover()) == []
    assert world.sql("SELECT status FROM tool_calls") == [("running",)]


async def test_a_renewed_lease_holds(world: World) -> None:
    started = await crashed(world)
    world.clock.advance(10)
    until = world.clock.real() + world.env.limits.lease
    assert (
        await world.unit(lambda records: records.attempts.renew("w1", [started.call.id], lease_until=until))
        == 1
    )
    assert (
        await world.unit(lambda records: records.attempts.renew("w9", [started.call.id], lease_until=until))
        == 0
    )
    world.clock.advance(14)
    await world.recover()
    assert (await world.call(started.call)).status is Status.RUNNING


async def test_the_sole_worker_takes_over_without_waiting(world: World) -> None:
    idempotent, other = await crashed(world, "low_again"), await crashed(world)
    restarted = await world.recover(sole=True)
    assert [started.call.id for started in restarted] == [idempotent.call.id]
    assert (await world.call(other.call)).status is Status.INTERRUPTED


async def test_the_sole_worker_leaves_its_own_alone(world: World) -> None:
    started = await crashed(world)
    await world.recover(worker="w1", sole=True)
    assert (await world.call(started.call)).status is Status.RUNNING


async def test_a_crash_during_recovery_is_recovered_three_deep(world: World) -> None:
    await crashed(world, "low_again")
    for number in (2, 3, 4):
        again = (await world.recover(worker=f"w{number}", sole=True))[0]
        assert again.attempt.number == number
    outcome = await world.finish(again, await world.run(again))
    assert outcome is not None
    assert outcome.attempt_count == 4


@pytest.mark.parametrize("change", ["gone", "changed"])
async def test_a_tool_that_is_not_the_same_any_more_is_not_run_again(world: World, change: str) -> None:
    started = await crashed(world, "low_again")
    if change == "gone":
        del world.registry._tools["low_again"]
    else:
        world.change(started.call, "definition_hash", "0" * 64)
    assert list(await world.recover(sole=True)) == []
    assert (await world.call(started.call)).status is Status.INTERRUPTED


async def test_an_attempt_left_live_by_a_call_that_ended_is_closed(world: World) -> None:
    call = await world.done("low_again")
    world.sql("UPDATE attempts SET ended_at = NULL")
    assert list(await world.recover(sole=True)) == []
    assert world.sql("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == [(0,)]
    assert (await world.call(call)).status is Status.COMPLETED


# --------------------------------------------------------------------------- the fence


@pytest.mark.parametrize("tool", ["low_again", "low_once"])
async def test_a_worker_that_slept_past_its_lease_writes_nothing(world: World, tool: str) -> None:
    """T16."""
    slept = await crashed(world, tool)
    result = await world.run(slept)
    world.clock.advance(15)
    await world.recover()
    before = await world.view(slept.call)
    assert await world.finish(slept, result) is None
    assert await world.view(slept.call) == before
    late = world.chain()[-1]
    assert (late.kind, late.call_id) == ("call.late_result", slept.call.id)
    assert '"status":"completed"' in late.content


async def test_the_second_attempts_result_counts_whoever_is_first(world: World) -> None:
    first = await crashed(world, "low_again")
    second = (await world.recover(sole=True))[0]
    assert await world.finish(first, await world.run(first)) is None
    outcome = await world.finish(second, await world.run(second))
    assert outcome is not None
    assert outcome.result == {"attempt": 2}


# --------------------------------------------------------------------------- a person settles it


async def settle(world: World, call: ToolCall, by: str | Principal = "ann", **how: Any) -> Marked | Refused:
    who = principal(by) if isinstance(by, str) else by
    return await world.unit(
        lambda records: mark(
            records, by=who, call_id=call.id, now=world.clock.moment, env=world.env, **({"done": False} | how)
        )
    )


async def interrupted(world: World) -> ToolCall:
    started = await crashed(world)
    await world.recover(sole=True)
    return await world.call(started.call)


async def test_mark_done_writes_the_one_outcome(world: World) -> None:
    call = await interrupted(world)
    marked = await settle(world, call, "dan", done=True)
    assert isinstance(marked, Marked)
    outcome = await world.outcome(call)
    assert outcome == marked.outcome
    assert (outcome.status, outcome.marked_by, outcome.formatted, outcome.error) == (
        Status.COMPLETED,
        "dan",
        "Marked done by Dan.",
        None,
    )
    assert (outcome.attempt_count, outcome.worker, marked.again) == (1, "w1", None)
    assert (await world.call(call)).status is Status.COMPLETED


async def test_mark_not_done_writes_the_one_outcome(world: World) -> None:
    call = await interrupted(world)
    marked = await settle(world, call)
    assert isinstance(marked, Marked)
    assert (marked.outcome.status, marked.outcome.error, marked.outcome.error_class) == (
        Status.FAILED,
        "Marked not done by Ann.",
        "marked_not_done",
    )
    assert marked.again is None
    assert code_of(await world.start(call)) == "not_pending"


async def test_run_again_is_a_new_call_that_goes_through_policy(world: World) -> None:
    call = await interrupted(world)
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "admin"\nself_approval = false\n')
    marked = await settle(world, call, run_again=True)
    assert isinstance(marked, Marked)
    assert isinstance(marked.again, Proposed)
    fresh = marked.again.call
    assert (marked.call.status, fresh.retry_of, fresh.status) == (Status.FAILED, call.id, Status.PROPOSED)
    assert (await world.execute(await world.approve(fresh, "dan"))).success
    assert world.ledger.effects == {call.id: 1, fresh.id: 1}


async def test_run_again_denied_by_policy_still_marks(world: World) -> None:
    call = await interrupted(world)
    world.rules('[[rule]]\ndecision = "deny"\n')
    marked = await settle(world, call, run_again=True)
    assert isinstance(marked, Marked)
    assert isinstance(marked.again, Proposed)
    assert marked.again.call.status is Status.DENIED


async def test_it_is_settled_once(world: World) -> None:
    call = await interrupted(world)
    await settle(world, call, done=True)
    refused = refusal_of(await settle(world, call))
    assert refused.refusal.code.value == "not_interrupted"
    assert "has already been executed" in refused.refusal.message


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (principal("bob"), "not_found"),
        (principal("zoe"), "not_found"),
        (principal("eve"), "not_a_member"),
        (Principal(person=None, tenant=ACME, roles=frozenset(), channel=SYSTEM.channel), "not_owner"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_who_may_not_settle_it(world: World, who: Principal, code: str) -> None:
    call = await interrupted(world)
    assert code_of(await settle(world, call, who)) == code
    assert (await world.call(call)).status is Status.INTERRUPTED


async def test_a_call_that_runs_is_not_settled(world: World) -> None:
    started = await crashed(world)
    assert code_of(await settle(world, started.call)) == "not_interrupted"


async def test_an_approver_may_settle_what_they_could_have_signed(world: World) -> None:
    started = await world.started(await world.approved())
    await world.recover(sole=True)
    assert isinstance(await settle(world, started.call, "cid", done=True), Marked)


# --------------------------------------------------------------------------- rows that cannot be read


async def test_one_corrupt_row_does_not_stop_the_sweeper(world: World) -> None:
    """T24: that row is quarantined, others go on."""
    broken, fine = await world.propose("high_once"), await world.propose("high_once")
    world.change(broken, "arguments", "{")
    world.clock.advance(hours=24)
    corrupt = CorruptRecord("tool_calls", broken.id, "arguments")
    assert await world.unit(lambda records: records.calls.set_aside(corrupt, now=world.clock.now()))
    # Once: Calls.due lists rows that were set aside, so `expire` raises CorruptRecord at every sweep and no
    # other call ever expires.
    await world.expire()
    assert (await world.call(fine)).status is Status.EXPIRED


async def test_a_corrupt_row_is_set_aside_and_told_once_where_it_is_met(world: World) -> None:
    broken, fine = await world.propose("high_once"), await world.propose("high_once")
    world.change(broken, "arguments", "{")
    world.clock.advance(hours=24)
    for _ in range(2):
        await world.expire()
    assert (await world.call(fine)).status is Status.EXPIRED
    assert world.sql("SELECT status FROM tool_calls WHERE id = ?", broken.id) == [("proposed",)]
    assert [event.kind for event in world.chain("_system")] == ["record.corrupt"]


async def test_a_corrupt_running_row_is_set_aside_where_it_is_met(world: World) -> None:
    broken, fine = await crashed(world), await crashed(world)
    world.change(broken.call, "arguments", "{")
    await world.recover(sole=True)
    assert (await world.call(fine.call)).status is Status.INTERRUPTED
    assert [event.kind for event in world.chain("_system")] == ["record.corrupt"]


async def test_one_corrupt_row_does_not_stop_recovery(world: World) -> None:
    broken, fine = await crashed(world), await crashed(world)
    world.change(broken.call, "arguments", "{")
    corrupt = CorruptRecord("tool_calls", broken.call.id, "arguments")
    await world.unit(lambda records: records.calls.set_aside(corrupt, now=world.clock.now()))
    # Once: Attempts.lapsed lists attempts of rows that were set aside, so `recover` raises CorruptRecord and
    # nothing that was running before a crash is ever taken over.
    await world.recover(sole=True)
    assert (await world.call(fine.call)).status is Status.INTERRUPTED
