"""P6 and P7: taps at ours, at the stock bot, and at the same bare bot on our request layer, in turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.bot.bots import LAYER, OURS, STOCK, Bot, network, running
from benchmarks.bot.counts import check_counts
from benchmarks.bot.rounds import Series, at_once, one_by_one
from benchmarks.bot.stage import Stage
from benchmarks.table import Row, at_least, at_most

CHATS = 100
NETWORK_S = 0.030
WARM_UP = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    rounds: int = 5
    taps: int = 60  # a round of P6
    far_taps: int = 20  # a round of P6 with a network
    each: int = 5  # a round of P7, in each chat


async def measure_near(stage: Stage, folder: Path, size: Size, *, profile: str = "") -> list[Row]:
    """P6 and P7 with nothing between bot and sandbox but the loopback."""
    alone: dict[str, Series] = {kind: Series() for kind in (OURS, STOCK, LAYER)}
    crowd: dict[str, Series] = {kind: Series() for kind in (OURS, STOCK, LAYER)}
    async with running(stage, list(alone), folder=folder, profile=profile) as bots:
        await _warm_up(bots)
        for _ in range(size.rounds):
            for bot in bots:
                await one_by_one(bot, alone[bot.kind], taps=size.taps)
        for _ in range(size.rounds):
            for bot in bots:
                await at_once(bot, crowd[bot.kind], chats=CHATS, each=size.each)
    calls = WARM_UP * 11 + size.rounds * (size.taps + CHATS * size.each)
    check_counts(folder / "data-0" / "countersign.sqlite3", calls=calls)
    return [*_alone_rows(alone), *_crowd_rows(crowd)]


async def measure_far(stage: Stage, folder: Path, size: Size) -> list[Row]:
    """P6 with a network of 30 ms there and back."""
    series: dict[str, Series] = {kind: Series() for kind in (OURS, STOCK)}
    port = urlsplit(stage.url).port or 0
    async with (
        network(port, seconds=NETWORK_S / 2, folder=folder) as url,
        running(stage, list(series), folder=folder, url=url, life=1) as bots,
    ):
        for bot in bots:
            await one_by_one(bot, Series(), taps=WARM_UP)
        for _ in range(size.rounds):
            for bot in bots:
                await one_by_one(bot, series[bot.kind], taps=size.far_taps)
    calls = WARM_UP + size.rounds * size.far_taps
    check_counts(folder / "data-1" / "countersign.sqlite3", calls=calls)
    return [slower("P6 network", 0.6, series[OURS], series[STOCK])]


async def _warm_up(bots: Sequence[Bot]) -> None:
    for bot in bots:
        await one_by_one(bot, Series(), taps=WARM_UP)
        await at_once(bot, Series(), chats=WARM_UP, each=10)


def _alone_rows(series: Mapping[str, Series]) -> list[Row]:
    return [
        slower("P6 stock", 1.1, series[OURS], series[STOCK]),
        slower("P6 layer", 2.2, series[OURS], series[LAYER]),
    ]


def _crowd_rows(series: Mapping[str, Series]) -> list[Row]:
    return [
        faster("P7 stock", 3.0, series[OURS], series[STOCK]),
        faster("P7 layer", 0.8, series[OURS], series[LAYER]),
    ]


def slower(name: str, bound: float, ours: Series, bare: Series) -> Row:
    """A row of times: ours may be `bound` times the bare bot's at most."""
    detail = {
        "ours_ms": ours.first,
        "bare_ms": bare.first,
        "ours_to_the_end_ms": ours.last,
        "ours_processor_ms_a_tap": ours.processor,
        "bare_processor_ms_a_tap": bare.processor,
        "sandbox_processor_ms_a_tap": f"{ours.server:.2f} with ours, {bare.server:.2f} with the bare bot",
        "ours_rounds_ms": [round(one, 2) for one in ours.shown],
        "bare_rounds_ms": [round(one, 2) for one in bare.shown],
    }
    return at_most(name, ours.first / bare.first, bound, detail=detail)


def faster(name: str, bound: float, ours: Series, bare: Series) -> Row:
    """A row of rates: ours must be `bound` times the bare bot's at least."""
    detail = {
        "ours_per_s": ours.first,
        "bare_per_s": bare.first,
        "ours_to_the_end_per_s": ours.last,
        "ours_processor_ms_a_tap": ours.processor,
        "bare_processor_ms_a_tap": bare.processor,
        "sandbox_processor_ms_a_tap": f"{ours.server:.2f} with ours, {bare.server:.2f} with the bare bot",
        "ours_rounds_per_s": [round(one) for one in ours.shown],
        "bare_rounds_per_s": [round(one) for one in bare.shown],
    }
    return at_least(name, ours.first / bare.first, bound, detail=detail)
