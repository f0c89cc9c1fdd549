"""The composition root: the only place that builds everything, from settings alone."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import shutil
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from bot.carrying import Carrying
from bot.clock import SystemClock
from bot.codes import new_code
from bot.config import Settings, StorageSettings
from bot.health import Health
from bot.keeping import EVERY_S, Keeper
from bot.logs import get_logger
from bot.policy_file import PolicyFile
from bot.scheduled import Scheduled
from bot.telegram.app import TelegramBot
from bot.telegram.pace import Pace
from bot.telegram.policies import tell_admins
from bot.watching import Watching
from bot.workers.backoff import Backoff
from bot.workers.executor import Executor, RecordsToolStore
from bot.workers.mirror import Mirror
from bot.workers.pausing import Pauses
from bot.workers.reports import Reports, reports_folder
from bot.workers.starts import Starts
from bot.workers.sweeper import Sweeper
from bot.workers.webhooks import Webhooks
from core.adapters import Adapter
from core.engine import Env, Limits
from core.engine.members import code_hash, offer_claim
from core.errors import ConfigError
from core.ids import CallId, TenantId
from core.model import Tenant
from core.ports import Records
from core.redaction import Redactor
from core.runner import ToolRunner
from core.tool import Tool
from storage.database import Database, backend_of, check_free
from storage.database import make_folder as make_folder  # noqa: PLC0414 - bot.run takes it from here
from storage.mirror import MirrorFiles
from storage.pages import SqlPages
from storage.verify import problems
from tools.catalog import build_catalog
from tools.create_expense import ExpenseLimits

if TYPE_CHECKING:
    from bot.http.app import HttpServer

log = get_logger(__name__)

DRAIN_S = 10.0
DEMO_MARKER = ".countersign-demo"
_DEMO_DATA = ("countersign.*", "sandbox.sqlite3*", "audit", "reports", "labels.jsonl", "warehouse.json")


def new_id() -> str:
    """A fresh UUIDv7 text."""
    return str(uuid7())


class Countersign:
    """A whole running product: database, workers, the Telegram bot. Built by `build`, started once."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: SystemClock,
        extra: Sequence[Tool],
        adapters: Sequence[Adapter],
        pace: Pace,
        boundary: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.home = TenantId(settings.tenant.id)
        self.db = Database(
            settings.storage.database, lock=settings.storage.lock, new_id=new_id, boundary=boundary
        )
        self.health = Health(reader=self.db.reader, folder=settings.storage.folder)
        self.registry = build_catalog(
            limits=ExpenseLimits(low=settings.expenses.low_limit, medium=settings.expenses.medium_limit),
            health=self.health,
            extra=extra,
        )
        self.policy = PolicyFile(
            settings.policy.file,
            self.registry,
            uow=self.db.writer,
            clock=clock,
            home=self.home,
            tell=lambda records, found: tell_admins(records, found, tenant=self.home, now=self.clock.now()),
        )
        self.carrying = Carrying(settings, registry=self.registry, declared=adapters)
        self.env = Env(
            registry=self.registry,
            policy=self.policy.today,
            new_id=new_id,
            limits=Limits(
                expires_after=settings.calls.expires_after,
                start_within=settings.calls.start_within,
                reply_after=settings.calls.reply_after,
            ),
            rates=settings.limits.rates,
            adapters=self.carrying.adapters,
            resilience=self.carrying.resilience,
            on_breaker=self.carrying.changed,
            approvers_chat=settings.telegram.approvers_chat,
            home=self.home,
        )
        self.watching = Watching(
            settings,
            uow=self.db.writer,
            reader=self.db.reader,
            verify=partial(problems, settings.storage.database, settings.storage.folder / "audit"),
            env=self.env,
            clock=clock,
        )
        self.carrying.metrics = self.watching.metrics
        self.executor = Executor(
            uow=self.db.writer,
            reader=self.db.reader,
            runner=ToolRunner(
                self.registry, monotonic=time.monotonic, clean=Redactor(settings.secrets).clean
            ),
            store=RecordsToolStore(self.db.writer, self.db.reader),
            env=self.env,
            clock=clock,
            worker=f"{os.uname().nodename}:{os.getpid()}:{secrets.token_hex(3)}",
            sole=True,
            concurrency=settings.workers.concurrency,
            per_tenant=settings.workers.per_tenant,
            per_tool=settings.workers.per_tool,
            backoff=Backoff(self.registry),
            on_progress=self._on_progress,
            metrics=self.watching.metrics,
            boundary=boundary,
        )
        self.sweeper = Sweeper(
            uow=self.db.writer, reader=self.db.reader, env=self.env, clock=clock, executor=self.executor
        )
        self.mirror = Mirror(
            MirrorFiles(settings.storage.folder / "audit"), reader=self.db.reader, uow=self.db.writer
        )
        self.webhooks = Webhooks(
            uow=self.db.writer,
            reader=self.db.reader,
            clock=clock,
            registry=self.registry,
            allow_private=settings.webhooks.allow_private,
            chance=random.random,
        )
        self.reports = Reports(
            reader=self.db.reader, registry=self.registry, folder=reports_folder(settings.storage.folder)
        )
        self.starts = Starts(uow=self.db.writer, clock=clock)
        self.keeper = Keeper(settings, uow=self.db.writer, now=clock.now)
        self.telegram = TelegramBot(
            settings.telegram,
            uow=self.db.writer,
            reader=self.db.reader,
            pages=SqlPages(lambda: self.db.pages),
            env=self.env,
            clock=clock,
            home=self.home,
            pace=pace,
            progress_of=self.executor.progress_of,
            metrics=self.watching.metrics,
            machine=self.watching.machine,
            boundary=boundary,
        )
        self.pauses = Pauses(
            uow=self.db.writer,
            reader=self.db.reader,
            env=self.env,
            clock=clock,
            released=self.executor.released,
            waits=self.telegram.relay.wake,
        )
        self.schedules = Scheduled(
            settings.schedules.file,
            uow=self.db.writer,
            reader=self.db.reader,
            env=self.env,
            clock=clock,
            home=self.home,
        )
        self.http = self._http_door() if settings.http.enabled else None
        self.health.executor = self.executor
        self.health.ping_telegram = self.telegram.ping
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Starts everything. What an earlier process left is recovered, and time that ran out meanwhile is
        told, before the first tap counts."""
        await self.db.writer.run("tenant", self._ensure_tenant)
        self.db.writer.listen("pending", self.executor.offer)
        self.db.writer.listen("stop", self.executor.stop)
        self.db.writer.listen("breaker", self.executor.released)
        self.db.writer.listen("switch", self.pauses.changed)
        self.db.writer.listen("outbox", self.telegram.relay.wake)
        self.db.writer.listen("audit", self.mirror.wake)
        self.db.writer.listen("signal", self.webhooks.wake)
        self.db.writer.listen("webhook", self.webhooks.changed)
        self.db.writer.listen("run_end", self.reports.wake)
        await self.executor.heart.begin()
        await self.executor.recover(sole=True)
        await self.sweeper.expire()
        self._spawn(self.executor.run_executor_loop())
        self._spawn(self.mirror.run())
        self._spawn(self.webhooks.run())
        self._spawn(self.reports.run())
        self._spawn(self.policy.watch())
        self.watching.start(self.sweeper, self.db.writer.listen)
        self.pauses.start(self.sweeper)
        await self.schedules.start(self.sweeper)
        self.carrying.start(
            self.sweeper, uow=self.db.writer, reader=self.db.reader, env=self.env, clock=self.clock
        )
        self.sweeper.every(EVERY_S, self.keeper.tidy)
        self.sweeper.start(daily=self.telegram.post_head)
        self._spawn(self.telegram.run())
        if self.http is not None:
            await self.http.start()

    async def run(self) -> None:
        """Runs until a part of it ends, which it should not: raises that part's error."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Stops taking, finishes what is in hand (ten seconds at most), closes."""
        if self.http is not None:
            await self.http.stop()
        await self.telegram.stop_taking()
        await self.executor.drain(DRAIN_S)
        await self.executor.heart.end()
        await self.telegram.stop()
        self.sweeper.stop()
        await self.mirror.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.db.close()

    async def claim_code(self) -> str | None:
        """A code with which the first admin claims the bot; None where there is an admin already."""
        code = new_code()

        kept = await self.db.writer.run(
            "claim_code",
            lambda records: offer_claim(
                records, tenant_id=self.home, code_hash=code_hash(code), now=self.clock.now()
            ),
        )
        return code if kept else None

    def _ensure_tenant(self, records: Records) -> None:
        settings = self.settings.tenant
        records.people.add_tenant(
            Tenant(
                id=self.home,
                name=settings.name,
                active=True,
                currency=settings.currency,
                timezone=settings.timezone,
            ),
            now=self.clock.now(),
        )

    def _http_door(self) -> HttpServer:
        # What only this door needs (aiohttp.web, PyJWT) is loaded only where it is open.
        from bot.http.app import HttpServer, fetch  # noqa: PLC0415
        from bot.http.door import Door  # noqa: PLC0415
        from bot.http.keys import Keys  # noqa: PLC0415

        return HttpServer(
            Door(
                settings=self.settings.http,
                keys=Keys(self.settings.http, fetch=fetch),
                uow=self.db.writer,
                reader=self.db.reader,
                pages=SqlPages(lambda: self.db.pages),
                env=self.env,
                clock=self.clock,
                execute=self.executor.execute,
                storage_errors=self.db.backend.errors,
                scrape=self.watching.scrape,
                metrics_token=self.watching.metrics_token,
                failed=self.watching.metrics.handler_failed,
            )
        )

    def _on_progress(self, call_id: CallId) -> None:
        self.telegram.relay.progress(call_id)
        self.starts.takes_long(call_id)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))


