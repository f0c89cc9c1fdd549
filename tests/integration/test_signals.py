"""Signals: what really ran is told once for each kind, in order, in the transaction of its outcome."""

from __future__ import annotations

import pytest

from core.engine import mark, start
from core.engine.signals import emit_started
from core.lifecycle import Status
from core.model import SignalKind as Kind
from core.model import Started, ToolCall
from core.signals import FACTS, STRIDE
from tests.integration.runs_stage import a_run, decided, execute
from tests.kit.receiver import stream
from tests.kit.world import ACME, UMBRELLA, World, dispatcher, principal

DONE = (Kind.TASK_STARTED, Kind.ACTION_EXECUTED, Kind.TASK_COMPLETED)
FAILED = (Kind.TASK_STARTED, Kind.ACTION_FAILED, Kind.TASK_FAILED)


def about(call: ToolCall, *kinds: Kind) -> list[tuple[Kind, str]]:
    return [(kind, call.id) for kind in kinds]


async def takes_long(world: World, call: ToolCall) -> None:
    """The executor finds that it is not over at once."""
    now = world.clock.now()

    def work(records: object) -> None:
        emit_started(records, records.calls.get(call.id), now)  # type: ignore[arg-type, attr-defined]

    await world.unit(work)


def test_a_row_has_room_for_all_that_it_tells() -> None:
    assert max(len(told) for told in FACTS.values()) < STRIDE
    assert {kind for told in FACTS.values() for kind in told} == set(Kind)


async def test_what_ran_is_told_once_for_each_kind_and_costs_one_row(world: World) -> None:
    done = await world.done("low_once")
    await takes_long(world, done)  # said of it too late
    failed = await world.done("fails")
    assert await stream(world) == [*about(done, *DONE), *about(failed, *FAILED)]
    assert world.sql("SELECT count(*) FROM signals") == [(2,)]


async def test_what_never_ran_is_not_told(world: World) -> None:
    asked = await world.propose("high_once")
    await world.cancel(asked)
    signed = await world.approved()
    await world.cancel(signed)
    assert (await world.call(signed)).status is Status.CANCELLED
    assert await stream(world) == []


async def test_a_call_that_takes_long_is_told_as_started_then_and_not_again(world: World) -> None:
    call = await world.propose("low_once")
    started = await world.started(call)
    await takes_long(world, call)
    await takes_long(world, call)
    assert await stream(world) == about(call, Kind.TASK_STARTED)
    await world.finish(started, await world.run(started))
    await takes_long(world, call)
    assert await stream(world) == about(call, *DONE)
    (first,) = await world.read(lambda r: r.signals.after(ACME, 0, limit=1))
    assert await world.read(lambda r: r.signals.get(first.seq)) == first
    assert await world.read(lambda r: r.signals.get(first.seq + 1)) is None


async def test_a_crash_and_another_attempt_tell_nothing_twice(world: World) -> None:
    call = await world.propose("low_again")
    await world.started(call)
    (again,) = await world.recover(sole=True)
    outcome = await world.finish(again, await world.run(again))
    assert outcome is not None
    assert await stream(world) == about(call, *DONE)
    late = Started(call=call, attempt=again.attempt)
    assert await world.finish(late, await world.run(again)) is None
    assert await stream(world) == about(call, *DONE)


@pytest.mark.parametrize("done", [True, False])
async def test_an_interrupted_call_is_told_at_its_mark(world: World, done: bool) -> None:
    call = await world.approved("high_once")
    await world.started(call)
    await world.recover(sole=True)
    assert await stream(world) == []
    await world.unit(
        lambda records: mark(
            records, by=principal("ann"), call_id=call.id, done=done, now=world.clock.moment, env=world.env
        )
    )
    assert await stream(world) == about(call, *(DONE if done else FAILED))


async def test_no_outcome_no_signal(world: World) -> None:
    """Written in the outcome's transaction: where that is lost, so is the signal."""
    call = await world.propose("low_once")
    started = await world.started(call)
    with world.place.forbidding("INSERT", "outcomes"), pytest.raises(world.place.errors):
        await world.finish(started, await world.run(started))
    assert await stream(world) == []
    with world.place.forbidding("INSERT", "signals"), pytest.raises(world.place.errors):
        await world.finish(started, await world.run(started))
    assert await world.outcome(call) is None


async def test_a_run_ends_once_after_all_of_its_steps(world: World) -> None:
    run = await a_run(world, "low_once", "fails", "low_once")
    await execute(world, run, 1)
    assert (Kind.EXECUTION_FINISHED, run.record.id) not in await stream(world)
    await execute(world, run, 2)  # and that ends the third, which never ran
    one, two, _ = run.calls
    assert await stream(world) == [
        *about(one, *DONE),
        *about(two, *FAILED),
        (Kind.EXECUTION_FINISHED, run.record.id),
    ]


async def test_a_run_that_people_end_is_told_too(world: World) -> None:
    run = await a_run(world, "high_once", "high_once")
    await decided(world, run, deny=[1, 2])
    assert await stream(world) == [(Kind.EXECUTION_FINISHED, run.record.id)]
    assert await world.read(lambda r: [each.subject for each in r.signals.finished(0, limit=9)]) == [
        run.record.id
    ]


async def test_streams_are_each_teams_own(world: World) -> None:
    ours = await world.done("low_once")
    theirs = await world.propose("low_once", by="zoe")
    await world.unit(
        lambda r: start(
            r, by=dispatcher(), call_id=theirs.id, worker="w1", now=world.clock.moment, env=world.env
        )
    )
    await takes_long(world, theirs)
    assert await stream(world) == about(ours, *DONE)
    assert await stream(world, UMBRELLA) == about(theirs, Kind.TASK_STARTED)
