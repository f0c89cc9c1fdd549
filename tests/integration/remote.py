"""A tool that reaches for something that may be down, and taking its calls through their attempts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from core.adapters import Adapters
from core.engine import Started
from core.engine.env import BreakerNews, Resilience
from core.engine.retrying import begin, settle
from core.errors import ToolError
from core.model import Breaker, BreakerState, Outcome, ToolCall
from core.ports import Records
from core.resilience.breaker import Thresholds
from core.tool import Fallback, Retry, RunResult, ToolContext, ToolResult
from tests.kit.tools import Note, tool
from tests.kit.world import World

MAIL = "mail"
SPARE = "spare"
RETRY = Retry(attempts=3, within_s=60, first_wait_s=1, longest_wait_s=8, jitter_s=0)
BUSY = ToolError("The server is busy.", error_class="busy", transient=True)
NO = ToolError("There is no such address.", error_class="address")


class Remote:
    """Its tools are `send` (idempotent, tried again), `send_once` (neither), `send_over` (with a fallback).
    `errors` is what becomes of the next attempts; then they work."""

    def __init__(self, world: World, *, failures: int = 3) -> None:
        self.world = world
        self.errors: list[Exception] = []
        self.keys: list[str] = []
        self.news: list[BreakerNews] = []
        thresholds = Thresholds(failures=failures, safe_after=timedelta(minutes=5))
        for one in (
            tool("send", adapter=MAIL, run=self._run, idempotent=True, retry=RETRY),
            tool("send_once", adapter=MAIL, run=self._run),
            tool(
                "send_over",
                adapter=MAIL,
                run=self._run,
                idempotent=True,
                retry=RETRY,
                fallback=Fallback(adapter=SPARE, run=self._instead),
            ),
        ):
            world.registry.register(one)
        world.env = replace(
            world.env,
            resilience=Resilience(breaker=thresholds, lost_workers=3),
            on_breaker=lambda records, news, now: self.news.append(news),
        )

    async def _run(self, _arguments: Note, context: ToolContext) -> ToolResult:
        self.keys.append(context.idempotency_key)
        self.world.ledger.write("tried", context.call_id, context.attempt)
        if self.errors:
            raise self.errors.pop(0)
        return ToolResult(text="sent")

    async def _instead(self, _arguments: Note, context: ToolContext) -> ToolResult:
        self.world.ledger.write("instead", context.call_id, context.attempt)
        return ToolResult(text="sent over the spare")

    @property
    def states(self) -> list[str]:
        """What the breaker became, one after the other, as people are told."""
        return [one.after.state.value for one in self.news]

    async def breaker(self, name: str = MAIL) -> Breaker | None:
        """The breaker as stored."""
        return await self.world.read(lambda records: records.breakers.get(name))

    async def cut_off(self) -> None:
        """The adapter fails until it is called no more."""
        while (breaker := await self.breaker()) is None or breaker.state is BreakerState.CLOSED:
            self.errors = [BUSY]
            await self.through(await self.world.propose("send_once"))

    async def through(self, call: ToolCall) -> Outcome:
        """Takes a call through all its attempts, as time passes."""
        at: Started | Outcome | None = await self.world.started(call)
        while isinstance(at, Started):
            at = await self.attempt(at)
        assert at is not None
        return at

    async def attempt(self, started: Started) -> Started | Outcome | None:
        """One attempt, once it is time for it, and what follows."""
        if started.wait_s is not None:
            self.world.clock.advance(started.wait_s)
            return await self.begin(started)
        return await self.settle(started, await self.world.run(started))

    async def settle(
        self, started: Started, result: RunResult, *, backoff_s: float = 1.0
    ) -> Started | Outcome | None:
        """Writes what became of an attempt."""
        return await self._unit(settle, started, result=result, backoff_s=backoff_s)

    async def begin(self, started: Started) -> Started | Outcome | None:
        """Begins an attempt that waited."""
        return await self._unit(begin, started)

    async def _unit(
        self, verb: Callable[..., Started | Outcome | None], started: Started, **more: Any
    ) -> Started | Outcome | None:
        def work(records: Records) -> Started | Outcome | None:
            now, env = self.world.clock.moment, self.world.env
            number = started.attempt.number
            return verb(records, call_id=started.call.id, attempt=number, now=now, env=env, **more)

        return await self.world.unit(work)

    def restart(self) -> None:
        """Another process, which has seen no breaker yet."""
        self.world.env = replace(self.world.env, adapters=Adapters())
