"""T2: fifty approvals against fifty denials of one call, from four processes on one database."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.model import Vote
from tests.e2e.rounds import FULL
from tests.kit.databases import Place
from tests.races.crew import PROCESSES, Order
from tests.races.scene import (
    STARTS,
    VOTES,
    all_told,
    check_audit,
    check_never_run,
    check_one_decision,
    check_run_once,
    in_turns,
    races_on,
)

ROUNDS, ALL_ROUNDS = 20, 200


def ballots(number: int) -> list[list[tuple[str, Vote]]]:
    """Everybody's votes, in four parts. Approve and Deny take turns within each part, so that each process
    begins with another vote than its neighbour, and with another one in the next round."""
    return [
        [(person, list(Vote)[(place + part + number) % 2]) for place, person in enumerate(in_turns(part))]
        for part in range(PROCESSES)
    ]


@pytest.mark.timeout(1800 if FULL else 300)
async def test_t02_approve_against_deny_from_four_processes(place: Place, tmp_path: Path) -> None:
    rounds = ALL_ROUNDS if FULL else ROUNDS
    won = {Vote.APPROVED: 0, Vote.DENIED: 0}
    async with races_on(place, tmp_path) as (world, crew):
        for number in range(rounds):
            call = await world.propose("high_once")
            votes = ballots(number)
            assert sum(vote is Vote.APPROVED for part in votes for _, vote in part) == VOTES // 2
            seen = crew.race(
                [
                    Order(
                        call_id=call.id,
                        now=world.clock.now(),
                        votes=part,
                        starts=STARTS,
                        in_turn=number % 4 == 0,
                    )
                    for part in votes
                ]
            )
            vote = check_one_decision(world, call, all_told(seen))
            won[vote] += 1
            if vote is Vote.APPROVED:
                check_run_once(world, call, seen)
            else:
                check_never_run(world, call, seen, status="denied")
        check_audit(world)
        effects = world.ledger.effects.total()
    assert all(won.values()), f"one side never came first, so the other one was never tried: {won}"
    assert effects == won[Vote.APPROVED]
    print(
        f"T2 {place.kind}: {rounds}/{ALL_ROUNDS} rounds, {won[Vote.APPROVED]} approved,"
        f" {won[Vote.DENIED]} denied, {effects} effects"
    )
