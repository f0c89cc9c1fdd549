"""Time that stands still until a test moves it, and a list of what the bot asked of Telegram meanwhile."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import threading
import time
import types
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from bot.bootstrap import Countersign
from bot.clock import SystemClock
from bot.sandbox import Clock, Limits, Rules, RunningSandbox, people, start_sandbox
from bot.sandbox.faults import Fault, Faults
from core.lifecycle import ENDS
from core.tool import Tool
from tests.crash.stage import LongPhones
from tests.e2e.lives import World, living
from tests.e2e.phone import Seen
from tests.e2e.talk import data

POLLS = "getupdates"
SENDS = frozenset({"sendmessage", "editmessagetext", "senddocument"})
PATIENCE_S = 10.0
STEP_S = 9.0
"""Less than what the client waits longer for a poll's answer than the server holds it."""


class Asked(NamedTuple):
    """One call of the Bot API, as the sandbox took it."""

    at: float
    method: str
    chat: int | None
    fault: Fault | None

    @property
    def lane(self) -> object:
        """What a 429 of this call holds up: its chat, or the fetching of updates."""
        return self.chat if self.method in SENDS else self.method


class Watched(Faults):
    """Faults that tell of every call that they are asked about."""

    def __init__(self, told: Callable[[str, int | None, Fault | None], None]) -> None:
        super().__init__()
        self._told = told

    def take(self, method: str, chat: int | None) -> Fault | None:
        fault = super().take(method, chat)
        self._told(method, chat, fault)
        return fault


