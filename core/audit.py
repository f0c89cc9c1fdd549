"""The audit chain: what an event is, how it is hashed onto the one before, how a chain is checked.

hash = SHA-256(previous hash, canonical JSON of the event). The event covers its content by a salted hash
only, so that a person's content can be erased one day without breaking the chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Final, NamedTuple

from msgspec import Struct

from core.ids import CallId, TenantId

GENESIS: Final = "0" * 64
"""The hash before the first event of every chain."""
TOMBSTONE: Final = '{"erased":true}'
"""What stands, without a salt, in place of a content that was erased."""
ERASURE: Final = "content.erased"
"""The event that names those whose contents were erased: only what such a later one names may be gone."""


class AuditEvent(NamedTuple):
    """One line of what happened. `content` is canonical JSON; `at_ms` is UTC epoch milliseconds.

    A tuple in the order of the stored columns: verifying a million of them lives on how fast one is made.
    """

    tenant_id: TenantId
    seq: int
    account_id: str | None
    at_ms: int
    kind: str
    actor: str
    call_id: CallId | None
    content: str
    salt: str
    content_hash: str
    prev_hash: str
    hash: str

    @property
    def at(self) -> datetime:
        """When it happened, aware UTC."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)


class Break(Struct, frozen=True, kw_only=True):
    """A place where a chain does not hold: the number of the event, and what is wrong, in plain words."""

    tenant_id: TenantId
    seq: int
    problem: str


def content_hash(salt: str, content: str) -> str:
    """The salted hash under which the chain covers an event's content."""
    return hashlib.sha256(f"{salt}:{content}".encode()).hexdigest()


def event_hash(event: AuditEvent) -> str:
    """The hash that the event should carry, from its own fields and `prev_hash`.

    Raises ValueError or TypeError where a field has no canonical form, which no stored event's has unless
    somebody altered it.
    """
    covered = _covered(
        event.account_id,
        event.actor,
        event.at_ms,
        event.call_id,
        event.content_hash,
        event.kind,
        event.seq,
        event.tenant_id,
    )
    return hashlib.sha256((event.prev_hash + covered).encode()).hexdigest()


def holds(event: AuditEvent) -> bool:
    """Whether the event carries the hash that belongs to its fields. Says nothing of its content."""
    try:
        return event.hash == event_hash(event)
    except (TypeError, ValueError):
        return False


def content_holds(event: AuditEvent) -> bool:
    """Whether the content is the one that the event's hash covers."""
    try:
        # A salt without a colon leaves one way to read "salt:content": nothing moves across the border.
        return ":" not in event.salt and event.content_hash == content_hash(event.salt, event.content)
    except (TypeError, ValueError):
        return False


def is_erased(event: AuditEvent) -> bool:
    """Whether the event's content was erased. Whether it was to be, an `ERASURE` event tells."""
    return event.content == TOMBSTONE and event.salt == ""


_GREATEST: Final = 2**53 - 1


def _covered(
    account_id: str | None,
    actor: str,
    at_ms: int,
    call_id: str | None,
    content_hash: str,
    kind: str,
    seq: int,
    tenant_id: str,
) -> str:
    """The RFC 8785 form of what the hash covers, written out: verifying a million events lives on it.

    A test holds it against `core.digest.canonical`.
    """
    if not (abs(seq) <= _GREATEST and abs(at_ms) <= _GREATEST):
        raise ValueError("an integer beyond 2^53 has no canonical form")
    return (
        f'{{"account_id":{_text(account_id)},"actor":{encode_basestring(actor)},'
        f'"at_ms":{at_ms},"call_id":{_text(call_id)},"content_hash":{encode_basestring(content_hash)},'
        f'"kind":{encode_basestring(kind)},"seq":{seq},"tenant_id":{encode_basestring(tenant_id)}}}'
    )


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring(value)


def chained(
    *,
    tenant_id: TenantId,
    seq: int,
    prev_hash: str,
    salt: str,
    account_id: str | None,
    at_ms: int,
    kind: str,
    actor: str,
    call_id: CallId | None,
    content: str,
) -> AuditEvent:
    """A new event on top of the chain that ends in `prev_hash`."""
    over_content = content_hash(salt, content)
    covered = _covered(account_id, actor, at_ms, call_id, over_content, kind, seq, tenant_id)
    return AuditEvent(
        tenant_id=tenant_id,
        seq=seq,
        account_id=account_id,
        at_ms=at_ms,
        kind=kind,
        actor=actor,
        call_id=call_id,
        content=content,
        salt=salt,
        content_hash=over_content,
        prev_hash=prev_hash,
        hash=hashlib.sha256((prev_hash + covered).encode()).hexdigest(),
    )


def check_chain(events: Iterable[AuditEvent], *, seq: int = 0, prev_hash: str = GENESIS) -> Iterator[Break]:
    """Every break of one tenant's chain, read in order from event `seq` + 1 on top of `prev_hash`.

    After a break it goes on from what stands there, so that one edit is one break and not a thousand. A
    content that was erased is none where a later event says that it was; otherwise it is told at the end.
    """
    gone: dict[int, AuditEvent] = {}
    for event in events:
        if event.seq != seq + 1:
            yield Break(tenant_id=event.tenant_id, seq=seq + 1, problem=_gap(seq + 1, event.seq))
        elif event.prev_hash != prev_hash:
            yield Break(
                tenant_id=event.tenant_id, seq=event.seq, problem="does not follow the event before it"
            )
        if not content_holds(event) and not is_erased(event):
            yield Break(tenant_id=event.tenant_id, seq=event.seq, problem="its content was altered")
        elif not holds(event):
            yield Break(tenant_id=event.tenant_id, seq=event.seq, problem="it was altered")
        elif is_erased(event):
            gone[event.seq] = event
        elif gone and event.kind == ERASURE:
            _account_for(gone, event)
        seq, prev_hash = event.seq, event.hash
    for event in gone.values():
        yield Break(tenant_id=event.tenant_id, seq=event.seq, problem=_UNACCOUNTED)


_UNACCOUNTED: Final = "its content was erased, and no event says so"


def _account_for(gone: dict[int, AuditEvent], erasure: AuditEvent) -> None:
    """Strikes off the events that an erasure names."""
    try:
        for first, last in json.loads(erasure.content)["events"]:
            for seq in range(max(first, 1), min(last, erasure.seq) + 1):
                gone.pop(seq, None)
    except (KeyError, TypeError, ValueError):
        return  # it names nothing: what is gone is told


def _gap(expected: int, found: int) -> str:
    if found < expected:
        return f"event {found} stands where {expected} should"
    missing = str(expected) if found == expected + 1 else f"{expected} to {found - 1}"
    return f"missing: {missing}"
