"""What goes wrong with storage, done for real: locks held, disks full, files read-only or damaged, rows that
cannot be read. Each fault ends with its `with`, and has its counterpart outside of the product: nothing here
patches a function of it.

Of PostgreSQL itself dying, `tests.kit.postgresql` has the server; of a process dying, `tests.crash`.
"""

from __future__ import annotations

import json
import os
import resource
import select
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import psycopg

from core.ports import Records
from storage.database import Database, backend_of
from storage.link import Link
from storage.schema import metadata
from storage.writer import Writer
from tests.kit.databases import Place

ROOT: Final = Path(__file__).parents[2]
Where = Literal["header", "middle"]
Shape = Callable[[str], str | bytes]


# --- locks -------------------------------------------------------------------------------------------------


class Holder:
    """Another process in the middle of a write."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def release(self) -> None:
        """Returns once it has let go. Once or often."""
        self._process.communicate()


@contextmanager
def held(place: Place, *, seconds: float | None = None) -> Iterator[Holder]:
    """Another process holds the database's write lock, from before the body begins until the body, or
    `release`, or so many seconds are over, whichever is first."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.kit.faults", str(place.address), str(seconds or "")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said == "held\n", said
    holder = Holder(process)
    try:
        yield holder
    finally:
        holder.release()


def hold(address: str, seconds: float | None) -> None:
    """What the other process does: takes the lock, says so, and holds it until its input ends or time is
    up."""
    link = backend_of(address if "://" in address else Path(address)).connect()
    link.begin().flush()
    print("held", flush=True)
    select.select([sys.stdin], [], [], seconds)
    link.roll_back()
    link.close()


# --- disks -------------------------------------------------------------------------------------------------


@contextmanager
def no_room(beyond: int) -> Iterator[None]:
    """No file of this process can grow past so many bytes: the kernel refuses, as for a quota. For root
    too, and for all threads."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


class FullAt:
    """The disk is full exactly while the unit of a name is committed, the first time each.

    `failed`: the units that met a full disk, in order. Made on a running SQLite writer; the product goes on.
    """

    def __init__(
        self, writer: Writer, path: Path, *, wanted: Callable[[str], bool] = lambda unit: True
    ) -> None:
        self._writer = writer
        self._wal = path.with_name(f"{path.name}-wal")
        self._wanted = wanted
        self._before = writer._boundary
        self._full: list[str] = []
        self.failed: list[str] = []
        writer._boundary = self._told
        link = writer._link
        assert link is not None
        writer._link = _FullLink(link, self)
        self._link = link

    def end(self) -> None:
        """From now on there is space. Between commits only."""
        self._writer._boundary, self._writer._link = self._before, self._link

    def _told(self, place: str) -> None:
        """In the writer's thread, right before its commit."""
        unit, _, moment = place.rpartition(".")
        if moment == "before_commit" and unit not in self.failed and self._wanted(unit):
            self._full.append(unit)
        self._before(place)

    def commit(self, link: Link) -> None:
        """One commit, onto a full disk where one of its units is to meet it."""
        units, self._full = self._full, []
        if not units:
            link.commit()
            return
        self.failed += dict.fromkeys(units)
        # A commit appends to the write-ahead log: with no room beyond its end, not one page fits.
        with no_room(self._wal.stat().st_size):
            link.commit()


class _FullLink:
    """A link of which the commits go through `FullAt`."""

    def __init__(self, link: Link, faults: FullAt) -> None:
        self._link = link
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    def commit(self) -> None:
        self._faults.commit(self._link)


async def fill(db: Database) -> None:
    """From now on the SQLite file has no page left: SQLite itself says that it is full."""
    await db.writer.run("test", lambda records: _pragma(records, "max_page_count = 1"))


async def give_space(db: Database) -> None:
    """There is space again."""
    await db.writer.run("test", lambda records: _pragma(records, "max_page_count = 1073741823"))


