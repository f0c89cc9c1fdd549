"""T20: another process holds the write lock. Taps made meanwhile are decided once it is free, each once."""

from __future__ import annotations

import asyncio

import pytest

from bot.bootstrap import Countersign
from bot.telegram import taps
from tests.e2e.lives import settled
from tests.e2e.rounds import FULL
from tests.faults.stage import Town
from tests.kit.faults import held

TAPS = 6
HELD_S = (1.0, 5.0, 30.0)
MOST_S = 45.0
"""Longer than the lock is held: a tap without an answer by then was lost."""


@pytest.mark.timeout(300)
async def test_t20_no_tap_is_lost_while_another_process_writes(town: Town) -> None:
    rounds = HELD_S if FULL else HELD_S[:1]
    async with town.living() as product:
        for number, seconds in enumerate(rounds):
            cards = await town.asked(*(f"paper-{number}-{one}" for one in range(TAPS)))
            await settled(product)
            with held(town.place, seconds=seconds):
                ids = town.press("approver", cards, "Approve")
                late = seconds > taps.STILL_DECIDING_AFTER_S
                # The first fetch has the first tap; until it is stored, no other fetch confirms it. So the
                # others are answered when the lock is free, and told by their cards where that is too late.
                told = await _told(town, ids[:1] if late else ids)
                assert all(("Still deciding" if late else "Approved") in one for one in told), told
                await settled(product)
            await _all_done(town, product, TAPS * (number + 1))
    _check(town, TAPS * len(rounds))
    print(f"T20 {town.place.kind}: {len(rounds)}/3 locks held, {TAPS * len(rounds)} taps, 1 effect each")


async def test_t20_a_tap_that_takes_long_is_told_so_and_decided(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is let go only after somebody was told; others tap meanwhile."""
    assert taps.STILL_DECIDING_AFTER_S == 8
    monkeypatch.setattr(taps, "STILL_DECIDING_AFTER_S", 0.05)
    async with town.living() as product:
        first, *others = await town.asked(*(f"paper-{one}" for one in range(TAPS)))
        await settled(product)
        with held(town.place) as holder:
            told = await _told(town, town.press("approver", [first], "Approve"))
            assert "Still deciding" in told[0]
            town.press("approver", [*others, first], "Approve")
            assert town.effects() == []
            await asyncio.to_thread(holder.release)
        await _all_done(town, product, TAPS)
    _check(town, TAPS)
    print(f"T20 {town.place.kind}: {TAPS}/{TAPS} taps decided after one was told to wait, 1 effect each")


async def _told(town: Town, ids: list[str]) -> list[str]:
    """What a person is told after these taps."""
    answers = await asyncio.gather(*(town.sandbox.world.answers.wait(one, MOST_S) for one in ids))
    return [answer.text for answer in answers]


async def _all_done(town: Town, product: Countersign, calls: int) -> None:
    """Returns once so many cards of the approver say that it is done."""
    await town.phones.see("approver", lambda m: "Done" in m["text"], times=calls)
    await settled(product)
    assert town.effects() == [1] * calls


def _check(town: Town, calls: int) -> None:
    """One vote and one outcome each, and no update is left over."""
    assert town.place.rows("SELECT status, count(*) FROM tool_calls GROUP BY status") == [
        ("completed", calls)
    ]
    assert town.place.number("SELECT count(*) FROM approvals") == calls
    assert town.place.number("SELECT count(*) FROM inbox WHERE done_at IS NULL OR error IS NOT NULL") == 0
