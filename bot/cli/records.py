"""The one module of the command line that opens storage: for commands that work without a running bot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from uuid_utils.compat import uuid7

from bot.config import Settings
from core.errors import ConfigError
from core.ids import TenantId
from core.model import Tenant
from core.ports import Records
from storage.database import Database, SnapshotReader, backend_of
from storage.findings import Report
from storage.verify import export, verify

T = TypeVar("T")

__all__ = ["Report", "audit_folder", "export", "look", "new_id", "now", "verify", "work"]


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


def _tenant(settings: Settings) -> Tenant:
    own = settings.tenant
    return Tenant(
        id=TenantId(own.id), name=own.name, active=True, currency=own.currency, timezone=own.timezone
    )
