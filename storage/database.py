"""Opening a database: its lock, its migrations, its writer and its readers."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from core.errors import ConfigError, StorageUnavailable
from core.ids import NewId
from core.ports import Records
from storage.link import Backend, Link
from storage.records.all import SqlRecords
from storage.sqlite import Sqlite
from storage.writer import Boundary, Writer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")
Address = Path | str
"""A SQLite file, or postgresql://…"""

READERS: Final = 2


def backend_of(address: Address) -> Backend:
    """The database at this address."""
    if isinstance(address, Path):
        return Sqlite(address)
    from storage.postgresql import Postgresql  # noqa: PLC0415 - psycopg is loaded only where it is used

    return Postgresql(address)


class SnapshotReader:
    """Implements `core.ports.Reader`: each read sees one committed snapshot, beside the writer.

    Where the database is at hand (a SQLite file), a read is done on the spot: handing it to another thread
    takes longer than the read. What is held up goes to a thread after all, and so does everything else.
    """

    def __init__(self, backend: Backend, *, new_id: NewId) -> None:
        self._backend = backend
        self._new_id = new_id
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._open: set[Link] = set()
        self._on_the_spot: Link | None = None

    async def read(self, work: Callable[[Records], T]) -> T:
        """Runs `work` over one snapshot. Raises StorageUnavailable where the database cannot be read."""
        if self._backend.at_hand:
            try:
                return self._look(self._link_at_hand(), work)
            except self._backend.errors:
                pass  # held up, or worse: a thread finds out, and may wait
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, work)

    def close(self) -> None:
        """Ends the threads and their connections."""
        self._pool.shutdown()
        for link in self._open:
            link.close()

    def _read(self, work: Callable[[Records], T]) -> T:
        try:
            return self._look(self._link(), work)
        except self._backend.errors as error:
            raise StorageUnavailable(f"The database cannot be read ({error}).") from error

    def _look(self, link: Link, work: Callable[[Records], T]) -> T:
        try:
            return work(SqlRecords(link.look(), new_id=self._new_id))
        finally:
            link.roll_back()

    def _link_at_hand(self) -> Link:
        if self._on_the_spot is None:
            self._on_the_spot = self._backend.connect(read_only=True, patient=False)
            self._open.add(self._on_the_spot)
        return self._on_the_spot

    def _link(self) -> Link:
        link: Link | None = getattr(self._local, "link", None)
        if link is not None and link.lost:
            self._open.discard(link)
            link.close()
            link = None
        if link is None:
            link = self._local.link = self._backend.connect(read_only=True)
            self._open.add(link)
        return link


class Database:
    """An open database. Only one process opens a data folder, and a database, for writing: at its start
    every worker of before is known to be dead, or can write no more.

    `lock`: the file that proves it; by default it lies beside a SQLite file.
    """

    def __init__(
        self,
        address: Address,
        *,
        new_id: NewId,
        lock: Path | None = None,
        boundary: Boundary = lambda place: None,
    ) -> None:
        self.backend = backend_of(address)
        lock = lock or lock_of(address)
        self._lock = None if lock is None else _lock(lock)
        try:
            self.backend.migrate()
            self.writer = Writer(self.backend, alone=True, new_id=new_id, boundary=boundary)
            self.writer.start()
        except BaseException:
            self._unlock()
            raise
        self.reader = SnapshotReader(self.backend, new_id=new_id)
        self._pages: AsyncEngine | None = None

    @property
    def pages(self) -> AsyncEngine:
        """SQLAlchemy's way in, for lists: made when the first one is asked for."""
        if self._pages is None:
            self._pages = self.backend.engine()
        return self._pages

    async def close(self) -> None:
        """Commits what is under way, closes everything, gives the folder free."""
        await self.writer.close()
        self.reader.close()
        if self._pages is not None:
            await self._pages.dispose()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)


def lock_of(address: Address) -> Path | None:
    """The lock file beside a SQLite file."""
    return address.with_suffix(".lock") if isinstance(address, Path) else None


def make_folder(folder: Path) -> None:
    """Makes a data folder that is nobody else's on this machine. Raises ConfigError where it cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The data folder {folder} cannot be made: {error.strerror}. Name another one with --data."
        ) from None


def check_free(lock: Path) -> None:
    """Raises ConfigError where another process holds this lock file."""
    if lock.exists():
        os.close(_lock(lock))


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Holds this lock file meanwhile. Raises ConfigError where another process does."""
    descriptor = _lock(lock)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    make_folder(path.parent)
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
