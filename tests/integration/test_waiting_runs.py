"""Steps of a run while they wait for a signature: edited one by one, reminded of and asked for as one."""

from __future__ import annotations

from datetime import timedelta

from core.engine.restored import make_safe
from core.lifecycle import Status
from core.model import Role
from tests.integration.runs_stage import APART, a_run, execute, for_workers, statuses, steps
from tests.kit.faults import corrupt
from tests.kit.waiting import edited, longer, planned, reminded, rerouted, swept
from tests.kit.world import World, chat_of

SIGNERS = [chat_of(name) for name in ("cat", "cid", "gus", "dan")]


def cards(world: World, run_id: str) -> set[int]:
    return {row[0] for row in world.sql("SELECT chat FROM cards WHERE run_id = ?", run_id)}


async def test_a_step_is_edited_and_the_others_keep_their_signatures(world: World) -> None:
    run = await a_run(world, "high_once", "high_once", needs=APART)
    first, second = await steps(world, run)
    await world.approve(first)
    after = await edited(world, second, amount=7)
    assert (after.revision, after.run_id, after.step) == (2, run.record.id, 2)
    assert [call.status for call in await steps(world, run)] == [Status.PENDING, Status.PROPOSED]
    ((alone,),) = world.sql("SELECT count(*) FROM cards WHERE run_id IS NULL")
    assert alone == 0, "the run's card shows it"
    await execute(world, run, 1)
    await world.approve(after)
    await execute(world, run, 2)
    assert sorted(world.ledger.effects.values()) == [1, 1]


async def test_a_step_that_is_let_through_after_an_edit_still_waits_for_its_turn(world: World) -> None:
    world.rules('[[rule]]\ndecision = "requires_approval"\n')
    run = await a_run(world, "high_once", "low_once")
    first, second = await steps(world, run)
    world.rules("")
    after = await edited(world, second, amount=7)
    assert after.status is Status.PENDING
    assert await for_workers(world) == set()
    await world.approve(first)
    await execute(world, run, 1)
    assert await for_workers(world) == {2}


async def test_an_edit_that_asks_others_shows_them_the_whole_run(world: World) -> None:
    run = await a_run(world, "medium_once", "pay", needs=APART)
    _, second = await steps(world, run)
    assert cards(world, run.record.id) == {chat_of("ann")}
    await edited(world, second, amount=900)
    assert cards(world, run.record.id) == {chat_of("ann"), *SIGNERS}


async def test_a_run_is_reminded_of_once(world: World) -> None:
    run = await a_run(world, "high_once", "high_once", "high_once", needs=APART)
    world.clock.advance(hours=20)
    await swept(world)
    assert sorted(reminded(world)) == sorted(SIGNERS)
    kinds = [event.kind for event in world.chain() if event.kind == "call.reminded"]
    assert len(kinds) == 1
    assert len(await steps(world, run)) == 3


async def test_a_run_whose_first_step_is_signed_is_reminded_of_for_the_next(world: World) -> None:
    run = await a_run(world, "high_once", "high_once", needs=APART)
    await world.approve((await steps(world, run))[0])
    world.clock.advance(hours=20)
    await swept(world)
    assert sorted(reminded(world)) == sorted(SIGNERS)


async def test_a_new_approver_is_shown_the_run(world: World) -> None:
    run = await a_run(world, "high_once", "high_once", needs=APART)
    await world.role("bob", Role.APPROVER)
    await rerouted(world)
    assert chat_of("bob") in cards(world, run.record.id)


async def test_after_a_restore_a_step_is_asked_for_again_however_long_it_had_waited_for_another(
    world: World,
) -> None:
    run = await a_run(world, "high_once", "low_once")
    world.clock.advance(hours=23)
    await world.approve((await steps(world, run))[0])
    world.clock.advance(hours=23)
    now = world.clock.moment
    await world.unit(
        lambda records: make_safe(records, taken_at=now.wall, source="a backup", now=now, env=world.env)
    )
    assert await statuses(world, run) == "proposed proposed"


async def test_one_step_is_given_more_time(world: World) -> None:
    run = await a_run(world, "high_once", "high_once", needs=APART)
    _, second = await steps(world, run)
    before = planned(world, second)["remind"]
    await longer(world, second)
    assert planned(world, second)["remind"] == before + timedelta(minutes=48)
    world.clock.advance(hours=24)
    await world.expire()
    assert [call.status for call in await steps(world, run)] == [Status.EXPIRED, Status.CANCELLED]


async def test_a_step_that_cannot_be_read_keeps_nobody_else_from_being_reminded(world: World) -> None:
    run = await a_run(world, "high_once", "high_once", needs=APART)
    _, second = await steps(world, run)
    call = await world.propose("high_once", by="bob")
    world.change(second, "arguments", "{")
    world.clock.advance(hours=20)
    assert await swept(world) == 3
    assert "call.reminded" in world.kinds(call)
    assert await swept(world) == 0


async def test_signed_steps_of_a_run_that_cannot_be_read_any_more_end(world: World) -> None:
    """Nobody can tell what they wait for, and their time does not run."""
    run = await a_run(world, "high_once", "high_once", "high_once")
    for call in await steps(world, run):
        await world.approve(call)
    started = await world.started((await steps(world, run))[0])
    corrupt(world.place, "runs", "needs", "id = ?", run.record.id, shape="cut off")
    await world.finish(started, await world.run(started))
    assert await statuses(world, run) == "completed cancelled cancelled"
    told = world.sql("SELECT error FROM outcomes WHERE error IS NOT NULL")
    assert told == [("Its run cannot be read any more, so this step was not run.",)] * 2
