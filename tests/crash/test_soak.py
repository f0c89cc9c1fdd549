"""T42: fifty thousand calls through one process: it does not grow, and none is stuck; and a flood of them
from one chat, behind which nobody else waits."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

import aiohttp
import pytest

from tests.crash.life import Life
from tests.crash.programs import token_of
from tests.crash.stage import PEOPLE, Stage, open_stage
from tests.crash.victim import DOOR
from tests.e2e.rounds import FULL, rounds

CALLS: Final = rounds(normal=1_500, full=50_000)
AT_ONCE: Final = 32
IN_CHAT_EVERY: Final = 50
WAITING_MOST: Final = 200
"""Whoever asks waits while so many wait to be run: the product is to be busy, not its queue full."""
DRIFT_MOST: Final = 0.10
FLOOD: Final = rounds(normal=100, full=300)
ANSWERS: Final = rounds(normal=5, full=25)
SLOWER_MOST: Final = 2.0
_WAITING: Final = "SELECT count(*) FROM tool_calls WHERE status = 'pending'"
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(3600 if FULL else 120)
async def test_t42_a_soak(tmp_path: Path) -> None:
    async with open_stage(tmp_path / "data", "sqlite") as stage:
        await stage.introduce(*PEOPLE)
        sizes = await _soaked(stage, await stage.up())
        await stage.settled()
        ends = dict(stage.seen.rows("SELECT status, count(*) FROM tool_calls GROUP BY 1"))
        tasks = stage.seen.number("SELECT count(*) FROM tasks")
    # The first fifth fills what is meant to be kept: prepared statements, pages, what was measured.
    fifth = len(sizes) // 5
    early, late = median(sizes[fifth : 2 * fifth]), median(sizes[-fifth:])
    drift = late / early - 1
    print(f"T42: {CALLS}/50000 calls, 0 stuck, {early / 1e6:.0f} to {late / 1e6:.0f} MB ({drift:+.1%})")
    assert (ends, tasks) == ({"completed": CALLS}, CALLS)
    assert drift < DRIFT_MOST, f"{early / 1e6:.1f} to {late / 1e6:.1f} MB"


@pytest.mark.timeout(300)
async def test_t42_a_flood_from_one_chat_slows_the_others_less_than_twofold(tmp_path: Path) -> None:
    """The times are compared at full size only: there nothing else runs beside."""
    async with open_stage(tmp_path / "data", "sqlite") as stage:
        await stage.introduce(*PEOPLE)
        await _answered(stage)
        alone = [await _answered(stage) for _ in range(ANSWERS)]
        flood = [stage.say("member", f"/tick {stage.fresh()}", calls=1) for _ in range(FLOOD)]
        await asyncio.gather(*flood)
        amid = [await _answered(stage) for _ in range(ANSWERS)]
        left = stage.seen.number("SELECT count(*) FROM inbox WHERE done_at IS NULL")
        await stage.settled()
    slower = median(amid) / median(alone)
    beside = f"a flood of {FLOOD}, {left} still unread"
    print(f"T42: {len(amid)}/{ANSWERS} answers beside {beside}, {slower:.1f} times as long as alone")
    assert left > 0, "the flood was over: nothing was compared"
    if FULL:
        assert slower < SLOWER_MOST, (alone, amid)


async def _answered(stage: Stage) -> float:
    """How long one who does not flood waits for an answer, in seconds."""
    word, begun = stage.fresh(), time.perf_counter()
    await stage.say("approver", f"/tick {word}", calls=1)
    await stage.phones.see("approver", lambda m: m["from"]["is_bot"] and word in m["text"])
    return time.perf_counter() - begun


async def _soaked(stage: Stage, life: Life) -> list[int]:
    """Has all calls made, most by a program, some in a chat; how big the process was meanwhile, in bytes."""
    url = next(told for told in life.heard if told.startswith(DOOR)).removeprefix(DOOR)
    process, sizes, numbers = life.pid, list[int](), iter(range(CALLS))
    headers = {"Authorization": f"Bearer {token_of(stage, 'member')}"}
    turn = asyncio.Lock()

    async def ask(session: aiohttp.ClientSession, left: Iterator[int]) -> None:
        for number in left:
            async with turn:  # held by one who waits for room, so that all wait
                if number % WAITING_MOST == 0:
                    await life.until(lambda: stage.seen.number(_WAITING) < WAITING_MOST)
                if number % (CALLS // 100) == 0:
                    sizes.append(_size(process))
            if number % IN_CHAT_EVERY == 0:
                await stage.phones.say("member", f"/task soak {number}")
            else:
                body = {"tool": "create_task", "args": {"title": f"soak {number}"}}
                async with session.post(f"{url}/v1/proposals", json=body, headers=headers) as answer:
                    assert answer.status == 201, await answer.text()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(ask(session, numbers) for _ in range(AT_ONCE)))
    return sizes


def _size(process: int) -> int:
    """The resident memory of a process, in bytes."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
