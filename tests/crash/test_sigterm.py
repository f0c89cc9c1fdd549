"""T17: told to stop under load, it finishes what it has in hand within ten seconds and loses nothing."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Final

import pytest

from bot.bootstrap import DRAIN_S
from bot.telegram.app import FLUSH_S
from tests.crash.stage import PEOPLE, Stage, open_stage
from tests.e2e.rounds import FULL, SECOND_OF_TWO
from tests.kit.databases import Kind

ROUNDS: Final[dict[Kind, int]] = {"sqlite": 20 if FULL else 2, "postgresql": 20 if FULL else 1}
SLOW, TICKS, STAMPS = 30, 8, 3
MARGIN_S: Final = FLUSH_S + 3.0
_COUNT = "SELECT count(*) FROM tool_calls WHERE "


@pytest.mark.parametrize("kind", ["sqlite", SECOND_OF_TWO])
@pytest.mark.timeout(1800 if FULL else 200)
async def test_t17_told_to_stop_under_load(kind: Kind, tmp_path: Path) -> None:
    longest, in_hand, waited = 0.0, 0, 0
    async with open_stage(tmp_path / "data", kind) as stage:
        await stage.introduce(*PEOPLE)
        for number in range(ROUNDS[kind]):
            await stage.down()
            await stage.begins(served=True)
            hangs = number % 2
            await _load(stage, hangs=hangs)
            in_hand += stage.seen.number(_COUNT + "status = 'running'")
            longest = max(longest, await _told_to_stop(stage))
            waited += await _check_the_end(stage, hangs=hangs)
            await stage.up()
        done = f"{_COUNT} tool IN ('slow', 'tick', 'stamp') AND status = 'completed'"
        calls = stage.seen.number(done)
        assert calls == ROUNDS[kind] * (SLOW + TICKS + STAMPS)
        lost = stage.seen.number(_COUNT + "tool <> 'hang' AND status <> 'completed'")
    figures = f"{in_hand} calls in hand, {waited} left for the next start, {lost} of {calls} lost"
    print(f"T17 {kind}: {ROUNDS[kind]}/20 rounds, {figures}, longest {longest:.1f} s")
    assert not lost
    assert not FULL or longest < DRAIN_S + MARGIN_S


async def _load(stage: Stage, *, hangs: int) -> None:
    """More slow calls than can be run until the end, some of them signed, and more updates than those."""
    cards = [await stage.ask(stage.fresh()) for _ in range(STAMPS)]
    for _ in range(hangs):
        await stage.say("member", f"/hang {stage.fresh()}", calls=1)
        await stage.life_sees(_COUNT + "tool = 'hang' AND status = 'running'")
    for _ in range(SLOW):
        await stage.say("member", f"/slow {stage.fresh()}", calls=1)
    await stage.life_sees(_COUNT + "tool = 'slow' AND status = 'running'", least=3)
    for card in cards:
        stage.tap("approver", card, "Approve")


async def _told_to_stop(stage: Stage) -> float:
    """How long it took to end, while people go on writing."""
    assert stage.life is not None
    begun = time.monotonic()
    stage.life.send(signal.SIGTERM)
    writing = asyncio.ensure_future(_write(stage))
    await stage.life.death(exitcode=0)
    took = time.monotonic() - begun
    stage.life = None
    await writing
    return took


async def _write(stage: Stage) -> None:
    for _ in range(TICKS):
        await stage.say("member", f"/tick {stage.fresh()}", calls=1)


async def _check_the_end(stage: Stage, *, hangs: int) -> int:
    """What it had in hand it finished, but for what does not end; how many calls nobody began."""
    running = stage.seen.rows("SELECT tool FROM tool_calls WHERE status = 'running'")
    assert running == [("hang",)] * hangs
    assert not stage.seen.number("SELECT count(*) FROM inbox WHERE done_at IS NULL")
    assert stage.seen.number(_COUNT + "status = 'interrupted' AND tool <> 'hang'") == 0
    begun = "id IN (SELECT call_id FROM attempts)"
    assert not stage.seen.number(f"{_COUNT} status = 'pending' AND {begun}")
    return stage.seen.number(_COUNT + "status = 'pending'")
