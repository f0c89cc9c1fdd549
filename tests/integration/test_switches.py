"""The kill switch in the engine: who may, what it stops, what it tells, and how it ends."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from core.engine import Proposed, Refused, Started, switches
from core.engine.held import viewed
from core.engine.members import at_machine
from core.engine.switches import (
    Paused,
    Resumed,
    end_over,
    is_everywhere,
    listed,
    pause,
    resume_one,
    running_under,
    stop_running,
)
from core.errors import Code
from core.ids import AccountId, SwitchId, TenantId
from core.lifecycle import Status
from core.model import CallView, Principal, Role, Switch, Target, ToolCall
from core.switches import SOMEBODY_ELSE
from tests.kit.databases import new_place
from tests.kit.switching import paused, resumed, stopped
from tests.kit.world import ACME, SOLO, UMBRELLA, World, chat_of, code_of, open_world, principal, refusal_of

HOUR = timedelta(hours=1)


async def live(world: World) -> list[Switch]:
    return list(await world.read(lambda records: records.switches.live(now=world.clock.now())))


async def seen(world: World, call: ToolCall) -> CallView:
    now = await world.call(call)
    return await world.read(lambda records: viewed(records, now, now=world.clock.now(), env=world.env))


def events(world: World, kind: str, tenant: str = ACME) -> list[dict[str, Any]]:
    return [json.loads(event.content) for event in world.chain(tenant) if event.kind == kind]


def told(world: World, chat: int) -> list[str]:
    """What the admins' messages that wait for a chat are of."""
    rows = world.sql("SELECT payload FROM outbox WHERE kind = 'switch' AND chat = ? ORDER BY id", chat)
    return [json.loads(row[0])["what"] for row in rows]


async def test_nothing_starts_while_paused_and_all_of_it_once_resumed(world: World) -> None:
    signed, asked = await world.approved(), await world.propose("high_once")
    until = world.clock.now() + HOUR
    await stopped(world, until=until)
    harmless = await world.propose("low_once")
    asked = await world.approve(asked)
    for call in (signed, asked, harmless):
        refused = refusal_of(await world.start(call)).refusal
        assert (refused.code, refused.http_status, refused.retry_after_s) == (Code.PAUSED, 503, 3600)
        assert refused.message.startswith("Paused by Dan: deploy freeze.")
        view = await seen(world, call)
        assert (view.call.status, view.held) == (Status.PENDING, "paused by Dan: deploy freeze")
        assert view.held_until == until
    assert not world.sql("SELECT * FROM attempts")
    assert code_of(await world.start(signed, principal("ann"))) == "paused"
    assert isinstance(answer := await resumed(world), Resumed)
    assert answer.waiting == 3
    for call in (signed, asked, harmless):
        assert (await seen(world, call)).held == ""
        await world.execute(call)
    assert set(world.ledger.effects.values()) == {1}


@pytest.mark.parametrize(
    ("target", "name", "held", "free"),
    [
        (Target.TOOL, "high_once", "high_once", "low_once"),
        (Target.ADAPTER, "python", "low_once", None),
    ],
)
async def test_a_tool_or_an_adapter_alone(
    world: World, target: Target, name: str, held: str, free: str | None
) -> None:
    await stopped(world, target=target, name=name)
    call = await (world.approved(held) if held == "high_once" else world.propose(held))
    assert code_of(await world.start(call)) == "paused"
    if free is not None:
        await world.execute(await world.propose(free))
    assert isinstance(await resumed(world, target=target, name=name), Resumed)
    await world.execute(call)


MACHINE = at_machine(ACME)


