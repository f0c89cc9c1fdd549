"""Looking at a database from outside, beside whoever runs on it: can it be read and written, does its audit
end where its heads and its mirror say."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final

from msgspec import Struct
from sqlalchemy import select

from core.errors import ConfigError
from core.ids import TenantId
from storage.database import Address, backend_of
from storage.link import Backend
from storage.looking import opened, snapshot
from storage.migrate import HEAD
from storage.mirror import file_of, line_of
from storage.records.audit import event_from_row
from storage.schema import audit_events, audit_heads
from storage.sqlite import connect
from storage.statements import Row, Session, Statement, arg

_END: Final = 1 << 20
_h, _e = audit_heads.c, audit_events.c
_HEADS: Final = Statement(select(_h.tenant_id, _h.seq, _h.hash, _h.mirrored_seq).order_by(_h.tenant_id))
_EVENT: Final = Statement(select(audit_events).where(_e.tenant_id == arg("tenant"), _e.seq == arg("number")))
_HELD_UP: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class Examined(Struct, frozen=True, kw_only=True):
    """What was seen. `problem` and `unwritable` are "" where there is none, `revision` is None where there
    are no records yet; `audit` tells, a line each, what is wrong with the ends of the chains."""

    shown: str
    newest: str = HEAD
    revision: str | None = None
    problem: str = ""
    unwritable: str = ""
    chains: int = 0
    audit: tuple[str, ...] = ()


def examine(database: Address, mirror: Path) -> Examined:
    """Looks, and changes nothing."""
    backend = backend_of(database)
    try:
        revision = backend.revision()
        if revision != HEAD:
            return Examined(shown=backend.shown, revision=revision)
        with opened(database) as link, snapshot(link) as session:
            heads = session.all(_HEADS)
            wrong = [told for head in heads for told in _ends(session, head, mirror)]
    except ConfigError as error:
        return Examined(shown=backend.shown, problem=error.message)
    return Examined(
        shown=backend.shown,
        revision=revision,
        unwritable=_unwritable(database, backend),
        chains=len(heads),
        audit=tuple(wrong),
    )


def _unwritable(database: Address, backend: Backend) -> str:
    if not isinstance(database, Path):
        try:
            backend.revision(to_write=True)  # type: ignore[call-arg]
        except ConfigError as error:
            return error.message
        return ""
    if not (os.access(database, os.W_OK) and os.access(database.parent, os.W_OK)):
        return "the file, or its folder, may not be written"
    try:
        with contextlib.closing(connect(database, timeout_s=0.0)) as connection:
            connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return "" if error.sqlite_errorcode & 0xFF in _HELD_UP else str(error)
    return ""


def _ends(session: Session, head: Row, mirror: Path) -> list[str]:
    """What is wrong with the end of one chain and of its mirror."""
    tenant, seq, digest, mirrored = head
    wrong = []
    last = session.one(_EVENT, tenant=tenant, number=seq)
    if seq and (last is None or last[-1] != digest):
        wrong.append(f"the chain of {tenant} does not end in its head, {seq}")
    if mirrored and not _mirrored(session, tenant, mirrored, mirror):
        wrong.append(f"the mirror of {tenant} does not hold event {mirrored}, which was written to it")
    return wrong


def _mirrored(session: Session, tenant: str, seq: int, mirror: Path) -> bool:
    event = session.one(_EVENT, tenant=tenant, number=seq)
    if event is None:
        return False
    try:
        with file_of(mirror, TenantId(tenant)).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _END))
            return line_of(event_from_row(event)) in file.read()
    except (OSError, TypeError, ValueError):
        return False
