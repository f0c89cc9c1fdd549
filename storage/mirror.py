"""The mirror's form: one folder, one file a chain, one JSON object a line, for `jq` and `grep`.

Each line has these fields, in alphabetical order:

account_id    the account, null where the event belongs to none
actor         the person's id, or the channel that acted
at            when, ISO 8601 in UTC, for people (`at_ms` is what the chain covers)
at_ms         when, in milliseconds since the epoch, UTC
call_id       the call that it tells of, null where it tells of none
content       what happened: canonical JSON as a string, exactly as it was hashed (`jq '.content | fromjson'`)
content_hash  SHA-256 of "salt:content"
hash          SHA-256 of prev_hash and the canonical JSON of the event (see core.audit)
kind          what happened, in a word: `proposed`, `approved`, …
prev_hash     the hash of the line before; 64 zeros in the first
salt          makes content_hash tell nothing of a content that was erased
seq           1, 2, 3, … without a gap
tenant_id     whose chain this is
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from pathlib import Path
from typing import BinaryIO, Final

from core.audit import AuditEvent
from core.digest import sha256_hex
from core.ids import TenantId

_log: Final = logging.getLogger(__name__)
_BLOCK: Final = 65_536
SUFFIX: Final = ".jsonl"
_PLAIN: Final = re.compile(r"[a-z0-9_-]{1,80}")
_FIELDS: Final = AuditEvent._fields


def file_of(folder: Path, tenant_id: TenantId) -> Path:
    """The file of a tenant's chain. No two tenants share one, whatever their ids are made of, also where
    the file system knows no capitals, and none lies outside the folder."""
    if _PLAIN.fullmatch(tenant_id):
        return folder / f"{tenant_id}{SUFFIX}"
    # Text with "%" is never plain, and hexadecimal gives each id its own name.
    name = "%" + tenant_id.encode("utf-8", "surrogatepass").hex()
    if len(name) > 200:
        name = "%%" + sha256_hex(tenant_id.encode("utf-8", "surrogatepass"))
    return folder / f"{name}{SUFFIX}"


def line_of(event: AuditEvent) -> bytes:
    """The event's line, with its newline. Equal events give equal bytes.

    Raises ValueError or TypeError for an event that no chain can hold (a lone surrogate, a number for text).
    """
    return (
        f'{{"account_id":{_text(event.account_id)},"actor":{encode_basestring(event.actor)},'
        f'"at":"{_iso(event.at_ms)}","at_ms":{event.at_ms},"call_id":{_text(event.call_id)},'
        f'"content":{encode_basestring(event.content)},'
        f'"content_hash":{encode_basestring(event.content_hash)},"hash":{encode_basestring(event.hash)},'
        f'"kind":{encode_basestring(event.kind)},"prev_hash":{encode_basestring(event.prev_hash)},'
        f'"salt":{encode_basestring(event.salt)},"seq":{event.seq},'
        f'"tenant_id":{encode_basestring(event.tenant_id)}}}\n'
    ).encode()


def event_of(line: bytes) -> AuditEvent | None:
    """The event that a line tells, None where it is no such line. Whether it is true is not asked here."""
    try:
        found = json.loads(line)
        event = AuditEvent(**{name: found[name] for name in _FIELDS})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    whole = isinstance(event.seq, int) and isinstance(event.at_ms, int)
    texts = (event.tenant_id, event.kind, event.actor, event.content, event.salt)
    hashes = (event.content_hash, event.prev_hash, event.hash)
    optional = (event.account_id, event.call_id)
    if not whole or not all(isinstance(text, str) for text in (*texts, *hashes)):
        return None
    return event if all(text is None or isinstance(text, str) for text in optional) else None


class MirrorFiles:
    """The files of one folder. Implements `bot.workers.mirror.Files`; used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._beyond: dict[TenantId, dict[int, bytes]] = {}

    def look_again(self, tenant_id: TenantId) -> None:
        """Forgets what is known of the file: the next write reads its end again."""
        self._beyond.pop(tenant_id, None)

    def write(self, tenant_id: TenantId, cursor: int, events: Sequence[AuditEvent]) -> None:
        """Makes the file hold these events, which follow the cursor, synced and each once.

        Lines past the cursor that equal an event are not written again, a torn last line is cut. Raises
        OSError, and TypeError or ValueError for an event that no line can tell.
        """
        beyond = self._beyond.pop(tenant_id, None)  # put back only once this write has succeeded
        lines = [line_of(event) for event in events]
        with _opened(file_of(self._folder, tenant_id)) as file:
            if beyond is None:
                beyond = _mended(file, cursor)
            missing = [
                line for event, line in zip(events, lines, strict=True) if beyond.get(event.seq) != line
            ]
            file.seek(0, os.SEEK_END)
            file.write(b"".join(missing))
            file.flush()
            os.fsync(file.fileno())
        last = events[-1].seq
        self._beyond[tenant_id] = {seq: line for seq, line in beyond.items() if seq > last}


def _opened(path: Path) -> BinaryIO:
    """The file for reading and writing, made durable with its folder where it is new; for nobody else's
    eyes."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return os.fdopen(os.open(path, os.O_RDWR), "r+b")
    except FileNotFoundError:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return file


def _mended(file: BinaryIO, cursor: int) -> dict[int, bytes]:
    """Cuts off a torn last line and gives the lines past the cursor by number."""
    size = file.seek(0, os.SEEK_END)
    found: dict[int, bytes] = {}
    whole = size
    for number, line in enumerate(_backwards(file, size)):
        if number == 0:
            whole = size - len(line)  # what follows the last newline; nothing where the file is whole
            continue
        event = event_of(line)
        if event is not None and event.seq <= cursor:
            break
        if event is not None:
            found[event.seq] = line + b"\n"
    if whole != size:
        _log.warning("a torn line of %d bytes was cut off the audit mirror", size - whole)
        file.truncate(whole)
    return found


def _backwards(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The pieces between newlines, last first, without their newlines; reads no more than is asked for."""
    rest, position = b"", size
    while position > 0:
        start = max(0, position - _BLOCK)
        file.seek(start)
        rest, *lines = (file.read(position - start) + rest).split(b"\n")
        yield from reversed(lines)
        position = start
    yield rest


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring(value)


def _iso(at_ms: int) -> str:
    return f"{_second(at_ms // 1000)}.{at_ms % 1000:03d}+00:00"


@lru_cache(maxsize=64)
def _second(at: int) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return "?"  # only an altered event lies outside the calendar
