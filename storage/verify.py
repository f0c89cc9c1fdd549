"""Checking the audit: every chain in the database, its mirror, and a head that somebody kept outside.

Works beside a running bot, on a read-only connection, in short reads. The order of looking makes that sound:
first the cursors, then how long the mirror's files are, then the heads. What a cursor says is then in the
file, and what is in the file is in the database; whatever is appended later is left for the next time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from sqlalchemy import func, select

from core.audit import GENESIS, TOMBSTONE, AuditEvent, check_chain
from core.errors import ConfigError
from core.ids import TenantId
from storage.database import Address
from storage.findings import Findings, Head, Report, Verified
from storage.link import Link
from storage.looking import opened, snapshot
from storage.mirror import SUFFIX, event_of, file_of, line_of
from storage.mirror_check import MirrorCheck
from storage.records.audit import event_from_row
from storage.schema import audit_events, audit_heads
from storage.statements import Row, Session, Statement, arg

BATCH: Final = 2_000
_e, _h = audit_events.c, audit_heads.c
_EVENTS: Final = Statement(
    select(audit_events)
    .where(_e.tenant_id == arg("tenant"), _e.seq > arg("after"), _e.seq <= arg("until"))
    .order_by(_e.seq)
    .limit(arg("most"))
)
_HEADS: Final = Statement(select(_h.tenant_id, _h.seq, _h.hash, _h.mirrored_seq))
_NEXT_CHAIN: Final = Statement(select(func.min(_e.tenant_id)).where(_e.tenant_id > arg("after")))
# Text in place of a number sorts after every number: such an event is missing, not the last one.
_LAST: Final = Statement(
    select(func.max(_e.seq)).where(_e.tenant_id == arg("tenant"), _e.seq <= arg("greatest"))
)
_GREATEST: Final = 2**63 - 1


class _Chain(Struct, frozen=True, kw_only=True):
    """What is known of a chain before its events are read. `head` None: the database has no head of it."""

    tenant_id: TenantId
    head: Head | None
    last: int
    cursor: int
    mirror_bytes: int | None


def verify(database: Address, mirror: Path | None, *, heads: Mapping[TenantId, Head] | None = None) -> Report:
    """Checks every chain of the database and its file in the folder `mirror` (None: not looked at), and
    that each of `heads`, (number, hash) as somebody noted them outside, is in its chain.

    Finds any event or line that was altered, removed, moved or added, tails cut off on either side, and a
    chain that was computed anew, as long as the mirror or a head tells of the old one. Being behind is no
    fault of a mirror. Raises ConfigError where the database cannot be read.
    """
    findings = Findings()
    outside = dict(heads or {})
    # Before the chains are looked at: a team that is made meanwhile gets its chain first, then its file.
    files = [] if mirror is None else sorted(mirror.glob(f"*{SUFFIX}"))
    with opened(database) as link:
        chains = _chains(link, mirror)
        verified = [
            _verify_chain(link, chain, mirror, outside.pop(chain.tenant_id, None), findings)
            for chain in chains
        ]
    for tenant_id, (seq, _) in outside.items():
        findings.add(tenant_id, "head", seq, "the database has no chain of this tenant")
    if mirror is not None:
        _check_strangers(files, {file_of(mirror, chain.tenant_id) for chain in chains}, findings)
    return Report(chains=tuple(verified), findings=findings.all())


def problems(database: Address, mirror: Path) -> list[str]:
    """All that `verify` finds, a sentence each."""
    return [f"{found}." for found in verify(database, mirror).findings]


def export(database: Address, tenant_id: TenantId) -> Iterator[bytes]:
    """The chain of a tenant as the mirror's lines, in order, up to the head of this moment.

    Raises ConfigError where the database cannot be read, or holds an event that no line can tell.
    """
    with opened(database) as link:
        with snapshot(link) as session:
            last = _last(session, tenant_id)
        try:
            for event in _events(link, tenant_id, last):
                yield line_of(event)
        except (TypeError, ValueError):
            raise ConfigError(f"The audit chain of {tenant_id} was altered; verify tells where.") from None


def _mirror_of(chain: _Chain, mirror: Path | None, findings: Findings) -> MirrorCheck | None:
    if mirror is None:
        return None
    file = file_of(mirror, chain.tenant_id)
    return MirrorCheck(chain.tenant_id, file, size=chain.mirror_bytes or 0, findings=findings)


def _verify_chain(
    link: Link,
    chain: _Chain,
    mirror: Path | None,
    outside: Head | None,
    findings: Findings,
) -> Verified:
    tenant = chain.tenant_id
    seq, last_hash, count, erased, at_outside = 0, GENESIS, 0, 0, GENESIS
    outside_seq = outside[0] if outside else -1
    lines = _mirror_of(chain, mirror, findings)

    def watched() -> Iterator[AuditEvent]:
        nonlocal seq, last_hash, count, erased, at_outside
        for event in _events(link, tenant, chain.last):
            seq, last_hash, count = event.seq, event.hash, count + 1
            erased += event.content == TOMBSTONE
            if seq == outside_seq:
                at_outside = last_hash
            if lines is not None:
                lines.compare(event)
            yield event

    try:
        for found in check_chain(watched()):
            findings.add(tenant, "database", found.seq, found.problem)
        _check_head(chain, (seq, last_hash), findings)
        if outside is not None:
            _check_outside(tenant, outside, seq, at_outside, findings)
        if lines is not None:
            lines.finish(seq, cursor=chain.cursor)
    finally:
        if lines is not None:
            lines.close()
    return Verified(
        tenant_id=tenant,
        seq=seq,
        hash=last_hash,
        events=count,
        erased=erased,
        mirrored=lines.last if lines else None,
    )


def _check_head(chain: _Chain, last: Head, findings: Findings) -> None:
    """The head, which is written with every event, against the last event that is there."""
    tenant = chain.tenant_id
    if chain.head is None:
        findings.add(tenant, "database", 0, "the chain's head is missing")
    elif last[0] < chain.head[0]:
        findings.add(tenant, "database", last[0] + 1, f"the end is missing: the head says {chain.head[0]}")
    elif last != chain.head:
        findings.add(tenant, "database", last[0], f"the chain does not end in its head, {chain.head[0]}")


def _check_outside(tenant: TenantId, outside: Head, last: int, found: str, findings: Findings) -> None:
    seq, noted = outside
    if seq > last:
        findings.add(tenant, "head", last + 1, f"the chain ends here, the head kept outside is {seq}")
    elif found != noted:
        findings.add(tenant, "head", seq, "another hash than the one kept outside: the chain was rewritten")


def _check_strangers(files: Sequence[Path], expected: set[Path], findings: Findings) -> None:
    """Files of chains that the database does not have at all."""
    for path in files:
        if path not in expected:
            with path.open("rb") as file:
                event = event_of(file.readline())
            tenant = event.tenant_id if event else TenantId(path.stem)
            findings.add(tenant, "mirror", 1, f"the database has no such chain, {path.name} does")


def _chains(link: Link, mirror: Path | None) -> list[_Chain]:
    with snapshot(link) as session:
        cursors = {row[0]: row[3] for row in session.all(_HEADS) if isinstance(row[3], int)}
    sizes = {} if mirror is None else {path: path.stat().st_size for path in mirror.glob(f"*{SUFFIX}")}
    with snapshot(link) as session:
        heads = {row[0]: (row[1], row[2]) for row in session.all(_HEADS) if isinstance(row[1], int)}
        tenants = sorted({*heads, *_with_events(session)})
        lasts = {tenant: _last(session, TenantId(tenant)) for tenant in tenants}
    return [
        _Chain(
            tenant_id=TenantId(tenant),
            head=heads.get(tenant),
            last=lasts[tenant],
            cursor=cursors.get(tenant, 0),
            mirror_bytes=None if mirror is None else sizes.get(file_of(mirror, tenant)),
        )
        for tenant in tenants
    ]


def _with_events(session: Session) -> Iterator[TenantId]:
    """Every tenant that has events, by leaps through the primary key."""
    tenant = _value(session, _NEXT_CHAIN, after="")
    while isinstance(tenant, str):
        yield TenantId(tenant)
        tenant = _value(session, _NEXT_CHAIN, after=tenant)


def _last(session: Session, tenant_id: TenantId) -> int:
    last = _value(session, _LAST, tenant=tenant_id, greatest=_GREATEST)
    return last if isinstance(last, int) else 0


def _value(session: Session, statement: Statement, **values: object) -> object:
    row = session.one(statement, **values)
    return None if row is None else row[0]


def _events(link: Link, tenant_id: TenantId, last: int) -> Iterator[AuditEvent]:
    """The events up to `last`, in batches: no read lasts long, so none holds up the writer's checkpoints."""
    seq = 0
    while rows := _rows(link, tenant_id, after=seq, until=last):
        for row in rows:
            yield event_from_row(row)
        seq = rows[-1][1]


def _rows(link: Link, tenant_id: TenantId, *, after: int, until: int) -> Sequence[Row]:
    asked = {"tenant": tenant_id, "after": after, "until": until, "most": BATCH}
    try:
        with snapshot(link) as session:
            return session.all(_EVENTS, **asked)
    except Exception as error:
        if "decode" not in str(error):
            raise
    # Bytes that are no text were put into an event: read so, it fails its check and is named.
    link.tolerate()
    with snapshot(link) as session:
        return session.all(_EVENTS, **asked)
