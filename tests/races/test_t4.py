"""T4: taps and the sweeper race at the moment of a call's expiry, from four processes on one database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Final

import pytest

from core.model import ToolCall, Vote
from tests.e2e.rounds import FULL
from tests.kit.databases import Place
from tests.kit.world import World
from tests.races.crew import Order, Seen
from tests.races.scene import (
    all_told,
    check_audit,
    check_never_run,
    check_one_decision,
    check_run_once,
    races_on,
)

ROUNDS, ALL_ROUNDS = 60, 500
Offsets = tuple[int, int, int, int]
"""By how many seconds each process's clock is past the expiry. The first three tap, and all of them sweep."""
_MIXED: Final[Sequence[Offsets]] = ((-1, 0, 1, 0), (1, -1, 0, 1), (0, 1, -1, 0))
_CLEAR: Final[Sequence[Offsets]] = ((-1, -1, -1, -1), (0, 0, 0, 0), (1, 1, 1, 1))
_STARTS: Final = 2
_TAPPERS: Final = (("cat", "cid"), ("dan", "gus"), ("cid", "cat"), ())


def orders_at(call: ToolCall, offsets: Offsets) -> list[Order]:
    assert call.expires_at is not None
    return [
        Order(
            call_id=call.id,
            now=call.expires_at + timedelta(seconds=offset),
            votes=[(person, Vote.APPROVED) for person in people],
            sweeps=1,
            starts=_STARTS,
        )
        for offset, people in zip(offsets, _TAPPERS, strict=True)
    ]


def check_never_both(world: World, call: ToolCall, seen: Sequence[Seen]) -> str:
    """Either it was approved, and ran once, or it expired, and never ran; which."""
    kinds = Counter(world.kinds(call))
    assert kinds["call.pending"] + kinds["call.expired"] == 1, kinds
    told = all_told(seen)
    if kinds["call.pending"]:
        check_one_decision(world, call, told)
        check_run_once(world, call, seen, starts=_STARTS)
        assert all(not found for each in seen for found in each.expired)
        return "approved"
    assert [each.code for each in told] == ["already_decided"] * len(told)
    assert all("expired" in each.message for each in told)
    assert not world.sql("SELECT person_id FROM approvals WHERE call_id = ?", call.id)
    check_never_run(world, call, seen, status="expired")
    assert sum(found for each in seen for found in each.expired) == 1
    return "expired"


@pytest.mark.timeout(1800 if FULL else 300)
async def test_t04_taps_and_the_sweeper_at_the_moment_of_expiry(place: Place, tmp_path: Path) -> None:
    """Half of the rounds with all clocks alike, where it is clear what must come of it; half with clocks that
    are apart, where whoever comes first decides."""
    rounds = ALL_ROUNDS if FULL else ROUNDS
    kinds = cycle([offsets for pair in zip(_MIXED, _CLEAR, strict=True) for offsets in pair])
    came: Counter[tuple[str, str]] = Counter()
    async with races_on(place, tmp_path) as (world, crew):
        for _, offsets in zip(range(rounds), kinds, strict=False):
            call = await world.propose("high_once")
            result = check_never_both(world, call, crew.race(orders_at(call, offsets)))
            clear = len(set(offsets)) == 1
            if clear:
                assert result == ("approved" if offsets[0] < 0 else "expired"), offsets
            came["clear" if clear else "mixed", result] += 1
        check_audit(world)
        effects = world.ledger.effects.total()
    approved = came["clear", "approved"] + came["mixed", "approved"]
    assert effects == approved
    assert came["mixed", "approved"], "no tap ever came before the sweeper"
    assert came["mixed", "expired"], "the sweeper never came before a tap in time"
    print(
        f"T4 {place.kind}: {rounds}/{ALL_ROUNDS} rounds, {approved} approved, {rounds - approved} expired,"
        f" {effects} effects"
    )
