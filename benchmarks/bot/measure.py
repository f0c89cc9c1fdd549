"""Everything that is measured of the bot, in the order of the table."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.bot.stage import open_stage
from benchmarks.bot.starts import measure_starts
from benchmarks.bot.taps import CHATS, Size, measure_far, measure_near
from benchmarks.table import Row

ALL = frozenset({"near", "far", "starts"})
FULL = Size()


async def play(folder: Path, *, size: Size, parts: Collection[str] = ALL, profile: str = "") -> list[Row]:
    """The rows of these parts, measured against a sandbox in this process."""
    rows: list[Row] = []
    async with open_stage() as stage:
        stage.invite(CHATS)
        if "near" in parts:
            rows += await measure_near(stage, folder, size, profile=profile)
        if "far" in parts:
            rows += await measure_far(stage, folder, size)
        if "starts" in parts:
            rows += await measure_starts(stage, folder, rounds=size.rounds)
    return rows


def measure(folder: Path, *, size: Size = FULL) -> list[Row]:
    """P6, P7 and P8. The sandbox gets a process of its own, fresh from the start."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, folder, size).result()


def _measure(folder: Path, size: Size) -> list[Row]:
    return asyncio.run(play(folder, size=size))
