"""Who may make, see and change which schedules, and how many."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from core.engine.members import at_machine
from core.engine.schedules import MOST, Scheduled, Wanted, add, delete, listed, pause, resume
from core.ids import PersonId
from core.model import Principal, Schedule
from tests.integration.test_schedules import DAILY, Times
from tests.kit.world import ACME, UMBRELLA, World, code_of, principal


@pytest.fixture
def times(world: World) -> Times:
    return Times(world)


@pytest.mark.parametrize("verb", [pause, resume, delete])
async def test_only_the_requester_and_admins_may_change_one(times: Times, verb: Any) -> None:
    schedule = await times.add()
    for other in ("bob", "cat", "zoe"):
        assert code_of(await times.change(verb, schedule, other)) == "not_found"
    assert code_of(await times.change(verb, schedule, "eve")) == "not_a_member"
    elsewhere = replace(principal("ann"), account_ids=frozenset())
    assert code_of(await times.change(verb, schedule, elsewhere)) == "not_found"
    assert (await times.now(schedule)) == schedule
    assert times.kinds().count("refused") == 4
    for who in (principal("dan"), at_machine(ACME)):
        assert isinstance(await times.change(verb, schedule, who), Scheduled)


async def test_what_the_file_says_is_deleted_there_only(times: Times) -> None:
    schedule = await times.add(source="rent")
    assert code_of(await times.change(delete, schedule)) == "not_owner"
    assert isinstance(await times.change(pause, schedule), Scheduled)


async def test_who_sees_which(times: Times) -> None:
    own, group, umbrella = (
        await times.add(),
        await times.add(by="bob", where="group"),
        await times.add(by="zoe"),
    )

    async def seen(by: Principal, **more: Any) -> list[str]:
        found = await times.world.read(lambda records: listed(records, by=by, limit=9, **more))
        return [each.id for each in found]

    assert await seen(principal("ann")) == [own.id]
    assert await seen(principal("cat")) == []
    assert await seen(principal("dan")) == [own.id, group.id]
    assert await seen(principal("dan"), after=own.id) == [group.id]
    assert await seen(principal("dan"), here=group.conversation_id) == [group.id]
    assert await seen(principal("zoe")) == [umbrella.id]
    assert await seen(at_machine(ACME)) == [own.id, group.id]
    assert await seen(replace(principal("eve"), tenant=UMBRELLA)) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rule": "every monday"}, "invalid_input"),
        ({"rule": "at 2026-11-20T11:00"}, "invalid_input"),
        ({"tool": "nothing"}, "tool_not_found"),
        ({"by": "eve"}, "not_a_member"),
        ({"by": "gus", "where": "group"}, None),
    ],
)
async def test_what_cannot_be_scheduled_is_refused(
    times: Times, changes: dict[str, Any], code: str | None
) -> None:
    answer = await times.try_add(**changes)
    if code is None:
        assert isinstance(answer, Scheduled)
    else:
        assert code_of(answer) == code
        assert times.world.sql("SELECT count(*) FROM schedules") == [(0,)]


async def test_in_another_teams_place_nothing_is_scheduled(times: Times) -> None:
    wanted = Wanted(
        tool="low_once",
        arguments={"text": "tea"},
        conversation=times.world.conversation("zoe", UMBRELLA),
        rule=DAILY,
        timezone="UTC",
    )
    moment, env = times.world.clock.moment, times.world.env
    answer = await times.world.unit(
        lambda records: add(records, wanted, by=principal("ann"), now=moment, env=env)
    )
    assert code_of(answer) == "tenant_mismatch"


async def test_one_person_has_so_many_and_no_more(times: Times) -> None:
    first = await times.add()
    columns = [name for name in Schedule.__struct_fields__ if name not in ("id", "short_id")]
    for number in range(MOST - 1):
        times.world.place.rows(
            f"INSERT INTO schedules (id, short_id, {', '.join(columns)}) "
            f"SELECT ?, ?, {', '.join(columns)} FROM schedules WHERE id = ?",
            f"id-{number}",
            f"S{number}",
            first.id,
        )
    assert code_of(await times.try_add()) == "invalid_limit"
    assert isinstance(await times.try_add(by="bob"), Scheduled)
    assert await times.world.read(lambda records: records.schedules.live_of(ACME, PersonId("ann"))) == MOST
