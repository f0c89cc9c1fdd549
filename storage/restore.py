"""Putting a backup in place of what a data folder holds: prepared beside it, moved in as the last step."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from core.errors import ConfigError
from storage.backup import (
    DUMP,
    MANIFEST,
    SQLITE,
    Manifest,
    Progress,
    check_file,
    lost_by,
    manifest_of,
    sync_folder,
    unpack,
)
from storage.database import Address, alone, backend_of, make_folder
from storage.migrate import HEAD

ASIDE: Final = "before-restore-"
_LOGS: Final = ("-wal", "-shm")


class Staged(Struct, frozen=True, kw_only=True):
    """A backup's content, not in place yet. `folder` looks as the data folder will."""

    manifest: Manifest
    database: Address
    folder: Path


@contextlib.contextmanager
def restoring(
    file: Path,
    *,
    database: Address,
    folder: Path,
    lock: Path,
    force: bool,
    now: datetime,
    progress: Progress = lambda done, total: None,
) -> Iterator[Staged]:
    """The backup, unpacked and checked, for the body to make safe; in place once the body is done. What was
    there before is moved into a folder of its own, never deleted. Where anything fails nothing has changed,
    but that a PostgreSQL database that was empty may not be any more.

    Raises ConfigError: where the folder is in use, holds records that the backup does not have (unless
    `force`), or the file is no whole backup that fits here.
    """
    manifest = manifest_of(file)
    _check_fits(manifest, database, file)
    make_folder(folder)
    with alone(lock):
        if not isinstance(database, Path):
            _check_empty(database)
        staging = Path(tempfile.mkdtemp(prefix=".countersign-restore-", dir=folder))
        try:
            unpack(file, staging, progress=progress)
            staged = Staged(manifest=manifest, database=_ready(database, staging), folder=staging)
            if isinstance(database, Path) and not force:
                _check_nothing_lost(staged, database)
            yield staged
            _place(staged, database, folder, now=now)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _check_fits(manifest: Manifest, database: Address, file: Path) -> None:
    if manifest.schema > HEAD:
        raise ConfigError(
            f"{file} is from a newer Countersign ({manifest.version}, schema {manifest.schema}, here "
            f"{HEAD} is known). Install that version."
        )
    kind = "sqlite" if isinstance(database, Path) else "postgresql"
    if manifest.kind != kind:
        raise ConfigError(
            f"{file} is a backup of a {manifest.kind} database, and storage.url names a {kind} one. "
            "Restore it to one of its own kind."
        )


def _check_empty(database: str) -> None:
    backend = backend_of(database)
    if backend.revision() is not None:
        raise ConfigError(
            f"The database {backend.shown} holds records. Make a new, empty one and name it in storage.url."
        )


def _check_nothing_lost(staged: Staged, database: Path) -> None:
    """Raises ConfigError also where that cannot be told, since the file is damaged."""
    try:
        if backend_of(database).revision() is None:
            return
        lost = lost_by(staged.database, database)
    except ConfigError as error:
        told = "--force puts the backup in its place; what is there is moved aside."
        raise ConfigError(f"{error.message} {told}") from None
    if lost is not None:
        raise ConfigError(
            f"{database} holds records that the backup of {staged.manifest.at:%d %b %Y %H:%M} UTC does not "
            f"have (the audit of {lost}). --force puts the backup in their place; they are moved aside."
        )


def _ready(database: Address, staging: Path) -> Address:
    """Where the restored database is now."""
    if isinstance(database, Path):
        copy = staging / SQLITE
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            check_file(connection, copy)
        return copy
    from storage.dump import load  # noqa: PLC0415 - psycopg is loaded only where it is used

    load(database, staging / DUMP)
    return database


def _place(staged: Staged, database: Address, folder: Path, *, now: datetime) -> None:
    """What was there goes aside, the database first; the restored one comes last. Without a database nothing
    starts, so that no half of a restore is ever taken for a whole."""
    aside = folder / f"{ASIDE}{now:%Y%m%dT%H%M%S}Z"
    if isinstance(database, Path):
        for suffix in ("", *_LOGS):
            _move(database.with_name(database.name + suffix), aside / (SQLITE + suffix))
    names = sorted({Path(part.name).parts[0] for part in staged.manifest.parts} | {"audit"})
    names = [name for name in names if name not in (SQLITE, DUMP, MANIFEST)]
    for name in names:
        _move(folder / name, aside / name)
        _move(staged.folder / name, folder / name)
    if isinstance(database, Path):
        database.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(staged.folder / SQLITE, database)
        sync_folder(database.parent)
    sync_folder(folder)


def _move(source: Path, to: Path) -> None:
    if source.exists():
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.move(source, to)
