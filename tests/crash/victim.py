"""The process that is killed: the whole product, which tells what it committed and dies where told."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from msgspec.structs import replace

from bot import run
from bot.bootstrap import Countersign, build
from bot.cli.runs import _proposed
from bot.clock import SystemClock
from bot.config import Settings, load
from bot.plan_file import read_plan
from bot.run import DEMO_TOKEN, _people_the_demo
from bot.sandbox.server import RunningSandbox
from bot.sandbox.world import PEOPLE
from bot.telegram.pace import Pace
from bot.workers.adapters import AdapterWatch
from storage.database import Address, Database
from tests.crash.tools import press, tools_of
from tests.e2e.ledger import append

KILLED, LOG, PLAN, SCHEDULES = "killed.txt", "victim.log", "plan.toml", "schedules.toml"
KEY, ISSUER = "a-key-of-the-tests-that-is-long-enough-for-hs256", "https://id.test"
DOOR = "door "
READY, DONE = "ready", "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """How a victim is to live. `ahead`: by how much the sandbox's clock was moved. `served`: it runs as
    `countersign run` does, and takes no orders but signals. `command`: it is no bot, but what
    `countersign run-file` does with `PLAN`."""

    data: Path
    database: Address
    url: str
    ahead: float = 0.0
    kill_at: str = ""
    label_step_s: float = 0.01
    lease_s: float = 15.0
    served: bool = False
    command: bool = False


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


def settings_of(orders: Orders) -> Settings:
    """The settings that a victim lives by, as its environment would give them."""
    environ = {
        "COUNTERSIGN_TELEGRAM__TOKEN": DEMO_TOKEN,
        "COUNTERSIGN_TELEGRAM__API_BASE_URL": orders.url,
        "COUNTERSIGN_HTTP__ENABLED": "true",
        "COUNTERSIGN_HTTP__PORT": "0",
        "COUNTERSIGN_HTTP__KEY": KEY,
        "COUNTERSIGN_HTTP__ISSUER": ISSUER,
        "COUNTERSIGN_WEBHOOKS__ALLOW_PRIVATE": "true",
        "COUNTERSIGN_RESILIENCE__FAILURES": "1",
        "COUNTERSIGN_RESILIENCE__OPEN_FOR": "1s",
    }
    if (orders.data / SCHEDULES).exists():
        environ["COUNTERSIGN_SCHEDULES__FILE"] = str(orders.data / SCHEDULES)
    if isinstance(orders.database, str):
        environ["COUNTERSIGN_STORAGE__URL"] = orders.database
    return load(None, environ=environ, data=orders.data)


def log_into(folder: Path) -> None:
    """From now on this process prints into a file there."""
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)


def main(pipe: Connection, orders: Orders) -> None:
    """The victim's whole life. What it prints and logs goes into a file."""
    log_into(orders.data)
    boundary = _Boundary(pipe, orders.data, orders.kill_at)
    if orders.command:
        _command(boundary, orders)
        return
    asyncio.run(_serve(boundary, orders) if orders.served else _live(boundary, pipe, orders))


def _command(boundary: _Boundary, orders: Orders) -> None:
    """`countersign run-file`, to its end; only that its commits are told."""
    opened = Database.__init__

    def told(database: Database, *arguments: Any, **more: Any) -> None:
        opened(database, *arguments, **more)
        database.writer._boundary = boundary

    setattr(Database, "__init__", told)  # noqa: B010 - in this process only
    plan = read_plan(orders.data / PLAN)
    asyncio.run(_proposed(settings_of(orders), plan, None, wait=False))


async def _serve(boundary: _Boundary, orders: Orders) -> None:
    """What `countersign run` does, to its very end; only what it builds has the victim's tools as well."""
    telling: list[asyncio.Task[None]] = []

    def built(settings: Settings) -> Countersign:
        product = build(
            settings,
            extra=tools_of(orders.data, label_step_s=orders.label_step_s),
            pace=Pace(off=True),
            boundary=boundary,
        )
        telling.append(asyncio.get_running_loop().create_task(_tell_ready(product, boundary)))
        return product

    setattr(run, "build", built)  # noqa: B010 - another function in its place, in this process only
    await run.run_bot(settings_of(orders))


async def _tell_ready(product: Countersign, boundary: _Boundary) -> None:
    await product.telegram.ready()
    boundary.tell(READY)


async def _live(boundary: _Boundary, pipe: Connection, orders: Orders) -> None:
    ahead = orders.ahead
    product = build(
        settings_of(orders),
        clock=SystemClock(lambda: time.time() + ahead),
        extra=tools_of(orders.data, label_step_s=orders.label_step_s),
        adapters=[press(orders.data)],
        pace=Pace(off=True),
        boundary=boundary,
    )
    lease = timedelta(seconds=orders.lease_s)
    product.executor._units.env = replace(product.env, limits=replace(product.env.limits, lease=lease))
    await product.start()
    await product.claim_code()
    await _people_the_demo(product, _sandbox())
    await product.telegram.ready()
    assert product.http is not None
    boundary.tell(f"{DOOR}{product.http.url}")
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
        case "retention":
            await product.keeper.tidy()
        case "head":
            await product.telegram.post_head()
        case "renew":
            await product.executor.beat()
        case "recover":
            await product.executor.recover()
        case "alarms":
            await product.watching.look()
        case "adapters":
            watch = AdapterWatch(
                uow=product.db.writer, reader=product.db.reader, env=product.env, clock=product.clock
            )
            await watch.look()


def _sandbox() -> RunningSandbox:
    """As much of a sandbox as the demo's people are read from: the real one is in another process."""
    people = {person.id: person for person in PEOPLE}
    return cast(RunningSandbox, SimpleNamespace(world=SimpleNamespace(people=people)))