class Still:
    """The clock of the loop, both of the product's and the sandbox's, as one that stands still."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Half a second: whoever rounds up to whole ones is not taken for somebody who waits for one.
        self._loop_began = math.floor(loop.time()) + 0.5
        self._world_began = math.floor(time.time()) + 0.5
        self._moved = 0.0
        self._flows_since: float | None = None
        self._call_at: Callable[..., asyncio.TimerHandle] = loop.call_at
        self._news = asyncio.Event()
        self._begun: list[float | Asked] = []
        self._over = threading.Event()
        self.stuck = False
        self.sandbox: RunningSandbox

    @property
    def passed(self) -> float:
        """The seconds since the start."""
        return self._moved + (0 if self._flows_since is None else time.monotonic() - self._flows_since)

    def flow(self) -> None:
        """Lets time go on by itself: who stops waits for a moment here and there."""
        self._flows_since = time.monotonic()

    def stop(self) -> None:
        """Has time stand still again."""
        self._moved, self._flows_since = self.passed, None

    def loop_time(self) -> float:
        return self._loop_began + self.passed

    def world_time(self) -> float:
        return self._world_began + self.passed

    def call_at(self, when: float, *arguments: Any, **more: Any) -> asyncio.TimerHandle:
        """The loop's own, and remembers for how long somebody began to wait."""
        self._tell(when - self.loop_time())
        return self._call_at(when, *arguments, **more)

    def asked_for(self, method: str, chat: int | None, fault: Fault | None) -> None:
        self._tell(Asked(self.passed, method, chat, fault))

    def _tell(self, what: float | Asked) -> None:
        self._begun.append(what)
        self._news.set()

    def mark(self) -> int:
        """Now, for what is asked to have happened since."""
        return len(self._begun)

    def begun(self, seconds: float, *, since: int) -> bool:
        """Whether somebody began to wait for about so long."""
        waits = (one for one in self._begun[since:] if not isinstance(one, Asked))
        return any(abs(one - seconds) < 0.02 for one in waits)

    def asked(self, lane: object = None, *, since: int = 0) -> list[Asked]:
        """The calls of the Bot API, or those of one lane."""
        found = (one for one in self._begun[since:] if isinstance(one, Asked))
        return [one for one in found if lane in (None, one.lane)]

    def newest(self) -> list[float | Asked]:
        """What happened last."""
        return self._begun[-30:]

    def hit(self, *, since: int) -> bool:
        """Whether an ordered fault happened."""
        return any(one.fault is not None for one in self.asked(since=since))

    def watch(self, loop: asyncio.AbstractEventLoop, test: asyncio.Task[Any]) -> None:
        """Ends a test that waits for what never comes: no time-out does, where time stands still."""

        def look() -> None:
            seen = -1
            while not self._over.wait(PATIENCE_S):
                if seen == len(self._begun):
                    self.stuck = True
                    loop.call_soon_threadsafe(test.cancel)
                    return
                seen = len(self._begun)

        threading.Thread(target=look, daemon=True).start()

    def close(self) -> None:
        """Ends the watch."""
        self._over.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns as soon as this is true, looking at every call and every wait that begins."""
        while not holds():
            self._news.clear()
            await self._news.wait()

    async def jump(self, seconds: float) -> None:
        """Moves time at once; returns when everybody whose wait is over has had a turn."""
        self._moved += seconds
        for _ in range(8):
            await _turn()

    async def move(self, seconds: float) -> None:
        """Moves time, and leaves the fetching of updates as it was: under way."""
        while seconds > 0:
            step = seconds if seconds > 4 * STEP_S else min(seconds, STEP_S)
            seconds -= step
            await (self._move_far(step) if step > STEP_S else self.jump(step))
            await self.until(self._fetches)

    async def _move_far(self, seconds: float) -> None:
        """The client gives up the poll that it waits for, and takes a second until the next."""
        mark = self.mark()
        await self.jump(seconds - _BACKOFF_S)
        await self.until(lambda: self.begun(1.0, since=mark))
        await self.jump(_BACKOFF_S)

    def _fetches(self) -> bool:
        bot = next(iter(self.sandbox.world.bots))
        return self.sandbox.world.updates.held(bot) is not None

    def early(self) -> list[tuple[Asked, Asked]]:
        """Each 429, with whatever was asked in its lane before its time was over."""
        asked = self.asked()
        return [
            (held, later)
            for at, held in enumerate(asked)
            if held.fault is not None and held.fault.retry_after is not None and held.lane != _ANSWERS
            for later in asked[at + 1 :]
            if later.lane == held.lane and later.at < held.at + held.fault.retry_after - 0.001
        ]


_ANSWERS = "answercallbackquery"
_BACKOFF_S = 1.01


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """One turn of the loop."""
    yield


@asynccontextmanager
async def still_world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, Still]]:
    """A sandbox in which time stands still, for everybody in this process."""
    loop = asyncio.get_running_loop()
    still = Still(loop)
    with monkeypatch.context() as patched:
        patched.setattr(loop, "time", still.loop_time)
        patched.setattr(loop, "call_at", still.call_at)
        patched.setattr(SystemClock, "real", lambda _: datetime.fromtimestamp(still.world_time(), UTC))
        still.sandbox = await start_sandbox(
            clock=Clock(still.world_time),
            limits=Limits.off(),
            rules=Rules(same_offset_window=0, burst_window=0),
        )
        still.sandbox.world.faults = Watched(still.asked_for)
        test = asyncio.current_task()
        assert test is not None
        still.watch(loop, test)
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                yield (still.sandbox, LongPhones(still.sandbox.url, session), folder), still
        finally:
            if still.stuck:
                print("stuck after:", *still.newest(), sep="\n  ")
            still.close()
            still.flow()
            await still.sandbox.stop()


@asynccontextmanager
async def living_still(
    world: World, still: Still, name: str = "one", *, extra: Sequence[Tool] = ()
) -> AsyncIterator[Countersign]:
    """A product in a still world, without its clockwork: that waits for a second all the time."""
    async with living(world, name, extra=extra) as product:
        product.sweeper._scheduler.pause()
        try:
            yield product
        finally:
            still.flow()
    still.stop()


def left_over(folder: Path) -> list[tuple[Any, ...]]:
    """What the committed database says is not at its end: calls, updates, messages."""
    ended = ", ".join(f"'{status.value}'" for status in ENDS)
    return _rows(
        folder,
        f"SELECT 'call', id, status FROM tool_calls WHERE status NOT IN ({ended}) "
        "UNION ALL SELECT 'update', update_id, payload FROM inbox WHERE done_at IS NULL "
        "UNION ALL SELECT 'message', chat, kind FROM outbox WHERE done_at IS NULL",
    )


def given_up(folder: Path) -> list[tuple[Any, ...]]:
    """The messages that were taken off the queue unsent."""
    return _rows(folder, "SELECT chat, kind, error FROM outbox WHERE error IS NOT NULL")


def _rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{folder / 'countersign.sqlite3'}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def press(world: World, who: str, card: Seen, label: str) -> None:
    """Taps in a private chat, and waits for no answer: the update is there when this returns."""
    sandbox = world[0].world
    person = next(one for one in sandbox.people.values() if one.key == who)
    chat = sandbox.messages[f"{person.id}:{next(iter(sandbox.bots))}"]
    people.press(sandbox, person, chat[card["message_id"]], data(card, label))