@pytest.mark.parametrize(
    ("by", "everywhere", "code"),
    [
        ("ann", False, "not_admin"),
        ("cat", False, "not_admin"),
        ("eve", False, "not_a_member"),
        (principal("dan", UMBRELLA), False, "not_a_member"),
        (principal("dan", TenantId("nowhere")), False, "tenant_unknown"),
        (principal("dan", person=None), False, "unauthenticated"),
        (principal("dan", roles=frozenset()), False, ""),  # the role is read anew, whatever the door says
        (principal("cat", roles=frozenset({Role.ADMIN})), False, "not_admin"),
        (
            principal("dan", account_ids=frozenset({AccountId("acme-account-ann")})),
            False,
            "account_forbidden",
        ),
        ("zoe", True, "not_admin"),
        ("ann", True, "not_admin"),
        ("dan", True, ""),
        (MACHINE, True, ""),
        (MACHINE, False, ""),
    ],
)
async def test_t05_who_may_pause_and_resume(
    world: World, by: Principal | str, everywhere: bool, code: str
) -> None:
    world.env = replace(world.env, home=ACME)
    answer = await paused(world, by, everywhere=everywhere)
    if code:
        assert code_of(answer) == code
        assert not await live(world)
        who = principal(by) if isinstance(by, str) else by
        chain = str(who.tenant) if who.tenant in {ACME, UMBRELLA} else "_system"
        assert events(world, "refused", chain)[-1]["code"] == code
        made = await stopped(world, everywhere=everywhere)
        assert code_of(await resumed(world, by, everywhere=everywhere)) == code
        assert [each.id for each in await live(world)] == [made.id]
    else:
        assert isinstance(answer, Paused)
        assert isinstance(await resumed(world, by, everywhere=everywhere), Resumed)
        assert not await live(world)


async def test_a_pause_of_one_team_is_no_other_teams_business(world: World) -> None:
    world.env = replace(world.env, home=ACME)
    theirs = await stopped(world, "zoe", reason="secret")
    call = await world.propose("low_once")
    await world.execute(call)
    own = await stopped(world)
    given: dict[str, Any] = {"by": principal("dan"), "now": world.clock.moment, "env": world.env}
    for verb in (resume_one, stop_running):
        act = partial(verb, switch_id=theirs.id, **given)
        assert code_of(await world.unit(act)) == "not_found"
    assert {each.id for each in await live(world)} == {own.id, theirs.id}
    assert isinstance(await resumed(world), Resumed)
    assert [each.id for each in await live(world)] == [theirs.id]
    assert code_of(await resumed(world)) == "not_found"
    for who, number in (("dan", 0), ("zoe", 1), ("eve", 0)):
        look = partial(listed, by=principal(who), now=world.clock.now(), env=world.env)
        assert len(await world.read(look)) == number
    assert not told(world, chat_of("dan"))


async def test_a_pause_of_all_teams_names_nobody_to_the_others(world: World) -> None:
    world.env = replace(world.env, home=ACME)
    switch = await stopped(world, everywhere=True)
    theirs = await world.propose("low_once", by="zoe")
    refused = refusal_of(await world.start(theirs)).refusal
    assert refused.code is Code.PAUSED
    assert "Dan" not in refused.message + str(refused.details)
    assert SOMEBODY_ELSE in (await seen(world, theirs)).held
    assert "Dan" in (await seen(world, await world.propose("low_once"))).held
    assert told(world, chat_of("zoe")) == told(world, chat_of("sol")) == ["paused"]
    assert told(world, chat_of("dan")) == []  # who did it knows
    given: dict[str, Any] = {"target": Target.EVERYTHING, "name": "", "now": world.clock.now()}
    for said in (True, False):  # only that is paused, so that is meant
        assert await world.read(partial(is_everywhere, tenant_id=ACME, everywhere=said, **given))
    await resumed(world, everywhere=True)
    assert told(world, chat_of("zoe")) == ["paused", "resumed"]
    assert (await live(world)) == []
    assert switch.tenant_id is None
    assert SOLO in {tenant for (tenant,) in world.sql("SELECT tenant_id FROM outbox WHERE kind = 'switch'")}


