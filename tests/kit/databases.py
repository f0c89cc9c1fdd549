"""Databases for tests: each kind that the product knows, real, new for each test, looked at from outside."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

import psycopg

from storage.database import Address, backend_of
from storage.postgresql import Postgresql
from storage.schema import metadata
from storage.sqlite import Sqlite, connect
from tests.kit.postgresql import drop_database, make_database, server_address, start_postgresql, stop_servers

__all__ = [
    "KINDS",
    "Kind",
    "Place",
    "Run",
    "new_place",
    "new_postgresql",
    "server_address",
    "start_postgresql",
    "stop_servers",
    "with_schema",
]

Kind = Literal["sqlite", "postgresql"]
KINDS: Final[tuple[Kind, ...]] = ("sqlite", "postgresql")
Run = Callable[..., list[tuple[Any, ...]]]
"""Runs one statement with its values, and gives the rows."""

_FORBID: Final = """
CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no, by %', TG_NAME; END $$
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A database that the product may be given by its `address`. What is done here is behind its back."""

    kind: Kind
    address: Address

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What the database's driver raises."""
        return backend_of(self.address).errors

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Runs one statement, committed; `?` stands for each value."""
        with self.session() as run:
            return run(sql, *values)

    def damage(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Like `rows`, by somebody who owns the database: no foreign key and no trigger holds them up."""
        with self.session(unguarded=True) as run:
            return run(sql, *values)

    def number(self, sql: str, *values: object) -> int:
        """The one number that a query gives."""
        return int(self.rows(sql, *values)[0][0])

    @contextmanager
    def forbidding(self, verb: str, table: str) -> Iterator[None]:
        """Meanwhile the database refuses this verb on this table, for a reason that says "no"."""
        if self.kind == "sqlite":
            self.rows(
                f"CREATE TRIGGER broken BEFORE {verb} ON {table}"
                " BEGIN SELECT RAISE(ABORT, 'no, by broken'); END"
            )
            yield
            self.rows("DROP TRIGGER broken")
            return
        self.rows(_FORBID)
        self.rows(f"CREATE TRIGGER broken BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION no()")
        yield
        self.rows("DROP FUNCTION no CASCADE")

    @contextmanager
    def session(self, *, unguarded: bool = False) -> Iterator[Run]:
        """One connection for several statements, each committed. `unguarded`: see `damage`."""
        if isinstance(self.address, Path):
            with closing(connect(self.address)) as connection, _as_owner(connection, unguarded=unguarded):
                yield lambda sql, *values: connection.execute(sql, values).fetchall()
            return
        with psycopg.connect(self.address, autocommit=True) as server:
            if unguarded:
                server.execute("SET session_replication_role = replica")
            yield lambda sql, *values: _fetched(server, sql, values)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Meanwhile another process is in the middle of writing."""
        link = backend_of(self.address).connect()
        link.begin().flush()
        yield
        link.roll_back()
        link.close()

    def drop(self) -> None:
        """Lets a database on the server be used again; a file goes with its folder."""
        if isinstance(self.address, str):
            give_back(self.address)

    def copied(self, folder: Path) -> Place:
        """Another database with the same content, while nobody has this one open."""
        if isinstance(self.address, Path):
            with closing(connect(self.address)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return Place(self.kind, Path(shutil.copy(self.address, folder / self.address.name)))
        name = psycopg.conninfo.conninfo_to_dict(self.address)["dbname"]
        return Place(self.kind, make_database(template=str(name)))


@contextmanager
def _as_owner(connection: sqlite3.Connection, *, unguarded: bool) -> Iterator[None]:
    """The triggers are gone meanwhile, and come back as they were: a table needs its name only."""
    connection.execute(f"PRAGMA foreign_keys = {'OFF' if unguarded else 'ON'}")
    if not unguarded:
        yield
        return
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f'DROP TRIGGER "{name}"')
    yield
    for _, sql in triggers:
        connection.execute(sql)


def _fetched(server: psycopg.Connection[Any], sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
    cursor = server.execute(sql.replace("%", "%%").replace("?", "%s").encode(), values)
    return cursor.fetchall() if cursor.description else []


def new_place(kind: Kind, folder: Path, *, name: str = "countersign.db", empty: bool = False) -> Place:
    """A new database: a file of this name in the folder, or one of the test process's PostgreSQL; with the
    newest schema already, unless it is to be `empty` (of a file: not there)."""
    if kind == "sqlite":
        return Place(kind, folder / name if empty else with_schema(folder / name))
    return Place(kind, make_database() if empty else new_postgresql())


def with_schema(path: Path) -> Path:
    """This file, with the newest schema and no rows where it is not there yet: migrating each test's own
    takes ten times as long as all the rest of its making."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_empty_file())
        path.chmod(0o600)
    return path


@cache
def _empty_file() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        Sqlite(path).migrate()
        return path.read_bytes()


def new_postgresql() -> str:
    """The address of a database that has the newest schema already and no rows: one that was given back,
    or else a copy of a template."""
    template = _template()
    return _clean.pop() if _clean else make_database(template=template)


@cache
def _template() -> str:
    address = make_database(name="ours")
    Postgresql(address).migrate()
    return "ours"


_clean: list[str] = []
"""Databases that were given back: to empty one costs a fifth of making one."""
_EMPTY: Final = (
    "SET session_replication_role = replica; SET statement_timeout = 5000; "
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid(); "
    + "".join(f"DELETE FROM {table}; " for table in metadata.tables)
    + "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'"
)
_SCHEMA: Final = """
SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_proc),
    (SELECT count(*) FROM pg_constraint), (SELECT max(version_num) FROM alembic_version)
"""


def give_back(address: str) -> None:
    """Keeps the database, emptied, for another test; takes it away where it is not as it was."""
    try:
        with psycopg.connect(address, autocommit=True) as server:
            server.execute(_EMPTY.encode())
            schema = server.execute(_SCHEMA.encode()).fetchone()
    except psycopg.Error:
        schema = None
    if schema == _own_schema():
        _clean.append(address)
    else:
        drop_database(address)


@cache
def _own_schema() -> object:
    with psycopg.connect(server_address(_template())) as server:
        return server.execute(_SCHEMA.encode()).fetchone()
