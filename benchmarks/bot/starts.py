"""P8: how long a start takes until somebody is answered, and how much memory the bot holds then."""

from __future__ import annotations

import asyncio
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from benchmarks.bot.bots import HERE, OURS, STOCK, end, processor_s, spawn, token_of
from benchmarks.bot.stage import PATIENCE_S, Stage
from benchmarks.table import Row, at_most

LIFE = 2
SETTLED_S = 0.5
"""After the first answer, before memory is read: what a start still has to do is done then."""
_RESIDENT = re.compile(r"VmRSS:\s+(\d+) kB")


@dataclass(slots=True)
class Starts:
    """One bot: seconds to its first answer; a moment later megabytes, and seconds of processor time."""

    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)


async def measure_starts(stage: Stage, folder: Path, *, rounds: int) -> list[Row]:
    """P8: `countersign run` on its data folder, and the stock bot, each started anew in each round. The
    first start of each, which compiles bytecode and makes the database, does not count."""
    someone = stage.people[0]
    await _command(
        folder, "members", "add", "--telegram-id", str(someone.id), "--name", "First", "--data", "data-p8"
    )
    found = {OURS: Starts(), STOCK: Starts()}
    for kind in found:
        await _start(stage, kind, folder, Starts())
    for _ in range(rounds):
        for kind, starts in found.items():
            await _start(stage, kind, folder, starts)
    ours, stock = found[OURS], found[STOCK]
    processors = {
        "ours_processor_s": statistics.median(ours.busy),
        "stock_processor_s": statistics.median(stock.busy),
    }
    return [
        _row("P8 start", 2.0, ours.seconds, stock.seconds, unit="s", more=processors),
        _row("P8 memory", 1.7, ours.megabytes, stock.megabytes, unit="mb"),
    ]


async def _start(stage: Stage, kind: str, folder: Path, starts: Starts) -> None:
    """One start with a message waiting for it, and its end."""
    token = token_of(kind, life=LIFE)
    answered = stage.say_start(stage.open(token))
    begun = perf_counter()
    if kind == OURS:
        settings = {
            "COUNTERSIGN_TELEGRAM__TOKEN": token,
            "COUNTERSIGN_TELEGRAM__API_BASE_URL": stage.url,
        }
        arguments = ["-m", "bot.cli.main", "run", "--data", "data-p8"]
    else:
        settings, arguments = {}, [str(HERE / "bare.py"), kind, token, stage.url]
    process = await spawn(*arguments, folder=folder, log=f"{kind}-start", more=settings)
    try:
        starts.seconds.append(await asyncio.wait_for(answered, PATIENCE_S) - begun)
        await asyncio.sleep(SETTLED_S)
        starts.megabytes.append(_resident_mb(process.pid))
        starts.busy.append(processor_s(process.pid))
    except TimeoutError:
        raise SystemExit(f"void: {kind} never answered; see {kind}-start.log") from None
    finally:
        await end(process)


async def _command(folder: Path, *arguments: str) -> None:
    process = await spawn("-m", "bot.cli.main", *arguments, folder=folder, log="members")
    await asyncio.wait_for(process.communicate(), PATIENCE_S)
    if process.returncode != 0:
        raise SystemExit(f"void: countersign {' '.join(arguments)} failed; see members.log")


def _resident_mb(pid: int) -> float:
    found = _RESIDENT.search(Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise SystemExit("void: the process ended before its memory could be read")
    return int(found[1]) / 1024


def _row(
    name: str,
    bound: float,
    ours: Sequence[float],
    stock: Sequence[float],
    *,
    unit: str,
    more: Mapping[str, float] | None = None,
) -> Row:
    own, bare = statistics.median(ours), statistics.median(stock)
    detail = {
        f"ours_{unit}": own,
        f"stock_{unit}": bare,
        f"ours_rounds_{unit}": [round(one, 3) for one in ours],
        f"stock_rounds_{unit}": [round(one, 3) for one in stock],
        **(more or {}),
    }
    return at_most(name, own / bare, bound, detail=detail)
