"""Opening a SQLite database: its lock, its migrations, its writer and its readers."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from core.errors import ConfigError
from core.ids import NewId
from core.ports import Records
from storage.migrate import upgrade_sqlite
from storage.records.all import SqlRecords
from storage.statements import Session
from storage.writer import Boundary, Writer

T = TypeVar("T")

BUSY_TIMEOUT_S: Final = 60.0
READERS: Final = 2


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection as this product uses it: explicit transactions, WAL, synced through a power cut."""
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_S,
        check_same_thread=False,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    return connection


class SnapshotReader:
    """Implements `core.ports.Reader`: each read sees one committed snapshot, beside the writer."""

    def __init__(self, path: Path, *, new_id: NewId) -> None:
        self._path = path
        self._new_id = new_id
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._open: list[sqlite3.Connection] = []

    async def read(self, work: Callable[[Records], T]) -> T:
        """Runs `work` over one snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, work)

    def close(self) -> None:
        """Ends the threads and their connections."""
        self._pool.shutdown()
        for connection in self._open:
            connection.close()

    def _read(self, work: Callable[[Records], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path, read_only=True)
            self._open.append(connection)
        connection.execute("BEGIN")
        try:
            return work(SqlRecords(Session(connection.cursor(), "sqlite"), new_id=self._new_id))
        finally:
            connection.execute("ROLLBACK")


class Database:
    """An open database. Only one process opens a data folder for writing: `sole` proves it by a lock file,
    so that at its start every worker of before is known to be dead."""

    def __init__(self, path: Path, *, new_id: NewId, boundary: Boundary = lambda place: None) -> None:
        self.path = path
        make_folder(path.parent)
        self._lock = _lock(path.with_suffix(".lock"))
        try:
            path.touch(mode=0o600)  # what people wrote is nobody else's on this machine
            upgrade_sqlite(path)
        except BaseException:
            os.close(self._lock)
            raise
        self.writer = Writer(lambda: connect(path), new_id=new_id, boundary=boundary)
        self.reader = SnapshotReader(path, new_id=new_id)
        self.pages: AsyncEngine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(path)), poolclass=NullPool
        )
        self.writer.start()

    async def close(self) -> None:
        """Commits what is under way, closes everything, gives the folder free."""
        await self.writer.close()
        self.reader.close()
        await self.pages.dispose()
        os.close(self._lock)


def make_folder(folder: Path) -> None:
    """Makes a data folder that is nobody else's on this machine. Raises ConfigError where it cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The data folder {folder} cannot be made: {error.strerror}. Name another one with --data."
        ) from None


def check_free(path: Path) -> None:
    """Raises ConfigError where another process holds the folder of this database."""
    lock = path.with_suffix(".lock")
    if lock.exists():
        os.close(_lock(lock))


def _lock(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(
            f"The data folder {path.parent} cannot be written: {error.strerror}. Name another with --data."
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise ConfigError(
            f"The data folder {path.parent} is in use by another Countersign process. "
            "Stop that one first, or give this one a folder of its own with --data."
        ) from None
    return descriptor
