"""The audit mirror: in step with the database, once each, through crashes between the file and its cursor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bot.workers.mirror import Mirror
from core.audit import AuditEvent
from core.errors import StorageUnavailable
from core.ids import TenantId
from core.ports import Records
from storage.mirror import MirrorFiles, event_of, file_of, line_of
from tests.kit.world import ACME, UMBRELLA, World


async def append(world: World, count: int, tenant: TenantId | None = ACME) -> None:
    def work(records: Records) -> None:
        for number in range(count):
            records.audit.append(
                "noted",
                tenant_id=tenant,
                actor="ann",
                content={"text": f"“{number}”\n\u2028 é"},
                now=world.clock.now(),
            )

    await world.unit(work)


def mirror_of(world: World, *, batch: int = 7) -> Mirror:
    files = MirrorFiles(world.folder / "audit")
    return Mirror(files, reader=world.db.reader, uow=world.db.writer, pause_s=0.01, batch=batch)


def mirrored(world: World, tenant: TenantId = ACME) -> bytes:
    return file_of(world.folder / "audit", tenant).read_bytes()


async def expected(world: World, tenant: TenantId = ACME) -> bytes:
    events = await world.db.reader.read(lambda records: records.audit.after(tenant, 0, limit=10_000))
    return b"".join(line_of(event) for event in events)


async def cursor(world: World, tenant: TenantId = ACME) -> int:
    heads = await world.db.reader.read(lambda records: records.audit.heads())
    return next(head.mirrored_seq for head in heads if head.tenant_id == tenant)


async def test_every_chain_is_mirrored_and_the_cursor_follows(world: World) -> None:
    await append(world, 20)
    await append(world, 3, UMBRELLA)
    await append(world, 1, None)
    await mirror_of(world).catch_up()
    assert mirrored(world) == await expected(world)
    assert mirrored(world, UMBRELLA) == await expected(world, UMBRELLA)
    assert (world.folder / "audit" / "_system.jsonl").exists()
    assert await cursor(world) == len(mirrored(world).splitlines())


async def test_a_line_is_json_with_sorted_keys_and_reads_back_as_the_event(world: World) -> None:
    await append(world, 1)
    await mirror_of(world).catch_up()
    line = mirrored(world).splitlines(keepends=True)[-1]
    told = json.loads(line)
    assert list(told) == sorted(told)
    assert json.loads(told["content"]) == {"text": "“0”\n\u2028 é"}
    assert told["at"].startswith("20")
    events = await world.db.reader.read(lambda records: records.audit.after(ACME, 0, limit=100))
    assert event_of(line) == events[-1]


async def test_what_came_later_is_appended_and_nothing_is_written_twice(world: World) -> None:
    mirror = mirror_of(world)
    for _ in range(3):
        await append(world, 10)
        assert await mirror.catch_up() == 10
        assert await mirror.catch_up() == 0
    assert mirrored(world) == await expected(world)


async def test_it_wakes_after_commits(world: World) -> None:
    mirror = mirror_of(world)
    world.db.writer.listen("audit", mirror.wake)
    running = asyncio.create_task(mirror.run())
    try:
        for _ in range(3):
            await append(world, 2)
            async with asyncio.timeout(5):
                await until_in_step(world)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def until_in_step(world: World) -> None:
    path = file_of(world.folder / "audit", ACME)
    while not path.exists() or path.read_bytes() != await expected(world):  # noqa: ASYNC110 - a file
        await asyncio.sleep(0.01)


class CursorLost(MirrorFiles):
    """Files whose process dies between the file and its cursor."""

    def write(self, tenant_id: TenantId, cursor: int, events: Sequence[AuditEvent]) -> None:
        super().write(tenant_id, cursor, events)
        raise OSError("died")


@contextmanager
def died() -> Iterator[None]:
    with pytest.raises(OSError, match="died"):
        yield


async def test_lines_beyond_the_cursor_are_not_written_again(world: World) -> None:
    await append(world, 5)
    await mirror_of(world).catch_up()
    await append(world, 20)
    dying = Mirror(CursorLost(world.folder / "audit"), reader=world.db.reader, uow=world.db.writer, batch=12)
    with died():
        await dying.catch_up()
    assert await cursor(world) == 5
    assert len(mirrored(world).splitlines()) == 17
    await mirror_of(world).catch_up()
    assert mirrored(world) == await expected(world)
    assert await cursor(world) == 25


@pytest.mark.parametrize("kept", [1, 40, 399])
async def test_a_torn_last_line_is_cut(world: World, kept: int) -> None:
    await append(world, 3)
    await mirror_of(world).catch_up()
    await append(world, 3)
    whole = await expected(world)
    torn = whole.splitlines(keepends=True)[3][:kept]
    with file_of(world.folder / "audit", ACME).open("ab") as file:
        file.write(torn)
    await mirror_of(world).catch_up()
    assert mirrored(world) == whole


async def test_a_long_tail_is_read_backwards_across_blocks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.mirror._BLOCK", 100)
    await append(world, 2)
    await mirror_of(world).catch_up()
    await append(world, 9)
    with died():
        await Mirror(
            CursorLost(world.folder / "audit"), reader=world.db.reader, uow=world.db.writer
        ).catch_up()
    await mirror_of(world).catch_up()
    assert mirrored(world) == await expected(world)


async def test_a_line_that_the_database_does_not_have_is_kept_as_evidence(world: World) -> None:
    await append(world, 3)
    await mirror_of(world).catch_up()
    strange = mirrored(world).splitlines(keepends=True)[0].replace(b'"seq":1,', b'"seq":4,')
    with file_of(world.folder / "audit", ACME).open("ab") as file:
        file.write(strange)
    await append(world, 1)
    await mirror_of(world).catch_up()
    lines = mirrored(world).splitlines(keepends=True)
    assert lines[3] == strange
    assert lines[4] == (await expected(world)).splitlines(keepends=True)[3]


async def test_a_cursor_that_cannot_be_written_doubles_nothing(world: World) -> None:
    await append(world, 4)

    class Held:
        async def run(self, name: str, work: Callable[[Records], object]) -> object:
            raise StorageUnavailable("held up")

    mirror = mirror_of(world)
    writer, mirror._uow = mirror._uow, Held()  # type: ignore[assignment]
    with pytest.raises(StorageUnavailable):
        await mirror.catch_up()
    await mirror.drain()
    mirror._uow = writer
    await mirror.drain()
    assert mirrored(world) == await expected(world)


async def test_two_callers_at_once_write_once(world: World) -> None:
    await append(world, 30)
    mirror = mirror_of(world)
    await asyncio.gather(*(mirror.catch_up() for _ in range(5)))
    assert mirrored(world) == await expected(world)


async def test_a_file_is_for_its_owner_only(world: World) -> None:
    await append(world, 1)
    await mirror_of(world).catch_up()
    path = file_of(world.folder / "audit", ACME)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


HOSTILE = [
    "../../etc/passwd",
    "a/b",
    "",
    ".",
    "..",
    "ACME",
    "acme",
    "a%2fb",
    "\0",
    "é" * 300,
    "é" * 301,
    "%61",
]


def test_tenant_ids_make_safe_and_different_names(tmp_path: Path) -> None:
    files = [file_of(tmp_path, TenantId(name)) for name in HOSTILE]
    assert all(file.parent == tmp_path and file.suffix == ".jsonl" for file in files)
    assert all(len(file.name) < 256 for file in files)
    assert len({file.name.casefold() for file in files}) == len(HOSTILE)
    assert file_of(tmp_path, TenantId("acme")).name == "acme.jsonl"


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"seq": 1}', b"\xff", b"[" * 5_000, b"null"])
def test_what_is_no_line_gives_no_event(line: bytes) -> None:
    assert event_of(line) is None


async def test_a_line_with_wrong_types_gives_no_event(world: World) -> None:
    await append(world, 1)
    await mirror_of(world).catch_up()
    told = json.loads(mirrored(world).splitlines()[0])
    for changed in ({"seq": "1"}, {"kind": None}, {"call_id": 5}):
        assert event_of(json.dumps(told | changed).encode()) is None


class HeldUpOnce(MirrorFiles):
    """Files on a disk that is full the first time."""

    held_up = True

    def write(self, tenant_id: TenantId, cursor: int, events: Sequence[AuditEvent]) -> None:
        if self.held_up:
            self.held_up = False
            raise OSError("no space left")
        super().write(tenant_id, cursor, events)


async def test_a_disk_that_was_full_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.workers.mirror.RETRY_S", 0.01)
    await append(world, 3)
    files = HeldUpOnce(world.folder / "audit")
    running = asyncio.create_task(Mirror(files, reader=world.db.reader, uow=world.db.writer).run())
    async with asyncio.timeout(5):
        await until_in_step(world)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_an_altered_event_holds_up_its_own_chain_only(sqlite_world: World) -> None:
    """Bytes that are no text, which PostgreSQL does not take."""
    world = sqlite_world
    await append(world, 3)
    await append(world, 3, UMBRELLA)
    world.place.damage("UPDATE audit_events SET kind = x'ff' WHERE tenant_id = ?", ACME)
    world.place.damage("DELETE FROM audit_events WHERE tenant_id = ? AND seq > 2", UMBRELLA)
    await mirror_of(world).catch_up()
    assert not file_of(world.folder / "audit", ACME).exists()
    assert len(mirrored(world, UMBRELLA).splitlines()) == 2
    assert (await cursor(world), await cursor(world, UMBRELLA)) == (0, 2)
