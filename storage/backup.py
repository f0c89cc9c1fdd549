"""Backups: one tar file with a consistent copy of the database, the audit mirror and what belongs to them.

The file names its parts with their SHA-256, the schema, the version, and where each chain ends. It is made
beside a running bot, appears whole or not at all, and only its owner can read it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from msgspec import Struct, to_builtins
from sqlalchemy import select

from core.errors import ConfigError
from core.ids import TenantId
from storage.database import Address
from storage.findings import Head
from storage.looking import opened, snapshot
from storage.mirror import SUFFIX, event_of
from storage.schema import audit_events, audit_heads
from storage.sqlite import connect
from storage.statements import Session, Statement, arg

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SQLITE: Final = "countersign.sqlite3"
DUMP: Final = "countersign.dump"
MIRROR: Final = "audit"
BELONGINGS: Final = ("labels.jsonl", ".countersign-demo", "artifacts", "reports")
"""What else of a data folder is records: not logs, the sandbox's chats, or settings with their secrets."""
_PAGES: Final = 1_000
_BLOCK: Final = 1 << 20
_MOST_MANIFEST: Final = 16 << 20
_HEADS: Final = Statement(select(audit_heads.c.tenant_id, audit_heads.c.seq, audit_heads.c.hash))
_HASH: Final = Statement(
    select(audit_events.c.hash).where(
        audit_events.c.tenant_id == arg("tenant"), audit_events.c.seq == arg("number")
    )
)

Progress = Callable[[int, int], None]
"""Told how much of how much is copied."""


class Part(Struct, frozen=True, kw_only=True):
    """One file of a backup."""

    name: str
    size: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup is of, and what it is made of. `chains` says where each audit chain ends in it."""

    format: int
    version: str
    taken_at: str
    kind: str
    schema: str
    chains: Mapping[str, Head]
    parts: tuple[Part, ...]

    @property
    def at(self) -> datetime:
        """When it was made, aware UTC."""
        return datetime.fromisoformat(self.taken_at).astimezone(UTC)


def back_up(
    database: Address,
    folder: Path,
    to: Path,
    *,
    version: str,
    now: datetime,
    progress: Progress = lambda done, total: None,
) -> Manifest:
    """Writes a backup of the database and its data folder to the file `to`, whole and synced, or not at all.

    Works beside a running bot. Raises ConfigError where the database cannot be read or dumped, where `to`
    exists already, or cannot be written.
    """
    if to.exists():
        raise ConfigError(f"{to} exists already. Name another file, or a folder.")
    try:
        with _beside(to) as staging:
            kind, schema, chains = _copied(database, staging, progress)
            _copy_mirror(folder / MIRROR, staging / MIRROR, chains)
            _copy_belongings(folder, staging)
            manifest = Manifest(
                format=FORMAT,
                version=version,
                taken_at=now.isoformat(timespec="milliseconds"),
                kind=kind,
                schema=schema,
                chains=chains,
                parts=tuple(_parts(staging)),
            )
            _pack(staging, manifest, to)
    except (OSError, sqlite3.Error) as error:
        told = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"The backup {to} cannot be written: {told or error}. There is none now.") from None
    return manifest


@contextlib.contextmanager
def _beside(to: Path) -> Iterator[Path]:
    """A folder of nobody else's on the disk where the backup will be, gone afterwards."""
    staging = Path(tempfile.mkdtemp(prefix=".countersign-backup-", dir=to.absolute().parent))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _copied(database: Address, staging: Path, progress: Progress) -> tuple[str, str, dict[str, Head]]:
    """The kind, schema and heads of the copy of the database that is now in the folder."""
    if isinstance(database, Path):
        copy = staging / SQLITE
        _copy_file(database, copy, progress)
        return "sqlite", *_told(copy)
    from storage.dump import dump  # noqa: PLC0415 - psycopg is loaded only where it is used

    return "postgresql", *dump(database, staging / DUMP)


def _told(copy: Path) -> tuple[str, dict[str, Head]]:
    with opened(copy) as link, snapshot(link) as session:
        return schema_of(session), heads_of(session)


def schema_of(session: Session) -> str:
    """The migration that a database stands at."""
    session._execute("SELECT version_num FROM alembic_version")
    return str(session._cursor.fetchone()[0])


def heads_of(session: Session) -> dict[str, Head]:
    """Where each chain ends."""
    return {row[0]: (row[1], row[2]) for row in session.all(_HEADS)}


def _copy_file(database: Path, copy: Path, progress: Progress) -> None:
    """One committed state, however long it takes: the source is read within one snapshot."""
    if not database.exists():
        raise ConfigError(f"There is no database at {database} yet. Start the bot first, or name --data.")
    os.close(os.open(copy, os.O_CREAT | os.O_WRONLY, 0o600))
    with contextlib.closing(connect(database, read_only=True)) as source:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with contextlib.closing(sqlite3.connect(copy)) as target:
            source.backup(
                target, pages=_PAGES, progress=lambda _, left, total: progress(total - left, total), sleep=0
            )
    with contextlib.closing(sqlite3.connect(copy)) as target:
        # The copy is a file by itself, without a log beside it.
        target.execute("PRAGMA journal_mode = DELETE")
        check_file(target, database)


def check_file(connection: sqlite3.Connection, shown: Path) -> None:
    """Raises ConfigError where the file is damaged."""
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise ConfigError(f"The database {shown} is damaged ({found}). Restore a backup from before.")


