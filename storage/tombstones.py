"""The mirror's side of an erasure: lines of events whose content is gone from the database lose it too."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import select

from core.audit import TOMBSTONE, is_erased
from core.errors import ConfigError
from core.ids import TenantId
from storage.backup import sync_folder
from storage.database import Address
from storage.looking import opened, snapshot
from storage.mirror import event_of, file_of, line_of
from storage.records.audit import event_from_row
from storage.schema import audit_events
from storage.sqlite import connect
from storage.statements import Statement

_e = audit_events.c
_ERASED: Final = Statement(
    select(audit_events).where(_e.content == TOMBSTONE, _e.salt == "").order_by(_e.tenant_id, _e.seq)
)


def rewrite_mirror(database: Address, folder: Path) -> int:
    """Makes every line of the mirror in this folder say no more than the database, where that was erased; how
    many lines lost their content. Each file changes whole or not at all, and it may be done again.

    Nobody else may write the mirror meanwhile. Raises OSError, and ConfigError where the database cannot be
    read.
    """
    found: dict[TenantId, dict[int, bytes]] = {}
    with opened(database) as link, snapshot(link) as session:
        for row in session.all(_ERASED):
            event = event_from_row(row)
            found.setdefault(event.tenant_id, {})[event.seq] = line_of(event)
    return sum(_rewritten(file_of(folder, tenant), lines) for tenant, lines in found.items())


def scrub(database: Address) -> None:
    """Writes a SQLite file anew, so that nothing that was overwritten lies in its free pages or its log. What
    PostgreSQL does not need any more goes with its own next vacuum. Raises ConfigError where it cannot be."""
    if not isinstance(database, Path):
        return
    try:
        with contextlib.closing(connect(database)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(
            f"Everything was erased, but {database} may still hold some of it in free pages: {error}. "
            "Make room on its disk, and erase the same person once more, by their id."
        ) from None


def _rewritten(file: Path, lines: dict[int, bytes]) -> int:
    if not file.exists():
        return 0
    fresh, changed = file.with_name(f".{file.name}.erasing"), 0
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with file.open("rb") as source, os.fdopen(descriptor, "wb") as target:
        for line in source:
            event = event_of(line)
            blank = None if event is None or is_erased(event) else lines.get(event.seq)
            changed += blank is not None
            target.write(line if blank is None else blank)
        target.flush()
        os.fsync(target.fileno())
    if changed == 0:
        fresh.unlink()
        return 0
    fresh.rename(file)
    sync_folder(file.parent)
    return changed