async def test_it_ends_by_itself_and_is_told(world: World) -> None:
    call = await world.propose("low_once")
    await stopped(world, until=world.clock.now() + HOUR)
    world.clock.move_wall(3599.999)
    assert not await world.unit(lambda r: end_over(r, now=world.clock.moment, env=world.env))
    assert code_of(await world.start(call)) == "paused"
    world.clock.move_wall(0.001)
    await world.execute(call)  # also before anybody has ended it
    (ended,) = await world.unit(lambda r: end_over(r, now=world.clock.moment, env=world.env))
    assert ended.switch.reason == "deploy freeze"
    assert told(world, chat_of("dan")) == ["ended"]
    assert not await world.unit(lambda r: end_over(r, now=world.clock.moment, env=world.env))
    assert [len(events(world, f"switch.{kind}")) for kind in ("paused", "ended", "resumed")] == [1, 1, 0]


async def test_pausing_again_replaces_and_the_same_again_changes_nothing(world: World) -> None:
    first = await stopped(world)
    again = await paused(world)
    assert isinstance(again, Paused)
    assert (again.repeated, again.switch.id) == (True, first.id)
    other = await stopped(world, reason="incident", until=world.clock.now() + HOUR)
    assert [each.id for each in await live(world)] == [other.id]
    assert [event["instead_of"] for event in events(world, "switch.paused")] == [None, first.id]
    world.clock.move_wall(7200)  # over, and not ended yet: out of the way all the same
    await stopped(world)
    assert len(await live(world)) == 1
    assert code_of(await resumed(world, target=Target.TOOL, name="nope")) == "not_found"


async def test_a_button_of_a_pause_that_is_over_resumes_nothing(world: World) -> None:
    """Also not what pauses just the same today."""
    first = await stopped(world)
    serious = await stopped(world, reason="second, serious")
    stale = await world.unit(
        lambda r: resume_one(
            r, by=principal("dan"), switch_id=first.id, now=world.clock.moment, env=world.env
        )
    )
    assert code_of(stale) == "not_found"
    assert [each.id for each in await live(world)] == [serious.id]


async def test_a_pause_holds_what_waits_behind_however_many_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switches, "_PAGE", 2)
    monkeypatch.setattr(switches, "_MOST_CARDS", 2)
    for _ in range(5):
        await world.propose("low_once")
    held = [await world.propose("low_again") for _ in range(3)]
    before = len(world.sql("SELECT * FROM outbox WHERE card_id IS NOT NULL"))
    answer = await paused(world, target=Target.TOOL, name="low_again")
    assert isinstance(answer, Paused)
    assert answer.waiting == len(held)
    after = world.sql("SELECT call_id FROM outbox o JOIN cards c ON c.id = o.card_id ORDER BY o.id")
    assert {row[0] for row in after[before:]} <= {each.id for each in held}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"reason": " \n "}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"target": Target.TOOL, "name": "nope"}, "tool"),
        ({"target": Target.ADAPTER, "name": "nope"}, "adapter"),
        ({"until": timedelta(0)}, "until"),
        ({"until": timedelta(days=367)}, "until"),
    ],
)
async def test_what_cannot_be_is_refused(world: World, wrong: dict[str, Any], field: str) -> None:
    given: dict[str, Any] = {
        name: world.clock.now() + value if isinstance(value, timedelta) else value
        for name, value in wrong.items()
    }
    refused = refusal_of(await paused(world, **given)).refusal
    assert (refused.code, refused.details["field"]) == (Code.INVALID_INPUT, field)
    assert not await live(world)


async def test_what_runs_goes_on_or_is_asked_to_stop(world: World) -> None:
    mine = await world.started(await world.propose("low_once"))
    other = await world.started(await world.propose("low_once"))
    theirs = await world.started(await world.propose("low_once", by="zoe"))
    switch = await stopped(world)
    running = await world.read(lambda records: running_under(records, switch, env=world.env))
    assert set(running) == {mine.call.id, other.call.id}
    assert not world.sql("SELECT * FROM attempts WHERE stop_by IS NOT NULL")
    answer = await world.unit(
        lambda r: stop_running(
            r, by=principal("dan"), switch_id=switch.id, now=world.clock.moment, env=world.env
        )
    )
    assert isinstance(answer, Paused)
    assert set(answer.stopping) == {mine.call.id, other.call.id}
    assert theirs.call.id not in answer.stopping
    asked = world.sql("SELECT call_id, stop_by FROM attempts WHERE stop_by IS NOT NULL")
    assert set(asked) == {(mine.call.id, "Dan"), (other.call.id, "Dan")}
    assert len(events(world, "switch.stopping")) == 1
    third = await world.unit(lambda r: r.switches.end(switch.id, by="x", now=world.clock.now()))
    assert third
    again = await paused(world, cancel_running=True)
    assert isinstance(again, Paused)
    assert again.stopping == ()  # they were asked before


