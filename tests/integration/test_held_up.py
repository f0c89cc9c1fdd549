"""The executor while the database is held up: it begins, stops, writes and lets go as if it had not been."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from bot.clock import SystemClock
from bot.workers.executor import Executor
from core.errors import StorageUnavailable, ToolError
from core.lifecycle import Status
from core.model import ToolCall
from core.ports import Waiting
from core.tool import Retry, ToolContext, ToolResult
from tests.integration.test_executor import Gate, ended, working
from tests.integration.test_resting import resting, rests
from tests.kit.clock import FakeClock
from tests.kit.switching import paused, resumed
from tests.kit.tools import Note, tool
from tests.kit.world import World, principal


class HeldUp:
    """The writer in the middle of a unit, until it goes on: all units after it wait."""

    def __init__(self, world: World) -> None:
        self._there, self._over = threading.Event(), threading.Event()
        self._unit = asyncio.ensure_future(world.unit(self._wait))

    def _wait(self, _records: object) -> None:
        self._there.set()
        assert self._over.wait(60)

    async def there(self) -> HeldUp:
        """Returns once the writer has come to it."""
        assert await asyncio.to_thread(self._there.wait, 30)
        return self

    async def goes_on(self) -> None:
        """Ends it, and returns once it is committed."""
        self._over.set()
        await self._unit

    async def goes_on_until(self, other: HeldUp) -> None:
        """What waited up to this other one is done, and not committed."""
        self._over.set()
        await other.there()


async def queued(world: World, units: int) -> None:
    """Returns once so many units wait for the writer."""
    await looked(lambda: world.db.writer._queue.qsize() >= units)


async def looked(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not ready():  # noqa: ASYNC110 - of queues nobody is told
            await asyncio.sleep(0)


class ToldClock(SystemClock):
    """Real time, too, moves when told."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(lambda: clock.now().timestamp())
        self.real = clock.real  # type: ignore[method-assign]


def by_hand(world: World) -> None:
    """Nothing is begun before it is offered here."""
    world.db.writer._listeners["pending"].clear()


def place(call: ToolCall) -> Waiting:
    return Waiting(call.id, call.tenant_id, call.requester_id, call.tool)


@pytest.mark.parametrize("asked", [False, True])
async def test_what_began_while_the_database_was_held_up_has_a_whole_lease(world: World, asked: bool) -> None:
    gate = Gate()
    async with working(world, tool("lasts", run=gate), clock=ToldClock(world.clock)) as executor:
        by_hand(world)
        executor.offer(place(first := await world.propose("lasts")))
        await gate.until(1)
        call = await world.propose("lasts")
        holding = await HeldUp(world).there()
        recovering = asyncio.ensure_future(executor.recover())
        await looked(lambda: recovering.done() or world.db.writer._queue.qsize() > 0)
        starting = asyncio.ensure_future(_begin(executor, call, asked=asked))
        await queued(world, 1)
        world.clock.advance(60)
        await holding.goes_on()
        await asyncio.gather(recovering, starting)
        await gate.until(2)
        (attempt,) = (await world.view(call)).attempts
        assert attempt.lease_until == world.clock.real() + world.env.limits.lease
        world.clock.advance(60)
        await executor.recover()
        assert [(await world.call(each)).status for each in (first, call)] == [Status.RUNNING] * 2
        gate.open.set()
        await ended(world, first, call)
    assert (await world.call(call)).status is Status.COMPLETED


async def _begin(executor: Executor, call: ToolCall, *, asked: bool) -> None:
    if asked:
        await executor.execute(call.id, principal("ann"), wait=False)
    else:
        executor.offer(place(call))


async def test_what_somebody_asks_for_is_in_hand_before_it_has_begun(world: World) -> None:
    gate = Gate()
    async with working(world, tool("lasts", run=gate), clock=ToldClock(world.clock)) as executor:
        by_hand(world)
        executor.offer(place(await world.propose("lasts")))
        await gate.until(1)
        call = await world.propose("lasts")
        holding = await HeldUp(world).there()
        executing = asyncio.ensure_future(executor.execute(call.id, principal("ann")))
        await queued(world, 1)
        commit = HeldUp(world)
        world.clock.advance(60)
        recovering = asyncio.ensure_future(executor.recover())
        await queued(world, 3)
        await holding.goes_on_until(commit)
        world.clock.advance(60)
        await commit.goes_on()
        await recovering
        assert (await world.call(call)).status is Status.RUNNING
        gate.open.set()
        await executing
    assert (await world.call(call)).status is Status.COMPLETED


async def test_nothing_is_begun_by_a_worker_that_stops_while_the_database_is_held_up(world: World) -> None:
    gate = Gate()
    async with working(world, tool("lasts", run=gate)) as executor:
        by_hand(world)
        call, other = await world.propose("lasts"), await world.propose("lasts")
        holding = await HeldUp(world).there()
        executing = asyncio.ensure_future(executor.execute(call.id, principal("ann"), wait=False))
        executor.offer(place(other))
        await queued(world, 2)
        draining = asyncio.ensure_future(executor.drain(30.0))
        await looked(lambda: executor._stopping)
        await holding.goes_on()
        await draining
        with pytest.raises(StorageUnavailable, match="nothing was begun"):
            await executing
    assert not gate.begun
    for each in (call, other):
        assert (await world.call(each)).status is Status.PENDING


