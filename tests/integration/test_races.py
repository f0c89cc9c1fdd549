"""Many at once on one database, through the real writer. From several processes: a later issue."""

from __future__ import annotations

import asyncio

from core.engine import Decided, Refused, Started
from core.lifecycle import Status
from core.model import Vote
from tests.kit.world import World, code_of, principal

RACERS = 100
ROUNDS, ALL_ROUNDS = 20, 200  # T2: `make torture` runs all


async def test_t1_a_hundred_approvals_at_once_are_one(world: World) -> None:
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


async def test_t2_approve_against_deny(world: World) -> None:
    denied = 0
    for number in range(ROUNDS):
        call = await world.propose("high_once")
        votes = [list(Vote)[(n + number) % 2] for n in range(50)]
        answers = await asyncio.gather(
            *(world.vote(call, ["cat", "cid"][n % 2], vote) for n, vote in enumerate(votes)),
            *(world.start(call, worker=f"w{n}") for n in range(2)),
        )
        decided = [a for a in answers if isinstance(a, Decided) and not a.repeated]
        assert len(decided) == 1
        if decided[0].approval.vote is Vote.DENIED:
            denied += 1
            assert not any(isinstance(answer, Started) for answer in answers)
            assert (await world.call(call)).status is Status.DENIED
            assert code_of(await world.start(call)) == "not_pending"
    assert 0 < denied < ROUNDS
    assert world.ledger.lines == []
    print(f"T2: {ROUNDS}/{ALL_ROUNDS} rounds")


async def test_t4_taps_and_the_sweeper_at_the_moment_of_expiry(world: World) -> None:
    for offset in (-1, 0, 1):
        call = await world.propose("high_once")
        world.clock.advance(hours=24, seconds=offset)
        answers = await asyncio.gather(world.vote(call, "cat"), world.expire(), world.vote(call, "cid"))
        approved = any(isinstance(answer, Decided) for answer in answers)
        status = (await world.call(call)).status
        assert status is (Status.PENDING if approved else Status.EXPIRED)
        assert approved is (offset < 0)
        world.clock.advance(days=3)
        await world.expire()


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