def _copy_mirror(mirror: Path, to: Path, chains: Mapping[str, Head]) -> None:
    """The mirror's files up to what the copied database holds: it was read first, so they hold all of it
    that its cursors say."""
    to.mkdir(mode=0o700)
    for path in sorted(mirror.glob(f"*{SUFFIX}")) if mirror.is_dir() else ():
        with path.open("rb") as source, _created(to / path.name) as target:
            for line in source:
                event = event_of(line)
                ends = chains.get(event.tenant_id, (0, ""))[0] if event is not None else 0
                if not line.endswith(b"\n") or (event is not None and event.seq > ends):
                    break
                target.write(line)


def _copy_belongings(folder: Path, staging: Path) -> None:
    for name in BELONGINGS:
        source = folder / name
        if source.is_dir():
            shutil.copytree(source, staging / name, symlinks=True)
        elif source.is_file():
            shutil.copyfile(source, staging / name)


def _parts(staging: Path) -> Iterator[Part]:
    for path in sorted(staging.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            yield Part(name=path.relative_to(staging).as_posix(), size=path.stat().st_size, sha256=digest)


def _created(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _pack(staging: Path, manifest: Manifest, to: Path) -> None:
    packed = staging / "packed"
    with _created(packed) as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            told = json.dumps(to_builtins(manifest), indent=1, ensure_ascii=False).encode()
            _add(tar, MANIFEST, len(told), io.BytesIO(told), manifest)
            for part in manifest.parts:
                with (staging / part.name).open("rb") as source:
                    _add(tar, part.name, part.size, source, manifest)
        file.flush()
        os.fsync(file.fileno())
    packed.rename(to)
    sync_folder(to.absolute().parent)


def _add(tar: tarfile.TarFile, name: str, size: int, source: BinaryIO, manifest: Manifest) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(manifest.at.timestamp())
    tar.addfile(entry, source)


def sync_folder(folder: Path) -> None:
    """Makes durable what was renamed in this folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def manifest_of(file: Path) -> Manifest:
    """What a backup says of itself. Raises ConfigError where it is none, or of a newer version."""
    with unpacked(file) as tar:
        return _manifest(tar, file)


@contextlib.contextmanager
def unpacked(file: Path) -> Iterator[tarfile.TarFile]:
    """The open tar. Raises ConfigError where it is no backup."""
    try:
        with tarfile.open(file, mode="r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError) as error:
        raise ConfigError(f"{file} is no whole backup of Countersign ({error}).") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror or error}.") from None


def _manifest(tar: tarfile.TarFile, file: Path) -> Manifest:
    none = ConfigError(f"{file} is no backup of Countersign: it does not begin with {MANIFEST}.")
    entry = tar.next()
    source = tar.extractfile(entry) if entry is not None and entry.name == MANIFEST else None
    if source is None:
        raise none
    try:
        told = json.loads(source.read(_MOST_MANIFEST))
        if told["format"] > FORMAT:
            raise ConfigError(f"{file} is a backup of a newer Countersign ({told['version']}): install that.")
        told["parts"] = tuple(Part(**part) for part in told["parts"])
        told["chains"] = {tenant: (seq, digest) for tenant, (seq, digest) in told["chains"].items()}
        return Manifest(**told)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise none from None


def unpack(file: Path, into: Path, *, progress: Progress = lambda done, total: None) -> Manifest:
    """Puts the parts of a backup into a folder, each as its hash says. Raises ConfigError for a file that is
    cut off or altered, and for anything in it that its manifest does not name."""
    with unpacked(file) as tar:
        manifest = _manifest(tar, file)
        wanted = {part.name: part for part in manifest.parts}
        total = sum(part.size for part in manifest.parts)
        done = 0
        for entry in tar:
            if entry.name == MANIFEST:
                continue
            part = wanted.pop(entry.name, None)
            source = tar.extractfile(entry) if part is not None and entry.isreg() else None
            if part is None or source is None or not _inside(part.name):
                raise ConfigError(
                    f"{file} holds {entry.name!r}, which is no part of a backup. Nothing was done."
                )
            try:
                _take(source, into / part.name, part, file)
            except OSError as error:
                told = f"{into.parent} cannot be written: {error.strerror or error}"
                raise ConfigError(f"{told}. Nothing was restored.") from None
            done += part.size
            progress(done, total)
    if wanted:
        raise ConfigError(f"{file} lacks {sorted(wanted)[0]}: it is not whole. Nothing was restored.")
    return manifest


def _inside(name: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts


def _take(source: object, to: Path, part: Part, file: Path) -> None:
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with _created(to) as target:
        while block := source.read(_BLOCK):  # type: ignore[attr-defined]
            digest.update(block)
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
    if digest.hexdigest() != part.sha256:
        raise ConfigError(f"{part.name} in {file} was altered or damaged. Nothing was restored.")


def lost_by(copy: Address, database: Address) -> TenantId | None:
    """A chain of the database whose end the copy does not have: it goes further, or went another way, and
    the copy in its place would lose that; or None."""
    with opened(database) as link, snapshot(link) as session:
        there = heads_of(session)
    with opened(copy) as link, snapshot(link) as session:
        for tenant, (seq, digest) in sorted(there.items()):
            if seq and session.one(_HASH, tenant=tenant, number=seq) != (digest,):
                return TenantId(tenant)
    return None
