"""Alarms as they are recorded: raised once, told hourly at most, over after a quiet time, seen by admins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from bot.telegram.alarms import Audience
from core.alarms import Facts, Finding, Kind, findings, judged
from core.engine import Refused
from core.engine.alarms import QUIET, acknowledge, watch
from core.model import Alarm, Principal
from core.ports import Records
from tests.kit.world import ACME, UMBRELLA, World, chat_of, code_of, principal

ALL = frozenset(Kind)
ADMIN_CHAT = -1009


def finding(world: World, kind: Kind = Kind.FAILURES, **changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "kind": kind,
        "detail": "5 calls",
        "since": world.clock.now(),
        "count": 5,
        "tenant_id": ACME,
    }
    return Finding(**(fields | changes))


async def look(
    world: World, *found: Finding, may_judge: frozenset[Kind] = ALL, chat: int | None = None
) -> list[str]:
    """One turn of the watch; what was told."""
    audience, now = Audience(home=ACME, chat=chat), world.clock.now()

    def work(records: Records) -> list[str]:
        made = watch(
            records,
            found,
            judged=may_judge,
            tell=lambda records, alarm, told: audience.tell(records, alarm, told, now=now),
            now=now,
            env=world.env,
        )
        return [change.told.value for change in made if change.told is not None]

    return await world.unit(work)


async def live(world: World) -> Sequence[Alarm]:
    return await world.read(lambda records: records.alarms.live())


async def seen(world: World, alarm: Alarm, by: Principal | str = "dan") -> Alarm | Refused:
    who = principal(by) if isinstance(by, str) else by
    return await world.unit(
        lambda records: acknowledge(
            records, by=who, name="Dan", alarm_id=alarm.id, now=world.clock.now(), env=world.env
        )
    )


def messages(world: World) -> list[tuple[int, str]]:
    """What waits to go out: to which chat, which text."""
    rows = world.sql("SELECT chat, payload FROM outbox WHERE kind = 'show' ORDER BY id")
    return [(chat, json.loads(payload)["html"]) for chat, payload in rows]


def audited(world: World, tenant: str = ACME) -> list[str]:
    return [event.kind for event in world.chain(tenant) if event.kind.startswith("alarm.")]


async def test_an_alarm_is_raised_lasts_and_is_over_after_a_quiet_minute(world: World) -> None:
    assert await look(world, finding(world)) == ["raised"]
    (alarm,) = await live(world)
    for _ in range(6):
        world.clock.advance(seconds=5)
        assert await look(world, finding(world, count=7)) == []
    (lasting,) = await live(world)
    assert (lasting.id, lasting.count, lasting.since) == (alarm.id, 7, alarm.since)
    world.clock.advance(seconds=30)
    assert await look(world) == [], "it may come again at once"
    world.clock.advance(seconds=QUIET.total_seconds())
    assert await look(world) == ["cleared"]
    assert not await live(world)
    assert audited(world) == ["alarm.raised", "alarm.cleared"]
    assert await look(world) == []


async def test_a_hundred_failures_are_one_message(world: World) -> None:
    for number in range(100):
        await look(world, finding(world, count=5 + number, detail=f"{5 + number} calls"))
        world.clock.advance(seconds=5)
    assert len(messages(world)) == 1
    assert messages(world)[0][0] == chat_of("dan")


async def test_it_is_told_again_each_hour_and_to_all_once_nobody_has_seen_it(world: World) -> None:
    told = []
    for minute in range(0, 240, 5):
        for what in await look(world, finding(world), chat=ADMIN_CHAT):
            told.append((minute, what))
        world.clock.advance(minutes=5)
    assert told == [(0, "raised"), (30, "escalated"), (90, "again"), (150, "again"), (210, "again")]
    chats = [chat for chat, _ in messages(world)]
    assert chats.count(ADMIN_CHAT) == 5
    assert chats.count(chat_of("dan")) == 1
    assert "Nobody has said" in messages(world)[1][1]


async def test_what_was_seen_is_told_no_more_until_it_is_over(world: World) -> None:
    await look(world, finding(world))
    (alarm,) = await live(world)
    after = await seen(world, alarm)
    assert isinstance(after, Alarm)
    assert after.seen_by == "Dan"
    assert await seen(world, alarm) == after, "twice is as once"
    for _ in range(20):
        world.clock.advance(minutes=10)
        assert await look(world, finding(world)) == []
    world.clock.advance(minutes=2)
    assert await look(world) == ["cleared"]
    assert audited(world) == ["alarm.raised", "alarm.seen", "alarm.cleared"]
    assert code_of(await seen(world, alarm)) == "not_found"


async def test_only_admins_of_its_team_may_say_that_they_saw_it(world: World) -> None:
    await look(world, finding(world), finding(world, Kind.DISK_FULL, tenant_id=None))
    ours, bots = sorted(await live(world), key=lambda alarm: alarm.kind, reverse=True)
    for by, code in (
        ("ann", "not_admin"),
        ("cat", "not_admin"),
        ("zoe", "not_found"),
        ("eve", "not_a_member"),
    ):
        assert code_of(await seen(world, ours, by)) == code
    world.env = replace(world.env, home=ACME)
    assert code_of(await seen(world, bots, "zoe")) == "not_found"
    assert isinstance(await seen(world, bots, "dan"), Alarm)
    assert [alarm.seen_by for alarm in await live(world) if alarm.id == ours.id] == [None]


async def test_a_teams_alarm_is_told_to_that_team_alone(world: World) -> None:
    await look(world, finding(world, tenant_id=UMBRELLA, detail="their tool"), chat=ADMIN_CHAT)
    assert [chat for chat, _ in messages(world)] == [chat_of("zoe")]
    assert audited(world, UMBRELLA) == ["alarm.raised"]
    assert audited(world, ACME) == []


async def test_what_cannot_be_judged_is_not_over(world: World) -> None:
    """After a restart nobody knows whether the audit holds until all of it was verified."""
    await look(world, finding(world, Kind.AUDIT_BREAK, tenant_id=None))
    world.clock.advance(hours=2)
    assert await look(world, may_judge=judged(Facts(now=world.clock.now(), real=world.clock.real()))) == []
    assert await look(world, may_judge=ALL) == ["cleared"]


async def test_what_can_not_be_told_is_not_raised(world: World) -> None:
    with world.place.forbidding("INSERT", "outbox"), pytest.raises(world.place.errors):
        await look(world, finding(world))
    assert not await live(world)
    assert not audited(world)


async def test_what_the_records_tell_raises_alarms(world: World) -> None:
    """From five calls that fail and one that takes too long to what is said of them."""
    for _ in range(5):
        await world.done("fails")
    await world.done("slow")

    def facts(records: Records) -> Facts:
        now = world.clock.now()
        return Facts(now=now, real=now, wrong=records.pulse.went_wrong(since=now - timedelta(minutes=5)))

    found = findings(await world.read(facts))
    assert {each.kind for each in found} == {Kind.FAILURES, Kind.TIMED_OUT}
    assert await look(world, *found) == ["raised", "raised"]
    assert "6 calls in 5 minutes: fails (5), slow." in messages(world)[0][1]
