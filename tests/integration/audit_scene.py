"""A closed database with mirrored chains, and ways to tamper with both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bot.workers.mirror import Mirror
from core.audit import AuditEvent, chained
from core.ids import CallId, TenantId
from core.ports import Records
from storage.findings import Head, Report
from storage.mirror import MirrorFiles, file_of
from storage.records.audit import event_from_row
from storage.verify import verify
from tests.kit.databases import Place
from tests.kit.world import ACME, UMBRELLA, World

COUNT = 40


class Scene:
    """A closed database with chains, mirrored, and ways to tamper with both."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.place = place
        self.database = place.address
        self.mirror = folder / "audit"
        self.file = file_of(self.mirror, ACME)

    def check(self, *, mirror: bool = True, heads: dict[TenantId, Head] | None = None) -> Report:
        return verify(self.database, self.mirror if mirror else None, heads=heads)

    def sql(self, *statements: str) -> None:
        with self.place.session(unguarded=True) as run:
            for statement in statements:
                run(statement)

    def events(self) -> list[AuditEvent]:
        rows = self.place.rows("SELECT * FROM audit_events WHERE tenant_id = 'acme' ORDER BY seq")
        return [event_from_row(row) for row in rows]

    def lines(self, change: Callable[[list[bytes]], Sequence[bytes]]) -> None:
        self.file.write_bytes(b"".join(change(self.file.read_bytes().splitlines(keepends=True))))

    def anew(self, seq: int) -> list[AuditEvent]:
        """The chain with one event rewritten and all after it computed anew."""
        made: list[AuditEvent] = []
        for event in self.events():
            content = '{"text":"nothing happened"}' if event.seq == seq else event.content
            made.append(
                chained(
                    tenant_id=event.tenant_id,
                    seq=event.seq,
                    prev_hash=made[-1].hash if made else event.prev_hash,
                    salt=event.salt,
                    account_id=event.account_id,
                    at_ms=event.at_ms,
                    kind=event.kind,
                    actor=event.actor,
                    call_id=event.call_id,
                    content=content,
                )
            )
        return made

    def recompute(self, seq: int) -> list[AuditEvent]:
        made = self.anew(seq)
        self.sql(
            *(
                f"UPDATE audit_events SET content='{e.content}', content_hash='{e.content_hash}', "
                f"prev_hash='{e.prev_hash}', hash='{e.hash}' WHERE tenant_id='acme' AND seq={e.seq}"
                for e in made
            ),
            f"UPDATE audit_heads SET hash='{made[-1].hash}' WHERE tenant_id='acme'",
        )
        return made


async def fill(world: World, count: int = COUNT) -> None:
    def work(records: Records) -> None:
        for number in range(count):
            records.audit.append(
                "noted",
                tenant_id=ACME,
                actor="ann",
                call_id=CallId("c") if number % 2 else None,
                content={"number": number},
                now=world.clock.now(),
            )
        records.audit.append("noted", tenant_id=UMBRELLA, actor="zoe", content={}, now=world.clock.now())

    await world.unit(work)


def mirror_of(world: World) -> Mirror:
    files = MirrorFiles(world.folder / "audit")
    return Mirror(files, reader=world.db.reader, uow=world.db.writer)