def _pragma(records: Records, text: str) -> None:
    records.session._cursor.execute(f"PRAGMA {text}")  # type: ignore[attr-defined]


# --- files that cannot be written, or are not what they were ------------------------------------------------

_NOBODY: Final = 65_534


@contextmanager
def read_only(path: Path, *, file_too: bool = True) -> Iterator[None]:
    """Meanwhile this process may read the file and its folder, and write neither, as on a disk that is
    mounted read-only; with `file_too` False it may write the file, and make none beside it.

    Root, whom no mode holds up, is nobody meanwhile: all folders above must be open to everybody, which
    pytest's own are not.
    """
    modes = {each: each.stat().st_mode & 0o7777 for each in (path, path.parent)}
    path.chmod(0o444 if file_too else 0o666)
    path.parent.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        for each, mode in modes.items():
            each.chmod(mode)


@contextmanager
def reads_only(address: str) -> Iterator[None]:
    """Meanwhile a PostgreSQL database lets nobody write who connects, as a standby does."""
    name = psycopg.conninfo.conninfo_to_dict(address)["dbname"]
    with psycopg.connect(address, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        try:
            yield
        finally:
            server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())


def damage(path: Path, where: Where) -> None:
    """Writes over a closed SQLite file: its first page, or each fourth page after it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    pages = path.stat().st_size // size
    with path.open("r+b") as file:
        for page in [0] if where == "header" else range(1, pages, 4):
            file.seek(page * size)
            file.write(b"\xa5" * (100 if where == "header" else size))


# --- rows --------------------------------------------------------------------------------------------------

_GARBAGE: Final = bytes(range(128, 160)) + b"\x01\xff\xfe{"
SHAPES: Final[Mapping[str, Shape]] = {
    "empty": lambda stored: "",
    "cut off": lambda stored: stored[: max(1, len(stored) // 2)],
    "another type": lambda stored: '"{}"' if stored.startswith("[") else "[7]",
    "null": lambda stored: "null",
    "nested 100,000 deep": lambda stored: '{"text":' + "[" * 100_000 + "]" * 100_000 + "}",
    "half a surrogate pair": lambda stored: _with(stored, "\ud83d"),
    "no number": lambda stored: _with(stored, float("nan")),
    "binary garbage": lambda stored: _GARBAGE,
}
"""Eight shapes of JSON that is none, or none of ours, made of what is stored."""


def _with(stored: str, value: object) -> str:
    """The stored object with one more field, which no JSON that we write can hold."""
    read = json.loads(stored)
    return json.dumps({**read, "z": value} if isinstance(read, dict) else {"z": value})


def corrupt(place: Place, table: str, column: str, where: str, *values: object, shape: str) -> str:
    """Writes over the column in the one row that `where` finds; the text that was there."""
    found = place.rows(f"SELECT {column} FROM {table} WHERE {where}", *values)
    assert len(found) == 1, f"{len(found)} rows of {table} where {where}"
    stored = str(found[0][0])
    put(place, table, column, where, *values, text=SHAPES[shape](stored))
    return stored


def put(place: Place, table: str, column: str, where: str, *values: object, text: str | bytes) -> None:
    """Writes this text behind everybody's back; bytes that are no text go into SQLite as they are, while
    PostgreSQL takes no such text and is given control characters instead."""
    value = "?"
    if isinstance(text, bytes):
        text, value = (text, "CAST(? AS TEXT)") if place.kind == "sqlite" else ("\x01\x02\x7f{\x80", value)
    place.damage(f"UPDATE {table} SET {column} = {value} WHERE {where}", text, *values)


def everything(place: Place, *, but: frozenset[str] = frozenset()) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, to be compared: what is half done shows."""
    return {
        name: sorted(place.rows(f"SELECT * FROM {name}"), key=repr)
        for name in metadata.tables
        if name not in but
    }


if __name__ == "__main__":
    hold(sys.argv[1], float(sys.argv[2]) if sys.argv[2] else None)