async def test_cards_of_what_waits_are_brought_up_to_date_also_plain_lines(world: World) -> None:
    call = await world.propose("low_once")
    world.sql("UPDATE outbox SET done_at = 1 WHERE done_at IS NULL")
    await stopped(world)
    (row,) = world.sql(
        "SELECT c.call_id, c.line FROM outbox o JOIN cards c ON c.id = o.card_id WHERE done_at IS NULL"
    )
    assert (row[0], bool(row[1])) == (call.id, True)


async def test_nothing_starts_after_a_pause_was_committed(world: World) -> None:
    """A hundred starts race a pause: each one that was begun stood before it in the audit's order."""
    calls = [await world.propose("low_once") for _ in range(100)]
    starts = [world.start(call, worker=f"w{number}") for number, call in enumerate(calls)]
    racers: list[Any] = [*starts[:50], paused(world), *starts[50:]]
    answers = await asyncio.gather(*racers)
    begun = [answer for answer in answers if isinstance(answer, Started)]
    held = [answer for answer in answers if isinstance(answer, Refused)]
    assert {code_of(answer) for answer in held} == {"paused"}
    assert (len(begun), len(held)) == (50, 50)
    kinds = [event.kind for event in world.chain()]
    after = kinds[kinds.index("switch.paused") :]
    assert "call.running" not in after
    assert code_of(await world.start(held[0].call or calls[0])) == "paused"


async def test_a_pause_that_is_rolled_back_stops_nothing(world: World) -> None:
    call = await world.propose("low_once")

    def pauses_and_fails(records: Any) -> None:
        pause(
            records,
            by=principal("dan"),
            target=Target.EVERYTHING,
            name="",
            everywhere=False,
            reason="never",
            until=None,
            cancel_running=False,
            now=world.clock.moment,
            env=world.env,
        )
        assert len(records.switches.live(now=world.clock.now())) == 1
        raise ZeroDivisionError

    gate = threading.Event()  # until both wait, so that they are in one transaction
    before = asyncio.ensure_future(world.unit(lambda _: gate.wait(30)))
    await asyncio.sleep(0)
    both = asyncio.gather(world.unit(pauses_and_fails), world.start(call), return_exceptions=True)
    await asyncio.sleep(0)
    gate.set()
    await before
    failed, begun = await both
    assert isinstance(failed, ZeroDivisionError)
    assert isinstance(begun, Started)
    assert not await live(world)


async def test_it_survives_a_restart_and_another_process_sees_it(tmp_path: Any) -> None:
    place = new_place("sqlite", tmp_path)
    async with open_world(tmp_path, place=place) as world:
        call = await world.propose("low_once")
        switch = await stopped(world, until=world.clock.now() + HOUR)
    async with open_world(tmp_path, place=place) as again:
        assert await live(again) == [switch]
        assert code_of(await again.start(call)) == "paused"
        again.sql("UPDATE switches SET ended_at = 1")  # another process resumes
        assert isinstance(await again.start(call), Started)
    place.drop()


async def test_an_undo_waits_as_everything_does(world: World) -> None:
    call = await world.done("undoable")
    await stopped(world)
    undo = await world.undo(call)
    assert isinstance(undo, Proposed)
    assert code_of(await world.start(undo.call)) == "paused"


async def test_a_switch_that_is_not_there_has_no_row(world: World) -> None:
    assert await world.read(lambda records: records.switches.get(SwitchId("nope"))) is None
