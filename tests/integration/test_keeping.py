"""What a running bot takes away by itself, and what it never does."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from bot.config import Settings
from bot.config_keeping import RetentionSettings
from bot.config_watching import LoggingSettings
from bot.keeping import LIMIT, Keeper
from core.ids import AlarmId, PersonId
from core.model import Alarm, Invite, Role, SignalKind, Worker
from core.ports import Dialogue, Kept, Records
from tests.kit.faults import everything
from tests.kit.world import ACME, World

DAY = timedelta(days=1)
SPENT = {
    Kept.INBOX: "inbox",
    Kept.OUTBOX: "outbox",
    Kept.DIALOGUES: "dialogues",
    Kept.DELIVERIES: "deliveries",
    Kept.REMINDERS: "reminders",
    Kept.INVITES: "invites",
    Kept.RATES: "rate_hits",
    Kept.SIGNALS: "signals",
    Kept.ALARMS: "alarms",
    Kept.WORKERS: "workers",
}


def keeper(world: World, **settings: timedelta) -> Keeper:
    retention = RetentionSettings(**settings)
    logging = LoggingSettings(folder=world.folder)
    return Keeper(Settings(retention=retention, logging=logging), uow=world.db.writer, now=world.clock.now)


def alarm(name: str, *, now: datetime, cleared: datetime | None) -> Alarm:
    return Alarm(
        id=AlarmId(name),
        tenant_id=ACME,
        kind="test",
        subject=name,
        detail="",
        since=now,
        last_at=now,
        count=1,
        told_at=None,
        cleared_at=cleared,
    )


def piled(records: Records, world: World) -> None:
    """One of each kind that time makes useless, and of each one that stays."""
    now = world.clock.now()
    records.inbox.store(7, [(1, "{}"), (2, "{}")], now=now)
    records.inbox.done(7, 1, now=now)
    row = records.outbox.first(records.outbox.chats()[0])
    assert row is not None
    records.outbox.done(row, now=now)
    dialogue = Dialogue(chat=1, person_id=PersonId("ann"), tenant_id=ACME, kind="k", state={}, at=now)
    records.dialogues.put(dialogue)
    for code, expires in (("old", DAY), ("open", 300 * DAY)):
        records.invites.add(
            Invite(
                code_hash=code,
                tenant_id=ACME,
                role=Role.MEMBER,
                created_by="dan",
                created_at=now,
                expires_at=now + expires,
            )
        )
    records.rates.hit("user:ann", now=now, since=now)
    account = world.conversation().account_id
    for subject in ("one", "newest"):
        records.signals.add(
            SignalKind.ACTION_EXECUTED, tenant_id=ACME, account_id=account, subject=subject, now=now
        )
    records.alarms.put(alarm("cleared", now=now, cleared=now))
    records.alarms.put(alarm("live", now=now, cleared=None))
    records.workers.beat(Worker(name="w", started_at=now, beat_at=now, running=0, stopped_at=now))


async def test_what_is_of_no_use_any_more_goes_and_the_rest_stays(world: World) -> None:
    done = await world.execute(await world.approved("high_once"))
    waits = await world.propose("high_once")
    for call_id in (done.call_id, waits.id):
        await world.unit(
            lambda records: records.cards.delivered(call_id, PersonId("dan"), "d", now=world.clock.now())  # noqa: B023
        )
    await world.unit(lambda records: piled(records, world))
    due = world.sql("SELECT call_id, revision, kind FROM reminders LIMIT 1")[0]
    await world.unit(lambda records: records.reminders.done(*due, now=world.clock.now()))
    before = everything(world.place)
    world.clock.advance(hours=24 * 29)
    await keeper(world).tidy()
    assert everything(world.place) == before, "nothing is old enough"
    world.clock.advance(hours=24 * 70)
    await keeper(world).tidy()
    after = everything(world.place)
    gone = {name for name in before if len(after[name]) < len(before[name])}
    assert gone == set(SPENT.values())
    left = {name: len(after[name]) for name in ("inbox", "dialogues", "deliveries", "invites", "signals")}
    assert left == {"inbox": 1, "dialogues": 0, "deliveries": 1, "invites": 1, "signals": 1}
    assert world.sql("SELECT call_id FROM deliveries") == [(waits.id,)]
    assert world.sql("SELECT subject FROM signals") == [("newest",)]
    assert world.sql("SELECT subject FROM alarms") == [("live",)]
    for name in ("audit_events", "tool_calls", "outcomes", "approvals", "attempts"):
        assert after[name] == before[name]


async def test_zero_keeps_everything(world: World) -> None:
    await world.propose("high_once")
    await world.unit(lambda records: piled(records, world))
    before = everything(world.place)
    world.clock.advance(hours=24 * 1000)
    zero = timedelta(0)
    await keeper(world, traffic=zero, signals=zero, alarms=zero).tidy()
    assert everything(world.place) == before


async def test_much_goes_in_small_transactions(sqlite_world: World) -> None:
    world = sqlite_world
    rows = [(number, "{}") for number in range(2 * LIMIT + 1)]

    def store(records: Records) -> None:
        records.inbox.store(7, rows, now=world.clock.now())
        for number, _ in rows:
            records.inbox.done(7, number, now=world.clock.now())

    await world.unit(store)
    world.clock.advance(hours=24 * 31)
    committed: list[str] = []
    world.db.writer._boundary = committed.append
    await keeper(world).tidy()
    assert world.sql("SELECT count(*) FROM inbox") == [(0,)]
    assert sum(place == "retention.before_commit" for place in committed) == 3 + len(Kept) - 1


async def test_logs_of_old_calls_go_where_that_is_wanted(sqlite_world: World) -> None:
    world = sqlite_world
    calls = world.folder / "calls"
    calls.mkdir()
    for name, age in (("old", 10 * DAY), ("new", DAY)):
        at = (world.clock.now() - age).timestamp()
        for end in ("", ".1", ".5"):
            (calls / f"{name}.jsonl{end}").write_text("{}")
            os.utime(calls / f"{name}.jsonl{end}", (at, at))
    await keeper(world).tidy()
    assert len(list(calls.iterdir())) == 6
    await keeper(world, files=5 * DAY).tidy()
    left = sorted(path.name for path in Path(calls).iterdir())
    assert left == ["new.jsonl", "new.jsonl.1", "new.jsonl.5"]
