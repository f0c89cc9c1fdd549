"""Idempotent calls that are tried again by themselves: when, how often, and what is recorded of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.engine import Started
from core.errors import ToolError
from core.lifecycle import Status
from core.model import Outcome
from tests.integration.remote import BUSY, MAIL, NO, RETRY, Remote
from tests.kit.tools import tool
from tests.kit.world import World, refusal_of


async def waiting(remote: Remote, name: str = "send") -> Started:
    """A call whose first attempt failed, and that waits for its second."""
    remote.errors = [BUSY]
    after = await remote.attempt(await remote.world.started(await remote.world.propose(name)))
    assert isinstance(after, Started)
    return after


async def test_transient_failures_are_tried_again_and_every_attempt_is_recorded(world: World) -> None:
    remote = Remote(world)
    remote.errors = [BUSY, ConnectionResetError("gone")]
    call = await world.propose("send")
    outcome = await remote.through(call)
    assert (outcome.status, outcome.attempt_count, outcome.formatted) == (Status.COMPLETED, 3, "sent")
    assert remote.keys == [call.id] * 3, "the same key each time"
    assert world.ledger.lines == [f"tried {call.id} {number}" for number in (1, 2, 3)]
    attempts = (await world.view(call)).attempts
    assert [(each.adapter, each.error, each.error_class) for each in attempts] == [
        (MAIL, "The server is busy.", "busy"),
        (MAIL, "gone", "ConnectionResetError"),
        (MAIL, None, None),
    ]
    again = ["call.attempt", "call.attempt_begun"]
    assert world.kinds(call)[-6:] == ["call.running", *again, *again, "call.completed"]


async def test_what_waits_stays_running_under_a_lease_and_is_not_begun(world: World) -> None:
    remote = Remote(world)
    started = await waiting(remote)
    view = await world.view(started.call)
    live = view.attempts[-1]
    assert (view.call.status, view.outcome) == (Status.RUNNING, None)
    assert (live.number, live.adapter, live.ended_at) == (2, None, None)
    assert live.lease_until > world.clock.real()
    assert world.ledger.effects[started.call.id] == 1


@pytest.mark.parametrize(
    ("name", "error"),
    [("send", NO), ("send", ValueError("a mistake")), ("send_once", BUSY), ("low_again", BUSY)],
)
async def test_anything_else_ends_at_once(sqlite_world: World, name: str, error: Exception) -> None:
    remote = Remote(sqlite_world)
    started = await sqlite_world.started(await sqlite_world.propose(name))
    remote.errors = [error]
    result = await sqlite_world.run(started)
    failed = replace(result, status=Status.FAILED, transient=error is BUSY, error=str(error))
    outcome = await remote.settle(started, failed)
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.error) == (Status.FAILED, str(error))


async def test_a_call_that_was_changed_or_asked_to_stop_is_not_tried_again(sqlite_world: World) -> None:
    remote, world = Remote(sqlite_world), sqlite_world
    failed = replace(await world.run(await world.started(await world.propose("fails"))), transient=True)
    changed = await world.started(await world.propose("send"))
    world.change(changed.call, "arguments", '{"text":"gold","amount":1}')
    assert isinstance(await remote.settle(changed, failed), Outcome)
    stopped = await world.started(await world.propose("send"))
    await world.unit(lambda records: records.attempts.ask_to_stop(stopped.call.id, by="Ann"))
    assert isinstance(await remote.settle(stopped, failed), Outcome)
    assert world.ledger.effects.total() == 0


async def test_it_ends_with_its_last_attempt_and_says_so(world: World) -> None:
    remote = Remote(world, failures=9)
    remote.errors = [BUSY] * RETRY.attempts
    outcome = await remote.through(await world.propose("send"))
    assert (outcome.status, outcome.error_class, outcome.attempt_count) == (Status.FAILED, "busy", 3)
    assert outcome.error == "The server is busy. That was its last attempt."
    assert world.ledger.effects[outcome.call_id] == RETRY.attempts


@pytest.mark.parametrize(("asks", "waits"), [(0.5, 1.0), (40.0, 40.0), (61.0, None)])
async def test_it_is_never_sooner_than_it_was_told(
    sqlite_world: World, asks: float, waits: float | None
) -> None:
    """1 s is the backoff, 60 s the time for all attempts: what would come too late is not tried."""
    remote = Remote(sqlite_world)
    remote.errors = [
        ToolError("Come later.", error_class="limit", transient=True, retry_after_s=asks),
    ]
    after = await remote.attempt(await sqlite_world.started(await sqlite_world.propose("send")))
    if waits is None:
        assert isinstance(after, Outcome)
        assert after.error is not None
        assert after.error.startswith("Come later. The next attempt would be too late")
    else:
        assert isinstance(after, Started)
        assert after.wait_s == waits


async def test_a_crash_in_the_wait_costs_the_call_nothing(world: World) -> None:
    remote = Remote(world)
    started = await waiting(remote)
    world.clock.advance(16)
    (recovered,) = await world.recover()
    assert await remote.begin(started) is None, "it is not the first worker's any more"
    outcome = await remote.attempt(recovered)
    assert isinstance(outcome, Outcome)
    assert outcome.status is Status.COMPLETED
    attempts = (await world.view(started.call)).attempts
    assert [each.error_class for each in attempts] == ["busy", "not_begun", None]
    assert world.ledger.effects[started.call.id] == 2


async def test_a_call_that_takes_worker_after_worker_with_it_waits_for_a_person(world: World) -> None:
    Remote(world)  # of three workers
    started = await world.started(await world.propose("send"))
    for _ in range(2):
        world.clock.advance(16)
        assert len(await world.recover()) == 1
    world.clock.advance(16)
    assert await world.recover() == []
    view = await world.view(started.call)
    assert view.call.status is Status.INTERRUPTED
    assert view.call.note == "The worker stopped while it ran, 3 times now."
    assert [each.error_class for each in view.attempts] == ["worker_lost", "worker_lost", None]


async def test_what_was_cancelled_meanwhile_is_not_begun(sqlite_world: World) -> None:
    remote = Remote(sqlite_world)
    started = await waiting(remote)
    stopped = replace(await sqlite_world.run(started), status=Status.CANCELLED)
    assert isinstance(await sqlite_world.finish(started, stopped), Outcome)
    assert await remote.begin(started) is None
    assert (await sqlite_world.call(started.call)).status is Status.CANCELLED


async def test_what_was_changed_while_it_waited_is_not_begun(sqlite_world: World) -> None:
    remote = Remote(sqlite_world)
    started = await waiting(remote)
    sqlite_world.change(started.call, "arguments", '{"text":"gold","amount":1}')
    outcome = await remote.begin(started)
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.error_class) == (Status.FAILED, "unavailable")
    assert sqlite_world.ledger.effects[started.call.id] == 1


async def test_an_attempt_is_begun_once(sqlite_world: World) -> None:
    remote = Remote(sqlite_world)
    started = await waiting(remote)
    assert isinstance(await remote.begin(started), Started)
    assert await remote.begin(started) is None
    assert sqlite_world.kinds(started.call).count("call.attempt_begun") == 1


async def test_a_tool_that_is_not_idempotent_cannot_be_tried_again(sqlite_world: World) -> None:
    with pytest.raises(ValueError, match="not idempotent"):
        sqlite_world.registry.register(tool("once", retry=RETRY))
    assert refusal_of(await sqlite_world.try_propose("once")).refusal.code == "tool_not_found"
