"""The one module of the command line that opens storage: for commands that work without a running bot."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from uuid_utils.compat import uuid7

from bot.config import Settings
from core.engine import Env, Limits, Refused
from core.engine.members import at_machine
from core.errors import ConfigError
from core.ids import TenantId
from core.model import Principal, Tenant
from core.policy.backtest import Recorded
from core.ports import Records
from core.redaction import Redactor
from core.registry import ToolRegistry
from core.runner import ToolRunner
from storage.database import Database, SnapshotReader, backend_of
from storage.findings import Report
from storage.migrate import HEAD
from storage.verify import export, verify
from storage.writer import Writer
from tools.system_health_check import HealthProbe, HealthReport

if TYPE_CHECKING:
    from bot.clock import SystemClock
    from bot.workers.executor import Executor

T = TypeVar("T")

__all__ = [
    "Report",
    "Workshop",
    "as_machine",
    "audit_folder",
    "beside",
    "env_of",
    "export",
    "history",
    "look",
    "new_id",
    "now",
    "registry_of",
    "verify",
    "work",
    "workshop",
]


def new_id() -> str:
    """A fresh UUIDv7 text."""
    return str(uuid7())


def now() -> datetime:
    """The wall time, aware UTC."""
    return datetime.now(UTC)


def audit_folder(settings: Settings) -> Path:
    """Where the audit mirror lies."""
    return settings.storage.folder / "audit"


def look(settings: Settings, read: Callable[[Records], T]) -> T:
    """Reads one committed snapshot, also beside a running bot. Raises ConfigError where there is none."""
    backend = backend_of(settings.storage.database)
    if backend.revision() is None:
        raise ConfigError(
            f"There are no records at {backend.shown} yet. `countersign init` or `run` makes them."
        )

    async def run() -> T:
        reader = SnapshotReader(backend, new_id=new_id)
        try:
            return await reader.read(read)
        finally:
            reader.close()

    return asyncio.run(run())


def env_of(settings: Settings, *, health: HealthProbe | None = None) -> Env:
    """What verbs need besides records, from the settings alone; `health` only where calls are run. Raises
    ConfigError for a broken policy."""
    from bot.policy_file import load_policy_file  # noqa: PLC0415 - only what needs it waits for its imports

    registry = registry_of(settings, health=health)
    policy = load_policy_file(settings.policy.file, registry)
    return Env(
        registry=registry,
        policy=lambda: policy,
        new_id=new_id,
        limits=Limits(
            expires_after=settings.calls.expires_after,
            start_within=settings.calls.start_within,
            reply_after=settings.calls.reply_after,
        ),
        rates=settings.limits.rates,
        resilience=settings.resilience.resilience,
        approvers_chat=settings.telegram.approvers_chat,
        home=TenantId(settings.tenant.id),
    )


def registry_of(settings: Settings, *, health: HealthProbe | None = None) -> ToolRegistry:
    """The tools that a bot of these settings has; the demo's as well, where this is its folder."""
    from bot.bootstrap import DEMO_MARKER  # noqa: PLC0415
    from tools.catalog import build_catalog, demo_tools  # noqa: PLC0415
    from tools.create_expense import ExpenseLimits  # noqa: PLC0415

    folder = settings.storage.folder
    demo = (folder / DEMO_MARKER).exists()
    return build_catalog(
        limits=ExpenseLimits(low=settings.expenses.low_limit, medium=settings.expenses.medium_limit),
        health=health or _looked_at_by_nobody,
        extra=demo_tools(folder / "labels.jsonl") if demo else (),
    )


def history(settings: Settings, tenant_id: TenantId) -> tuple[int, Iterator[Recorded]]:
    """How many calls a tenant has, and each with the facts that it was judged by. Raises ConfigError."""
    from storage.history_facts import how_many, recorded  # noqa: PLC0415

    database = settings.storage.database
    return how_many(database, tenant_id), recorded(database, tenant_id)


