"""A database of either kind that is as new for each example of a state machine, at a small price."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import psycopg

from core.engine import Env
from core.ids import AccountId, ConversationId, PersonId
from core.model import Channel, Conversation
from core.policy import Policy
from core.runner import ToolRunner
from storage.database import Address, backend_of
from storage.schema import memberships, metadata
from storage.writer import Writer
from tests.integration.lifecycle_faults import FaultyBackend
from tests.kit.clock import FakeClock
from tests.kit.databases import Kind, Place, new_place
from tests.kit.tools import Ledger, registry_of
from tests.kit.world import ACME, chat_of, ids, open_world

T = TypeVar("T")

_KEPT: Final = {"tenants", "accounts", "people", "identities", "conversations", "invites"}
"""What no rule of the machine changes. Memberships are put back."""


class Raw(Protocol):
    """A connection of somebody who owns the database: what they do, no trigger or foreign key holds up."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...

    def close(self) -> None: ...


@dataclass
class Life:
    """One example's engine: a writer over a backend with faults, a clock, tools with a ledger."""

    kind: Kind
    backend: FaultyBackend
    raw: Raw
    ledger: Ledger
    env: Env
    runner: ToolRunner
    writer: Writer
    clock: FakeClock = field(default_factory=FakeClock)
    dirty: bool = True
    """Whether anything was written since somebody looked."""

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Runs one statement, committed; `?` stands for each value."""
        if self.kind == "postgresql":
            sql = sql.replace("?", "%s")
        cursor = self.raw.execute(sql, values)
        return list(cursor.fetchall()) if cursor.description else []

    async def restart(self) -> None:
        """A new writer, as after a start."""
        await self.writer.close()
        self.writer = _started(self.backend, self.env)


class Stage:
    """A database with people in it, and lives on it, one after the other."""

    def __init__(self, place: Place, folder: Path) -> None:
        self._loop = asyncio.Runner()
        self._place = place
        self._folder = folder
        self._raw: Raw | None = None
        self._roles: Sequence[tuple[Any, ...]] = []
        self._ledger = Ledger(folder / "ledger")
        self._registry = registry_of(self._ledger)
        if place.kind == "postgresql":
            self._raw = _owner_of(place.address)
            self._roles = self._raw.execute("SELECT * FROM memberships").fetchall()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs this in the one event loop of all lives."""
        return self._loop.run(work)

    def begin(self) -> Life:
        """A life in which nothing has happened yet."""
        self._ledger.path.write_text("")
        address = self._emptied()
        raw = self._raw or _owner_of(address)
        admin = raw if isinstance(raw, psycopg.Connection) else None
        backend = FaultyBackend(backend_of(address), admin=admin)
        env = Env(registry=self._registry, policy=Policy, new_id=ids())
        runner = ToolRunner(self._registry, monotonic=lambda: 0.0, grace_s=0.05)
        return Life(
            kind=self._place.kind,
            backend=backend,
            raw=raw,
            ledger=self._ledger,
            env=env,
            runner=runner,
            writer=_started(backend, env),
        )

    def end(self, life: Life) -> None:
        """Closes what the life had of its own."""
        self.do(life.writer.close())
        if life.raw is not self._raw:
            life.raw.close()

    def close(self) -> None:
        """Closes what all lives share."""
        self._loop.close()
        if self._raw is not None:
            self._raw.close()

    def _emptied(self) -> Address:
        """The address of the database as it was at first."""
        address = self._place.address
        if isinstance(address, Path):
            for path in self._folder.glob("life.db*"):
                path.unlink()
            return Path(shutil.copy(address, self._folder / "life.db"))
        assert self._raw is not None
        emptied = [table.name for table in metadata.sorted_tables if table.name not in _KEPT]
        self._raw.execute("; ".join(f"DELETE FROM {name}" for name in emptied))
        for row in self._roles:
            self._raw.execute(f"INSERT INTO {memberships.name} VALUES (%s, %s, %s, %s)", row)
        return address


def new_stage(kind: Kind, folder: Path) -> Stage:
    """A stage on a new database with the kit's people."""
    place = new_place(kind, folder)

    async def fill() -> None:
        async with open_world(folder, place=place):
            pass

    asyncio.run(fill())
    return Stage(place, folder)


def conversation_of(name: str) -> Conversation:
    """A person's private conversation, as the kit's people have it in the database."""
    return Conversation(
        id=ConversationId(f"{ACME}-{name}"),
        tenant_id=ACME,
        account_id=AccountId(f"{ACME}-account-{name}"),
        channel=Channel.TELEGRAM,
        chat=str(chat_of(name)),
        thread=None,
        private=True,
        owner_id=PersonId(name),
    )


def _owner_of(address: Address) -> Raw:
    if isinstance(address, Path):
        return sqlite3.connect(address, isolation_level=None)
    server = psycopg.connect(address, autocommit=True)
    server.execute("SET session_replication_role = replica")
    return server


def _started(backend: FaultyBackend, env: Env) -> Writer:
    writer = Writer(backend, new_id=env.new_id)
    writer.start()
    return writer
