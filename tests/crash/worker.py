"""A worker alone: one of several processes on one database, whose tool can be held in the middle."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bot.bootstrap import new_id
from bot.clock import SystemClock
from bot.workers.executor import Executor, RecordsToolStore
from core.engine import Env, Limits
from core.policy import DEFAULT_POLICY
from core.registry import ToolRegistry
from core.runner import ToolRunner
from core.tool import Tool, ToolContext, ToolResult
from storage.database import Address, SnapshotReader, backend_of
from storage.writer import Writer
from tests.crash.victim import DONE, READY, log_into
from tests.e2e.ledger import append, effects
from tests.kit.tools import Note, tool

BEFORE, AFTER, BOTH = "before", "after", "both"
"""What a call's text says: where its first attempt is held, of its effect; and whether its second is too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOrders:
    """How a worker is to work. `wall`: what the clock on its wall always says."""

    name: str
    database: Address
    ledger: Path
    wall: float
    lease_s: float


class Held:
    """The tools, each of which is held until `go`; `tell` is told when it is."""

    def __init__(self, ledger: Path, tell: Any) -> None:
        self._ledger = ledger
        self._tell = tell
        self.go = asyncio.Event()
        once = tool("once", run=self._once)
        again = tool("again", run=self._again, idempotent=True)
        self.tools: list[Tool] = [once, again]

    async def _once(self, arguments: Note, context: ToolContext) -> ToolResult:
        await self._hold(BEFORE, arguments, context)
        append(self._ledger, f"{context.call_id} {context.attempt}")
        await self._hold(AFTER, arguments, context)
        return ToolResult(text=f"attempt {context.attempt}")

    async def _again(self, arguments: Note, context: ToolContext) -> ToolResult:
        await self._hold(BEFORE, arguments, context)
        # The callee that makes a repeat harmless: it knows the idempotency key.
        if not effects(self._ledger)[context.idempotency_key]:
            append(self._ledger, f"{context.idempotency_key} {context.attempt}")
        await self._hold(AFTER, arguments, context)
        return ToolResult(text=f"attempt {context.attempt}")

    async def _hold(self, where: str, arguments: Note, context: ToolContext) -> None:
        at, _, both = arguments.text.partition(" ")
        if at == where and (context.attempt == 1 or both):
            self.go.clear()
            self._tell(held_at(context.call_id))
            await self.go.wait()


def held_at(call_id: str) -> str:
    """What a worker tells once it holds a call in the middle."""
    return f"held {call_id}"


def main(pipe: Connection, orders: WorkerOrders) -> None:
    """The worker's whole life."""
    log_into(orders.ledger.parent)
    asyncio.run(_work(pipe, orders))


async def _work(pipe: Connection, orders: WorkerOrders) -> None:
    alone = threading.Lock()

    def tell(what: str) -> None:
        with alone:
            pipe.send(what)

    held = Held(orders.ledger, tell)
    executor = _executor(orders, held, tell)
    asked: asyncio.Queue[str] = asyncio.Queue()
    asyncio.get_running_loop().add_reader(pipe.fileno(), lambda: asked.put_nowait(pipe.recv()[0]))
    tell(READY)
    taking: list[asyncio.Task[None]] = []
    while True:
        match await asked.get():
            case "take":
                taking.append(asyncio.get_running_loop().create_task(executor.run_executor_loop()))
            case "wake":
                executor.released()
            case "recover":
                await executor.recover()
            case "go":
                held.go.set()
        tell(DONE)


def _executor(orders: WorkerOrders, held: Held, tell: Any) -> Executor:
    registry = ToolRegistry(held.tools)
    backend = backend_of(orders.database)
    writer = Writer(backend, new_id=new_id, boundary=tell)
    writer.start()
    reader = SnapshotReader(backend, new_id=new_id)
    return Executor(
        uow=writer,
        reader=reader,
        runner=ToolRunner(registry, monotonic=time.monotonic),
        store=RecordsToolStore(writer, reader),
        env=Env(
            registry=registry,
            policy=lambda: DEFAULT_POLICY,
            new_id=new_id,
            limits=Limits(lease=timedelta(seconds=orders.lease_s)),
        ),
        clock=SystemClock(lambda: orders.wall),
        worker=f"{orders.name}:{secrets.token_hex(3)}",
        sole=False,
        concurrency=4,
    )
