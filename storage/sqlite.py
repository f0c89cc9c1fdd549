"""SQLite: one file, WAL, synced through a power cut."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, event
from sqlalchemy.pool import NullPool

from core.errors import ConfigError
from storage.migrate import upgrade
from storage.statements import DialectName, Row, Session, Statement

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

BUSY_TIMEOUT_S: Final = 60.0
_HELD_UP: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def connect(path: Path, *, read_only: bool = False, timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """A connection as this product uses it: explicit transactions, WAL, synced through a power cut."""
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=timeout_s,
        check_same_thread=False,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    return connection


class SqliteSession(Session):
    """A session that reads also a row in which some text is none: whoever asked for it then finds out which
    column cannot be read, and others go on. Only somebody with the file, or a bad disk, writes such text."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection.cursor(), "sqlite")
        self._connection = connection

    def one(self, statement: Statement, **values: Any) -> Row | None:
        """The first row, or None."""
        try:
            self.do(statement, **values)
            row: Row | None = self._cursor.fetchone()
        except sqlite3.OperationalError as error:
            self._check_text(error, statement)
            with _tolerated(self._connection):
                return super().one(statement, **values)
        return row

    def all(self, statement: Statement, **values: Any) -> Sequence[Row]:
        """All rows."""
        try:
            self.do(statement, **values)
            rows: Sequence[Row] = self._cursor.fetchall()
        except sqlite3.OperationalError as error:
            self._check_text(error, statement)
            with _tolerated(self._connection):
                return super().all(statement, **values)
        return rows

    def _check_text(self, error: sqlite3.OperationalError, statement: Statement) -> None:
        """Raises the error unless it is one of reading text, by a statement that can be repeated."""
        sql, _ = statement.on("sqlite")
        if "decode to UTF-8" not in str(error) or not sql.startswith("SELECT"):
            raise error


def _surrogates(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def _tolerated(connection: sqlite3.Connection) -> Iterator[None]:
    before = connection.text_factory
    connection.text_factory = _surrogates
    try:
        yield
    finally:
        connection.text_factory = before


class SqliteLink:
    """Implements `storage.link.Link`."""

    lost = False  # a file does not go away: what fails once may do the next time

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._session = SqliteSession(connection)

    def begin(self) -> Session:
        """Takes the file's one write lock."""
        self._connection.execute("BEGIN IMMEDIATE")
        return self._session

    def look(self) -> Session:
        """A snapshot, beside whoever writes."""
        self._connection.execute("BEGIN")
        return self._session

    def commit(self) -> None:
        """Synced before it returns."""
        self._connection.execute("COMMIT")

    def roll_back(self) -> None:
        """Where even that fails, the next BEGIN says so to its own batch."""
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    @property
    def in_transaction(self) -> bool:
        """Some errors (a full disk) end the whole transaction by themselves."""
        return self._connection.in_transaction

    def tolerate(self) -> None:
        """Bytes that are not UTF-8, which only somebody with the file can have put there."""
        self._connection.text_factory = _surrogates

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


def _tolerate_in_lists(connection: Any, _record: object) -> None:
    """A row with text that is none must not keep a list from being shown."""
    connection.driver_connection._conn.text_factory = lambda raw: raw.decode("utf-8", "replace")


class Sqlite:
    """Implements `storage.link.Backend`. That one process holds a file is the business of its lock file."""

    dialect: DialectName = "sqlite"
    at_hand = True
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def shown(self) -> str:
        """The path."""
        return str(self.path)

    def connect(self, *, read_only: bool = False, alone: bool = False, patient: bool = True) -> SqliteLink:
        """A new connection; see `storage.link.Backend.connect`."""
        timeout_s = BUSY_TIMEOUT_S if patient else 0.0
        return SqliteLink(connect(self.path, read_only=read_only, timeout_s=timeout_s))

    def revision(self) -> str | None:
        """The migration that the file stands at; None for a new one.

        Raises ConfigError where the file is no database, or cannot be opened.
        """
        if not self.path.exists():
            return None
        try:
            with contextlib.closing(connect(self.path, read_only=True)) as connection:
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return None
            raise ConfigError(f"The database {self.path} cannot be opened: {error}.") from None
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"{self.path} is not a readable database: {error}. Restore a backup.") from None
        return None if row is None else str(row[0])

    def migrate(self) -> bool:
        """Makes the file, which is nobody else's on this machine, and its schema. Raises ConfigError where
        it cannot be written."""
        self._check_writable()
        url = URL.create("sqlite", database=str(self.path))
        return upgrade(url, current=self.revision(), shown=self.shown)

    def _check_writable(self) -> None:
        """A file that can be read and not written must stop the start, not each call one by one."""
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            with contextlib.closing(connect(self.path, timeout_s=0.0)) as connection:
                connection.execute("BEGIN IMMEDIATE")
        except OSError as error:
            problem = error.strerror or str(error)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in _HELD_UP:
                return
            problem = str(error)
        except sqlite3.DatabaseError:
            return  # no database: what reads it says so
        else:
            return
        raise ConfigError(
            f"The database {self.path} cannot be written: {problem}. Make the file and its folder writable "
            "for the user that Countersign runs as, or name another place in storage.url or with --data."
        )

    def engine(self) -> AsyncEngine:
        """Over aiosqlite; opening a file costs nothing worth a pool."""
        from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - 6 MB, for lists only

        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(self.path)), poolclass=NullPool
        )
        event.listen(engine.sync_engine, "connect", _tolerate_in_lists)
        return engine
