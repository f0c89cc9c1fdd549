"""Adapters that are cut off: guard 15, probes, fallbacks, safe mode."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.adapters import Adapter, Adapters
from core.engine import Started
from core.engine.breakers import is_overdue, observe, watch
from core.lifecycle import Status
from core.model import Breaker, BreakerState, Outcome
from core.ports import Records
from tests.integration.remote import BUSY, MAIL, NO, SPARE, Remote
from tests.kit.world import World, code_of, refusal_of


async def state(remote: Remote, name: str = MAIL) -> Breaker:
    """The breaker, which must be there."""
    found = await remote.breaker(name)
    assert found is not None
    return found


async def test_a_healthy_adapter_has_no_row_and_its_call_says_what_carried_it(world: World) -> None:
    remote = Remote(world)
    outcome = await remote.through(await world.propose("send"))
    assert await remote.breaker() is None
    assert remote.news == []
    (attempt,) = (await world.view(await world.call(outcome.call_id))).attempts
    assert attempt.adapter == MAIL
    assert world.env.adapters.clean(MAIL)


async def test_failures_in_a_row_cut_it_off_and_the_call_stays_pending(world: World) -> None:
    remote = Remote(world)
    await remote.cut_off()
    assert remote.states == ["open"]
    call = await world.propose("send_once")
    refusal = refusal_of(await world.start(call)).refusal
    assert (refusal.code, refusal.http_status, refusal.retry_after_s) == ("adapter_unavailable", 503, 30.0)
    assert refusal.details["adapter"] == MAIL
    assert (await world.call(call)).status is Status.PENDING
    assert world.ledger.effects[call.id] == 0


async def test_it_outlives_the_process(world: World) -> None:
    remote = Remote(world)
    await remote.cut_off()
    remote.restart()
    assert code_of(await world.start(await world.propose("send_once"))) == "adapter_unavailable"


@pytest.mark.parametrize("says", [NO, None])
async def test_a_plain_no_and_a_success_count_as_an_answer(
    sqlite_world: World, says: Exception | None
) -> None:
    """Two failures, an answer, two failures: never three in a row."""
    remote = Remote(sqlite_world)
    for error in (BUSY, BUSY, says, BUSY, BUSY):
        remote.errors = [error] if error is not None else []
        await remote.through(await sqlite_world.propose("send_once"))
    assert (await state(remote)).state is BreakerState.CLOSED
    assert (await state(remote)).failures == 2


async def test_our_own_process_is_never_cut_off(sqlite_world: World) -> None:
    remote = Remote(sqlite_world, failures=1)
    for _ in range(2):
        await sqlite_world.execute(await sqlite_world.propose("slow"))
    assert await sqlite_world.read(lambda records: records.breakers.all()) == []
    assert remote.news == []


async def test_one_probe_goes_through_and_lets_the_others_follow(world: World) -> None:
    remote = Remote(world)
    await remote.cut_off()
    first, second = await world.propose("send_once"), await world.propose("send_once")
    world.clock.advance(30)
    probe = await world.started(first)
    assert code_of(await world.start(second)) == "adapter_unavailable"
    assert (await state(remote)).probe == first.id
    assert isinstance(await remote.attempt(probe), Outcome)
    assert remote.states == ["open", "half_open", "closed"]
    assert isinstance(await world.start(second), Started)


async def test_a_probe_that_fails_keeps_it_shut_for_twice_as_long(world: World) -> None:
    remote = Remote(world)
    await remote.cut_off()
    world.clock.advance(30)
    remote.errors = [BUSY]
    await remote.through(await world.propose("send_once"))
    refusal = refusal_of(await world.start(await world.propose("send_once"))).refusal
    assert refusal.retry_after_s == 60.0


async def test_a_probe_that_says_nothing_lets_another_be_one(sqlite_world: World) -> None:
    """It was cancelled; or it never ended."""
    remote = Remote(sqlite_world)
    await remote.cut_off()
    sqlite_world.clock.advance(30)
    probe = await sqlite_world.started(await sqlite_world.propose("send_once"))
    stopped = replace(await sqlite_world.run(probe), status=Status.CANCELLED, healthy=None)
    await sqlite_world.finish(probe, stopped)
    assert isinstance(await sqlite_world.start(await sqlite_world.propose("send_once")), Started)
    third = await sqlite_world.propose("send_once")
    assert code_of(await sqlite_world.start(third)) == "adapter_unavailable"
    sqlite_world.clock.advance(51)  # the tool's 30 seconds and what is granted beyond
    assert isinstance(await sqlite_world.start(third), Started)


async def test_changes_are_in_the_audit(sqlite_world: World) -> None:
    remote = Remote(sqlite_world)
    await remote.cut_off()
    await sqlite_world.start(await sqlite_world.propose("send_once"))
    sqlite_world.clock.advance(30)
    await remote.through(await sqlite_world.propose("send_once"))
    kinds = [event.kind for event in sqlite_world.chain("_system") if event.kind.startswith("breaker.")]
    assert kinds == ["breaker.open", "breaker.safe_mode", "breaker.half_open", "breaker.closed"]


async def test_a_fallback_carries_what_its_own_adapter_cannot(world: World) -> None:
    remote = Remote(world)
    await remote.cut_off()
    call = await world.propose("send_over")
    outcome = await remote.through(call)
    assert outcome.formatted == "sent over the spare"
    assert world.ledger.lines[-1] == f"instead {call.id} 1"
    assert [each.adapter for each in (await world.view(call)).attempts] == [SPARE]
    told = {event.kind: event.content for event in world.chain() if event.call_id == call.id}
    assert f'"adapter":"{SPARE}"' in told["call.running"]
    assert f'"adapter":"{SPARE}"' in told["call.completed"]


async def test_the_next_attempt_goes_over_the_fallback_once_its_own_is_cut_off(world: World) -> None:
    remote = Remote(world, failures=2)
    remote.errors = [BUSY, BUSY, BUSY]
    outcome = await remote.through(await world.propose("send_over"))
    attempts = (await world.view(await world.call(outcome.call_id))).attempts
    assert [each.adapter for each in attempts] == [MAIL, MAIL, SPARE]
    assert outcome.status is Status.COMPLETED


async def test_people_consent_to_the_fallback(sqlite_world: World) -> None:
    Remote(sqlite_world)
    own, over = sqlite_world.registry.get("send"), sqlite_world.registry.get("send_over")
    assert replace(over, name="send", fallback=None).definition_hash == own.definition_hash
    assert replace(over, name="send").definition_hash != own.definition_hash


async def test_a_call_that_runs_waits_for_its_adapter_beyond_its_caps(world: World) -> None:
    """What cuts it off may be a call's last attempt: then it queues rather than fails."""
    remote = Remote(world)
    remote.errors = [BUSY] * 4  # the third of three attempts cuts it off, the probe fails too
    call = await world.propose("send")
    outcome = await remote.through(call)
    assert (outcome.status, outcome.attempt_count) == (Status.COMPLETED, 5)
    assert remote.states == ["open", "half_open", "open", "half_open", "closed"]