async def test_what_was_begun_before_the_end_is_waited_for(world: World) -> None:
    gate = Gate()
    async with working(world, tool("lasts", run=gate)) as executor:
        by_hand(world)
        call = await world.propose("lasts")
        holding = await HeldUp(world).there()
        executing = asyncio.ensure_future(executor.execute(call.id, principal("ann"), wait=False))
        await queued(world, 1)
        commit = HeldUp(world)
        await queued(world, 2)
        await holding.goes_on_until(commit)
        draining = asyncio.ensure_future(executor.drain(30.0))
        await looked(lambda: executor._stopping)
        await commit.goes_on()
        await executing
        await gate.until(1)
        assert not draining.done()
        gate.open.set()
        await draining
    assert (await world.call(call)).status is Status.COMPLETED


@pytest.mark.parametrize("queues", [False, True])
async def test_what_waits_to_be_tried_again_is_stopped_though_all_slots_are_taken(
    world: World, queues: bool
) -> None:
    gate, first = Gate(), asyncio.Event()

    async def busy(_arguments: Note, _context: ToolContext) -> ToolResult:
        await first.wait()
        raise ToolError("busy", transient=True, retry_after_s=0.0 if queues else 3600.0)

    late = tool("busy", run=busy, idempotent=True, retry=Retry(attempts=3, within_s=7200.0))
    async with working(world, late, tool("lasts", run=gate), concurrency=1) as executor:
        call, long = await world.propose("busy"), await world.propose("lasts", by="bob")
        first.set()
        await gate.until(1)
        await looked(lambda: len(executor._turns) == queues)
        await world.cancel(call)
        await ended(world, call)
        assert (await world.call(long)).status is Status.RUNNING
        gate.open.set()
        await ended(world, long)
        other = await world.propose("low_once")
        await ended(world, other)
        await looked(lambda: executor._turns._queue._taken == 0)
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (outcome.status, outcome.error) == (Status.CANCELLED, "Stopped by Ann.")


async def test_what_is_let_go_while_it_is_refused_is_tried_at_once(world: World) -> None:
    async with working(world) as executor:
        await paused(world, until=world.clock.now() + timedelta(hours=20))
        by_hand(world)
        call = await world.propose("low_once")
        holding = await HeldUp(world).there()
        executor.offer(place(call))
        await queued(world, 1)
        resuming = asyncio.ensure_future(resumed(world))
        await queued(world, 2)
        await holding.goes_on()
        await resuming
        await ended(world, call)
    assert "refused" in {event.kind for event in world.chain()}
    assert (await world.call(call)).status is Status.COMPLETED


async def test_what_is_held_over_a_retry_does_not_rest_where_it_was_let_go_meanwhile(world: World) -> None:
    async with working(world, rests(), backoff=lambda started: 3600.0) as executor:
        call = await resting(world)
        hand = executor._hands[call.id]
        held = replace(await world.started(await world.propose("low_once")), wait_s=3600.0, held=True)
        executor.released(None)
        async with asyncio.timeout(10):
            await hand.rest(held)
        assert len((await world.view(call)).attempts) == 2
        assert (await world.call(call)).status is Status.RUNNING


class Spends:
    """A tool's run that writes an expense when told."""

    def __init__(self) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, _arguments: Note, context: ToolContext) -> ToolResult:
        self.begun.set()
        await self.go.wait()
        await context.store.write(
            lambda records: records.expenses.add(
                tenant_id=context.tenant_id,
                account_id=context.account_id,
                call_id=context.call_id,
                amount="1",
                currency="EUR",
                description="tea",
                category="",
                spent_on=context.now.date(),
                created_by=context.person_id,
                now=context.now,
            )
        )
        return ToolResult(text="spent")


async def spent(world: World, call: ToolCall) -> bool:
    return await world.read(lambda records: records.expenses.of_call(call.id)) is not None


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.TIMED_OUT])
async def test_what_a_tool_had_not_begun_to_write_is_not_written_once_it_was_stopped(
    world: World, status: Status
) -> None:
    spends, late = Spends(), status is Status.TIMED_OUT
    async with working(world, tool("spends", run=spends, timeout_s=0.5 if late else 30.0)) as executor:
        call = await world.propose("spends")
        await spends.begun.wait()
        holding = await HeldUp(world).there()
        spends.go.set()
        await queued(world, 1)
        if not late:
            executor.stop(call.id)
        await queued(world, 2)
        await holding.goes_on()
        await ended(world, call)
    assert (await world.call(call)).status is status
    assert not await spent(world, call)


async def test_who_is_stopped_while_it_writes_is_told_as_interrupted(world: World) -> None:
    spends = Spends()
    async with working(world, tool("spends", run=spends)) as executor:
        executor._runner._grace_s = 30.0
        call = await world.propose("spends")
        await spends.begun.wait()
        holding = await HeldUp(world).there()
        spends.go.set()
        await queued(world, 1)
        commit = HeldUp(world)
        await queued(world, 2)
        await holding.goes_on_until(commit)
        executor.stop(call.id)
        await queued(world, 1)
        await commit.goes_on()
        await ended(world, call)
    left = await world.call(call)
    assert left.status is Status.INTERRUPTED
    assert "may be there" in left.note
    assert await spent(world, call)
