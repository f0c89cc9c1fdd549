"""The bots, each a process of its own that starts from the same environment."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bot.stage import PATIENCE_S, Stage

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULT = "Stamped."
"""What a card of ours shows at its end, as `ours.py` has it."""
_LIBC = ctypes.CDLL(None)
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
OURS, STOCK, LAYER = "ours", "stock", "layer"
_TOKENS = {
    OURS: "7100000001:benchmark-of-ours",
    STOCK: "7100000002:benchmark-stock",
    LAYER: "7100000003:bench-layer",
}


def environment() -> dict[str, str]:
    """What every bot is given: nothing that steers Python, proxies or our settings, so that bytecode is
    compiled and kept for all of them alike."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("PYTHON", "COUNTERSIGN")) and not name.upper().endswith("_PROXY")
    }
    return kept | {"PYTHONPATH": str(ROOT)}


def token_of(kind: str, *, life: int = 0) -> str:
    """The token of a bot; another `life` is another bot."""
    number, secret = _TOKENS[kind].split(":")
    return f"{int(number) + 10 * life}:{secret}"


async def spawn(*arguments: str, folder: Path, log: str, more: Mapping[str, str] | None = None) -> Process:
    """Starts a Python process that does not outlive this one, with `more` in its environment. What it prints
    as errors goes into a file of the folder."""
    with (folder / f"{log}.log").open("ab") as errors:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            *arguments,
            cwd=folder,
            env={**environment(), **(more or {})},
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
            preexec_fn=_end_with_parent,
        )


def _end_with_parent() -> None:
    """In the child: Linux kills it when its parent dies, however that happens."""
    _LIBC.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


async def end(process: Process) -> None:
    """Asks the process to end, and waits until it did."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), PATIENCE_S)


@dataclass(slots=True)
class Bot:
    """One running bot. `mark` is what its cards show at their end."""

    kind: str
    id: int
    process: Process
    stage: Stage
    mark: str = ""

    @property
    def processor_s(self) -> float:
        """Seconds of processor time that the bot has used so far."""
        return processor_s(self.process.pid)

    async def deal(self, *, chats: int, each: int) -> None:
        """Lays out cards to tap: `each` in each of the first `chats` chats."""
        if self.kind != OURS:
            self.stage.deal(self.id, chats=chats, each=each)
            return
        if self.process.stdin is None:
            raise LookupError("ours is started with a standard input")
        self.process.stdin.write(json.dumps({"chats": chats, "each": each}).encode() + b"\n")
        await self.hear("dealt")

    async def hear(self, word: str) -> None:
        """Returns once the process printed this line. Ends the run where it prints another or none."""
        if self.process.stdout is None:
            raise LookupError("bots are started with a standard output")
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
        if line.decode().strip() != word:
            raise SystemExit(f"void: {self.kind} said {line!r} in place of {word}; see its log")


def processor_s(pid: int) -> float:
    """Seconds of processor time that the threads of a process have used."""
    used = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread may end meanwhile
            used += int((task / "schedstat").read_text().split()[0])
    return used / 1e9


@asynccontextmanager
async def running(
    stage: Stage, kinds: Sequence[str], *, folder: Path, url: str = "", life: int = 0, profile: str = ""
) -> AsyncIterator[list[Bot]]:
    """These bots, all polling the sandbox through `url` (its own address unless given)."""
    bots: list[Bot] = []
    try:
        for kind in kinds:
            token = token_of(kind, life=life)
            number = stage.open(token)
            at = url or stage.url
            if kind == OURS:
                orders = {
                    "data": str(folder / f"data-{life}"),
                    "url": at,
                    "token": token,
                    "people": [person.id for person in stage.people],
                    "profile": profile,
                }
                process = await spawn(
                    str(HERE / "ours.py"), json.dumps(orders), folder=folder, log=f"{kind}-{life}"
                )
                bot = Bot(kind, number, process, stage, mark=RESULT)
            else:
                process = await spawn(
                    str(HERE / "bare.py"), kind, token, at, folder=folder, log=f"{kind}-{life}"
                )
                bot = Bot(kind, number, process, stage)
            bots.append(bot)
            if kind == OURS:
                await bot.hear("ready")
            await stage.polled(number)
        yield bots
    finally:
        for bot in bots:
            if bot.kind == OURS and bot.process.stdin is not None:
                bot.process.stdin.close()  # it ends by itself, and writes its profile
                await asyncio.wait_for(bot.process.wait(), PATIENCE_S)
            else:
                await end(bot.process)


@asynccontextmanager
async def network(port: int, *, seconds: float, folder: Path) -> AsyncIterator[str]:
    """The address of a proxy to this port that delays each direction so long."""
    process = await spawn(str(HERE / "proxy.py"), str(port), str(seconds), folder=folder, log="proxy")
    try:
        if process.stdout is None:
            raise LookupError("the proxy is started with a standard output")
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        yield f"http://127.0.0.1:{int(line)}"
    finally:
        await end(process)