async def test_nobody_waits_for_an_adapter_for_ever(sqlite_world: World) -> None:
    remote = Remote(sqlite_world)
    remote.errors = [BUSY] * 3
    at: Started | Outcome | None = await sqlite_world.started(await sqlite_world.propose("send"))
    while remote.errors:
        assert isinstance(at, Started)
        at = await remote.attempt(at)
    assert isinstance(at, Started)
    sqlite_world.clock.move_wall(hours=25)
    ended = await remote.begin(at)
    assert isinstance(ended, Outcome)
    assert ended.error == "mail did not come back in time."


async def test_a_call_that_fails_after_a_day_of_waiting_has_failed(sqlite_world: World) -> None:
    remote = Remote(sqlite_world)
    started = await sqlite_world.started(await sqlite_world.propose("send"))
    await remote.cut_off()
    remote.errors = [BUSY]
    sqlite_world.clock.move_wall(hours=25)
    ended = await remote.attempt(started)
    assert isinstance(ended, Outcome)
    assert ended.error == "The server is busy. mail did not come back in time."


async def test_what_waits_looks_again_while_it_is_cut_off(sqlite_world: World) -> None:
    remote = Remote(sqlite_world)
    remote.errors = [BUSY]
    first = await remote.attempt(await sqlite_world.started(await sqlite_world.propose("send")))
    assert isinstance(first, Started)
    await remote.cut_off()
    held = await remote.begin(first)
    assert isinstance(held, Started)
    assert (held.held, held.wait_s) == (True, 30.0)
    sqlite_world.clock.advance(16)
    (recovered,) = await sqlite_world.recover()
    assert (recovered.held, recovered.wait_s) == (True, 14.0), "nor does a new worker begin it sooner"
    assert sqlite_world.ledger.effects[first.call.id] == 1


