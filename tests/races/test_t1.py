"""T1: a hundred votes of one kind on one call, from four processes on one database."""

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
    check_one_decision,
    check_run_once,
    in_turns,
    races_on,
)

ROUNDS, ALL_ROUNDS = 5, 50


@pytest.mark.timeout(1800 if FULL else 300)
async def test_t01_a_hundred_votes_from_four_processes_have_one_effect(place: Place, tmp_path: Path) -> None:
    """By twenty-five people in each process, or all by one whose button was tapped a hundred times; all at
    once, or one after the other in each process, so that the four interleave. Then all try to start it."""
    rounds = ALL_ROUNDS if FULL else ROUNDS
    async with races_on(place, tmp_path) as (world, crew):
        for number in range(rounds):
            call = await world.propose("high_once")
            one = number % 2 == 1
            seen = crew.race(
                [
                    Order(
                        call_id=call.id,
                        now=world.clock.now(),
                        votes=[("cat" if one else person, Vote.APPROVED) for person in in_turns(part)],
                        starts=STARTS,
                        in_turn=number % 4 > 1,
                    )
                    for part in range(PROCESSES)
                ]
            )
            told = all_told(seen)
            assert len(told) == VOTES
            check_one_decision(world, call, told)
            assert sum(each.repeated for each in told) == (VOTES if one else PROCESSES) - 1
            check_run_once(world, call, seen)
        check_audit(world)
        effects = world.ledger.effects.total()
    assert effects == rounds
    print(f"T1 {place.kind}: {rounds}/{ALL_ROUNDS} rounds, {rounds * VOTES} votes, {effects} effects")