async def _looked_at_by_nobody() -> HealthReport:
    raise LookupError("no call runs from a command")


def work(settings: Settings, name: str, change: Callable[[Records], T]) -> T:
    """Runs one unit of work, with the tenant of the settings in place.

    Takes the data folder's lock: raises ConfigError while a bot runs on it.
    """

    def unit(records: Records) -> T:
        records.people.add_tenant(_tenant(settings), now=now())
        return change(records)

    async def run() -> T:
        database = Database(settings.storage.database, lock=settings.storage.lock, new_id=new_id)
        try:
            return await database.writer.run(name, unit)
        finally:
            await database.close()

    return asyncio.run(run())


def as_machine(
    settings: Settings, name: str, tenant_id: TenantId, verb: Callable[[Records, Principal], T | Refused]
) -> T:
    """Runs a verb as whoever sits at this machine, in one unit of work. Raises its Refusal."""
    answered = work(settings, name, lambda records: verb(records, at_machine(tenant_id)))
    if isinstance(answered, Refused):
        raise answered.refusal
    return answered


def beside(
    settings: Settings, name: str, tenant_id: TenantId, verb: Callable[[Records, Principal], T | Refused]
) -> T:
    """The same, beside a bot that runs: one transaction of its own, which takes its turn with the bot's.
    Brings records of an earlier version to this one first, where no bot runs. Raises the verb's Refusal."""
    backend = backend_of(settings.storage.database)
    if backend.revision() != HEAD:
        return as_machine(settings, name, tenant_id, verb)

    async def run() -> T | Refused:
        writer = Writer(backend, alone=False, new_id=new_id)
        writer.start()
        try:
            return await writer.run(name, lambda records: verb(records, at_machine(tenant_id)))
        finally:
            await writer.close()

    answered = asyncio.run(run())
    if isinstance(answered, Refused):
        raise answered.refusal
    return answered


class Workshop(Struct, frozen=True, kw_only=True):
    """Records, tools and an executor without any front door, for commands that run calls here and now."""

    database: Database
    env: Env
    executor: Executor
    clock: SystemClock


@asynccontextmanager
async def workshop(settings: Settings) -> AsyncIterator[Workshop]:
    """Opens all that runs calls, with the tenant of the settings in place; what is in hand at the end is
    waited for. Takes the data folder's lock: raises ConfigError while a bot runs on it."""
    from bot.clock import SystemClock  # noqa: PLC0415
    from bot.health import Health  # noqa: PLC0415
    from bot.workers.backoff import Backoff  # noqa: PLC0415
    from bot.workers.executor import Executor, RecordsToolStore  # noqa: PLC0415

    database = Database(settings.storage.database, lock=settings.storage.lock, new_id=new_id)
    try:
        await database.writer.run("tenant", lambda r: r.people.add_tenant(_tenant(settings), now=now()))
        health = Health(reader=database.reader, folder=settings.storage.folder)
        env, clock = env_of(settings, health=health), SystemClock()
        executor = Executor(
            uow=database.writer,
            reader=database.reader,
            runner=ToolRunner(env.registry, monotonic=time.monotonic, clean=Redactor(settings.secrets).clean),
            store=RecordsToolStore(database.writer, database.reader),
            env=env,
            clock=clock,
            worker=f"{os.uname().nodename}:{os.getpid()}:machine",
            sole=True,
            concurrency=settings.workers.concurrency,
            per_tenant=settings.workers.per_tenant,
            per_tool=settings.workers.per_tool,
            backoff=Backoff(env.registry),
        )
        health.executor = executor
        yield Workshop(database=database, env=env, executor=executor, clock=clock)
        await executor.idle()
    finally:
        await database.close()


def _tenant(settings: Settings) -> Tenant:
    own = settings.tenant
    return Tenant(
        id=TenantId(own.id), name=own.name, active=True, currency=own.currency, timezone=own.timezone
    )
