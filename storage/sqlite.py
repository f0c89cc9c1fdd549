"""SQLite: one file, WAL, synced through a power cut."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from core.errors import ConfigError
from storage.migrate import upgrade
from storage.statements import DialectName, Session

BUSY_TIMEOUT_S: Final = 60.0


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


class SqliteLink:
    """Implements `storage.link.Link`."""

    lost = False  # a file does not go away: what fails once may do the next time

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._session = Session(connection.cursor(), "sqlite")

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
        self._connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


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
        """Makes the file, which is nobody else's on this machine, and its schema."""
        self.path.touch(mode=0o600)
        url = URL.create("sqlite", database=str(self.path))
        return upgrade(url, current=self.revision(), shown=self.shown)

    def engine(self) -> AsyncEngine:
        """Over aiosqlite; opening a file costs nothing worth a pool."""
        return create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(self.path)), poolclass=NullPool
        )