def build(
    settings: Settings,
    *,
    clock: SystemClock | None = None,
    extra: Sequence[Tool] = (),
    adapters: Sequence[Adapter] = (),
    pace: Pace | None = None,
    boundary: Callable[[str], None] = lambda place: None,
) -> Countersign:
    """Builds the product from its settings. Needs a running event loop. Raises ConfigError.

    `extra` tools join the catalogue, `adapters` are those they name that have a health check; `boundary` is
    told of every place where a crash is worth trying.
    """
    return Countersign(
        settings,
        clock=clock or SystemClock(),
        extra=extra,
        adapters=adapters,
        pace=pace or Pace(),
        boundary=boundary,
    )


def open_demo_folder(folder: Path, storage: StorageSettings, *, fresh: bool) -> None:
    """Makes the folder of a demo, or takes an earlier demo's data out of it. Raises ConfigError for a folder
    that is in use or holds another bot's records; what else lies there is never touched."""
    check_free(storage.lock)
    make_folder(folder)
    marker = folder / DEMO_MARKER
    database, backend = storage.database, backend_of(storage.database)
    there = database.exists() if isinstance(database, Path) else backend.revision() is not None
    if there and not marker.exists():
        raise ConfigError(
            f"{backend.shown} holds the records of a bot that is no demo. Name another place with --data, "
            "or another database in storage.url."
        )
    if fresh and backend.dialect != "sqlite":
        raise ConfigError(
            f"--fresh cannot empty {backend.shown}. Make a new database, and name it in storage.url."
        )
    if fresh:
        for path in [found for pattern in _DEMO_DATA for found in folder.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    marker.touch(mode=0o600)
