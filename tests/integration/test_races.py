"""Many at once through one writer, in one process. From several processes: tests/races."""

from __future__ import annotations

import asyncio

from core.engine import Decided, Refused, Started
from core.lifecycle import Status
from tests.kit.world import World, code_of, principal

RACERS = 100


async def test_a_hundred_approvals_at_once_are_one(world: World) -> None:
    call = await world.propose("high_once")
    who = ["cat", "cid", "dan", "gus"]
    answers = await asyncio.gather(*(world.vote(call, who[n % 4]) for n in range(RACERS)))
    first = [answer for answer in answers if isinstance(answer, Decided) and not answer.repeated]
    assert len(first) == 1
    winner = first[0].approval
    for answer in answers:
        if isinstance(answer, Refused):
            assert answer.refusal.code.value == "already_decided"
            assert f"approved by {winner.person_name}" in answer.refusal.message
        else:
            assert answer.approval == winner
    assert world.sql("SELECT count(*) FROM approvals") == [(1,)]
    assert world.kinds(call).count("call.pending") == 1


async def test_a_hundred_starts_at_once_are_one(world: World) -> None:
    call = await world.approved()
    answers = await asyncio.gather(*(world.start(call, worker=f"w{n}") for n in range(RACERS)))
    started = [answer for answer in answers if isinstance(answer, Started)]
    refused = [code_of(answer) for answer in answers if isinstance(answer, Refused)]
    assert len(started) == 1
    assert refused == ["not_pending"] * (RACERS - 1)
    assert world.sql("SELECT count(*) FROM attempts") == [(1,)]
    await world.finish(started[0], await world.run(started[0]))
    assert world.ledger.effects == {call.id: 1}


async def test_a_hundred_finishes_at_once_are_one(world: World) -> None:
    started = await world.started(await world.propose("low_once"))
    result = await world.run(started)
    outcomes = await asyncio.gather(*(world.finish(started, result) for _ in range(RACERS)))
    assert sum(outcome is not None for outcome in outcomes) == 1
    assert world.kinds(started.call).count("call.late_result") == RACERS - 1


async def test_a_hundred_proposals_of_one_message_are_one(world: World) -> None:
    calls = await asyncio.gather(*(world.propose("high_once", message=7) for _ in range(RACERS)))
    assert len({call.id for call in calls}) == 1
    assert world.sql("SELECT count(*) FROM tool_calls") == [(1,)]


async def test_cancel_against_start(world: World) -> None:
    for number in range(10):
        call = await world.propose("low_once")
        verbs = [world.cancel(call), world.start(call)]
        await asyncio.gather(*(verbs if number % 2 else reversed(verbs)))
        status = (await world.call(call)).status
        assert status in {Status.CANCELLED, Status.RUNNING}
        attempts = world.sql("SELECT count(*) FROM attempts WHERE call_id = ?", call.id)
        assert attempts == [(int(status is Status.RUNNING),)]


async def test_two_recoveries_at_once_are_one(world: World) -> None:
    await world.started(await world.propose("low_again"))
    world.clock.advance(60)
    found = await asyncio.gather(*(world.recover(worker=f"w{n}") for n in range(2, 12)))
    assert sum(len(restarted) for restarted in found) == 1


async def test_the_principal_of_a_racer_does_not_matter(world: World) -> None:
    call = await world.approved()
    people = [principal(name) for name in ("ann", "cat", "dan")] * 5
    answers = await asyncio.gather(*(world.start(call, who) for who in people))
    assert sum(isinstance(answer, Started) for answer in answers) == 1
