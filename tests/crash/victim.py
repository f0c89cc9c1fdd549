"""The process that is killed: the whole product, which tells what it committed and dies where told."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from bot.bootstrap import Countersign, build
from bot.clock import SystemClock
from bot.config import load
from bot.run import DEMO_TOKEN, _people_the_demo
from bot.sandbox.server import RunningSandbox
from bot.sandbox.world import PEOPLE
from bot.telegram.pace import Pace
from core.digest import Json
from core.model import Risk
from core.tool import Effect, Preview, Slot, SlotKind, Tool, ToolContext, ToolInput, ToolResult, Undo
from tests.e2e.ledger import StampInput, append, effects, stamp
from tools.print_label import print_label

LEDGER, LABELS, KILLED, LOG = "effects.ledger", "labels.jsonl", "killed.txt", "victim.log"
READY, DONE = "ready", "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """How a victim is to live. `ahead`: by how much the sandbox's clock was moved."""

    data: Path
    url: str
    ahead: float = 0.0
    kill_at: str = ""
    label_step_s: float = 0.01


def tools_of(data: Path, *, label_step_s: float) -> list[Tool]:
    """Tools whose effects can be counted from outside: not idempotent, idempotent, and slow ones."""
    ledger = data / LEDGER

    async def tick(_: StampInput, context: ToolContext) -> ToolResult:
        # The callee that makes a repeat harmless: it knows the idempotency key.
        if not effects(ledger)[context.idempotency_key]:
            append(ledger, f"{context.idempotency_key} tick")
        return ToolResult(text="Ticked", data={"ticked": True})

    async def untick(_: StampInput, data: Json, context: ToolContext) -> ToolResult:
        return await tick(_, context)

    async def hang(_: StampInput, context: ToolContext) -> ToolResult:
        await asyncio.Event().wait()
        return ToolResult(text="never")

    return [
        stamp(ledger),
        _tool("tick", run=tick, idempotent=True, undo=Undo(run=untick)),
        _tool("hang", run=hang, timeout_s=60.0),
        print_label(data / LABELS, step_s=label_step_s),
    ]


def _tool(name: str, **more: Any) -> Tool:
    return Tool(
        name=name,
        title=name.capitalize(),
        version="1",
        description=f"{name.capitalize()}s a text.",
        input=StampInput,
        risk=Risk.LOW,
        effects=frozenset({Effect.EXECUTES}),
        preview=_preview(name),
        command=name,
        form="{text}",
        slots={"text": Slot(kind=SlotKind.TEXT)},
        **more,
    )


def _preview(name: str) -> Callable[[ToolInput], Preview]:
    return lambda arguments: Preview(title=f"{name.capitalize()} {getattr(arguments, 'text', '')}")


class _Boundary:
    """Tells of each commit, and kills this process, as nothing else could, where it is armed."""

    def __init__(self, pipe: Connection, data: Path, kill_at: str) -> None:
        self._pipe = pipe
        self._killed = data / KILLED
        self._alone = threading.Lock()
        self.kill_at = kill_at

    def __call__(self, place: str) -> None:
        if place == self.kill_at:
            append(self._killed, place)
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()
        self.tell(place)

    def tell(self, what: str) -> None:
        with self._alone:
            self._pipe.send(what)


def main(pipe: Connection, orders: Orders) -> None:
    """The victim's whole life. What it prints and logs goes into a file."""
    log = os.open(orders.data / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    asyncio.run(_live(pipe, orders))


async def _live(pipe: Connection, orders: Orders) -> None:
    boundary = _Boundary(pipe, orders.data, orders.kill_at)
    ahead = orders.ahead
    environ = {
        "COUNTERSIGN_TELEGRAM__TOKEN": DEMO_TOKEN,
        "COUNTERSIGN_TELEGRAM__API_BASE_URL": orders.url,
    }
    product = build(
        load(None, environ=environ, data=orders.data),
        clock=SystemClock(lambda: time.time() + ahead),
        extra=tools_of(orders.data, label_step_s=orders.label_step_s),
        pace=Pace(off=True),
        boundary=boundary,
    )
    await product.start()
    await product.claim_code()
    await _people_the_demo(product, _sandbox())
    await product.telegram.ready()
    boundary.tell(READY)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    asked: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    loop.add_reader(pipe.fileno(), lambda: asked.put_nowait(pipe.recv()))
    running = asyncio.ensure_future(product.run())
    while not stopping.is_set():
        what, argument = await asked.get()
        match what:
            case "arm":
                boundary.kill_at = argument
            case "ahead":
                ahead = argument
            case "stop":
                stopping.set()
            case _:
                await _do(product, what)
        boundary.tell(DONE)
    running.cancel()
    await product.stop()


async def _do(product: Countersign, what: str) -> None:
    """What the clockwork does at its time."""
    match what:
        case "head":
            await product.telegram.post_head()
        case "renew":
            await product.executor.renew()


def _sandbox() -> RunningSandbox:
    """As much of a sandbox as the demo's people are read from: the real one is in another process."""
    people = {person.id: person for person in PEOPLE}
    return cast(RunningSandbox, SimpleNamespace(world=SimpleNamespace(people=people)))