async def test_an_undo_goes_over_no_fallback(sqlite_world: World) -> None:
    remote = Remote(sqlite_world)
    undoable = replace(
        sqlite_world.registry.get("send_over"), undo=sqlite_world.registry.get("undoable").undo
    )
    sqlite_world.registry._tools["send_over"] = undoable
    done = await sqlite_world.done("send_over")
    await remote.cut_off()
    answer = await sqlite_world.undo(done)
    assert code_of(await sqlite_world.start(answer.call)) == "adapter_unavailable"  # type: ignore[arg-type]


# --------------------------------------------------------------------------- safe mode and health checks


async def test_a_call_that_finds_it_cut_off_begins_safe_mode_and_admins_are_told_once(world: World) -> None:
    remote = Remote(world)
    await remote.cut_off()
    for _ in range(2):
        await world.start(await world.propose("send_once"))
    assert [one.after.safe_since is not None for one in remote.news] == [False, True]
    world.clock.advance(30)
    await remote.through(await world.propose("send_once"))
    assert (await state(remote)).safe_since is None


async def test_so_does_being_cut_off_for_long(sqlite_world: World) -> None:
    remote = Remote(sqlite_world)
    await remote.cut_off()
    await look_after(remote)
    assert (await state(remote)).safe_since is None
    sqlite_world.clock.advance(minutes=5)
    await look_after(remote)
    assert (await state(remote)).safe_since == sqlite_world.clock.real()
    told = len(remote.news)
    await look_after(remote)
    assert len(remote.news) == told


async def look_after(remote: Remote) -> None:
    world = remote.world
    names, overdue = await world.read(
        lambda records: is_overdue(records, real=world.clock.real(), env=world.env)
    )
    assert names == {MAIL}
    before = (await state(remote)).version
    await world.unit(lambda records: watch(records, now=world.clock.moment, env=world.env))
    assert ((await state(remote)).version != before) == overdue


async def test_a_good_check_is_a_probe_of_its_own_once_it_is_time(sqlite_world: World) -> None:
    remote = Remote(sqlite_world)
    await remote.cut_off()
    await checked(remote, works=True)
    assert (await state(remote)).state is BreakerState.OPEN
    sqlite_world.clock.advance(30)
    await checked(remote, works=True)
    assert (await state(remote)).state is BreakerState.CLOSED
    await checked(remote, works=True)
    assert sqlite_world.env.adapters.clean(MAIL)


async def checked(remote: Remote, *, works: bool) -> None:
    world = remote.world
    await world.unit(
        lambda records: observe(records, MAIL, ok=works, call=None, now=world.clock.moment, env=world.env)
    )


async def test_checks_that_fail_cut_it_off(sqlite_world: World) -> None:
    remote = Remote(sqlite_world)
    for _ in range(3):
        await checked(remote, works=False)
    assert code_of(await sqlite_world.start(await sqlite_world.propose("send_once"))) == "adapter_unavailable"


async def test_a_probe_lost_to_another_process_is_none(sqlite_world: World) -> None:
    """Where transactions were not one after the other: the update itself says who was first."""
    remote = Remote(sqlite_world)
    await remote.cut_off()
    before = await state(remote)
    faster = replace(before, version=before.version + 1)

    def work(records: Records) -> list[bool]:
        return [records.breakers.put(before, faster), records.breakers.put(before, faster)]

    assert await sqlite_world.unit(work) == [True, False]


def test_adapters_know_what_tools_name_and_what_can_be_asked() -> None:
    async def check() -> None: ...

    adapters = Adapters([Adapter(name="b", check=check), Adapter(name="a")])
    assert [one.name for one in adapters.checked()] == ["b"]
    assert adapters.names() == ["a", "b"]
