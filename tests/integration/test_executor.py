"""The executor over real records: what is stopped and known to be, who is next, what waits, that it lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from bot.clock import SystemClock
from bot.workers.executor import Executor, RecordsToolStore
from bot.workers.pausing import Pauses
from core.engine import Proposed, Refused, Started
from core.errors import StorageUnavailable
from core.ids import CallId
from core.lifecycle import Status
from core.model import SYSTEM, StartMode, ToolCall, Worker
from core.registry import ToolRegistry
from core.runner import ToolRunner
from core.tool import Tool, ToolContext, ToolResult
from tests.e2e.rounds import FULL
from tests.kit.switching import paused, resumed
from tests.kit.tools import Note, tool, wait_for_stop
from tests.kit.world import ACME, UMBRELLA, World, principal

RACES = 100 if FULL else 30


@asynccontextmanager
async def working(world: World, *tools: Tool, polite_s: float = 0.0, **more: Any) -> AsyncIterator[Executor]:
    """An executor that takes what waits in this world, which has these tools besides."""
    world.registry = ToolRegistry([*world.registry, *tools])
    world.__post_init__()
    clock = SystemClock(lambda: world.clock.now().timestamp())
    given: dict[str, Any] = {"concurrency": 4, "clock": clock} | more
    executor = Executor(
        uow=world.db.writer,
        reader=world.db.reader,
        runner=ToolRunner(world.registry, monotonic=lambda: 0.0, grace_s=0.05, polite_s=polite_s),
        store=RecordsToolStore(world.db.writer, world.db.reader),
        env=world.env,
        worker="w1",
        sole=True,
        **given,
    )
    world.db.writer.listen("pending", executor.offer)
    world.db.writer.listen("stop", executor.stop)
    pauses = Pauses(
        uow=world.db.writer,
        reader=world.db.reader,
        env=world.env,
        clock=clock,
        released=executor.released,
        waits=lambda _chat: None,
    )
    await pauses.look()
    world.db.writer.listen("switch", pauses.changed)
    try:
        yield executor
    finally:
        await executor.drain(1.0)


class Gate:
    """A tool's run that says when it has begun, and goes on when told."""

    def __init__(self) -> None:
        self.begun: list[CallId] = []
        self.open = asyncio.Event()
        self._came = asyncio.Condition()

    async def __call__(self, _arguments: Note, context: ToolContext) -> ToolResult:
        async with self._came:
            self.begun.append(context.call_id)
            self._came.notify_all()
        await self.open.wait()
        return ToolResult(text="through")

    async def until(self, calls: int) -> Sequence[CallId]:
        """Those that have begun, once there are so many."""
        async with asyncio.timeout(10), self._came:
            await self._came.wait_for(lambda: len(self.begun) >= calls)
        return self.begun


async def until(ready: Callable[[], Awaitable[bool]], world: World) -> None:
    """Returns once it is so, looking after every commit that is audited."""
    changed = asyncio.Event()
    world.db.writer.listen("audit", lambda _key: changed.set())
    async with asyncio.timeout(10):
        while not await ready():
            changed.clear()
            if not await ready():
                await changed.wait()


async def ended(world: World, *calls: ToolCall) -> None:
    async def all_ended() -> bool:
        found = [await world.call(call) for call in calls]
        return all(each.status not in {Status.PENDING, Status.RUNNING} for each in found)

    await until(all_ended, world)


async def test_a_running_call_is_stopped_and_keeps_what_it_had(world: World) -> None:
    gate = Gate()

    async def count(arguments: Note, context: ToolContext) -> ToolResult:
        context.partial("3 of 5", {"done": 3})
        return await gate(arguments, context)

    async with working(world, tool("count", run=count)):
        call = await world.propose("count")
        await gate.until(1)
        asked = await world.cancel(call, "dan")
        assert isinstance(asked, Proposed)
        assert (asked.call.status, asked.repeated) == (Status.RUNNING, False)
        again = await world.cancel(call)
        assert isinstance(again, Proposed)
        assert again.repeated
        await ended(world, call)
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (outcome.status, outcome.error, outcome.error_class) == (
        Status.CANCELLED,
        "Stopped by Dan.",
        "cancelled",
    )
    assert (outcome.formatted, outcome.result) == ("3 of 5", {"done": 3})
    assert world.kinds(call) == ["call.pending", "call.running", "call.stop_asked", "call.cancelled"]
    asking = next(event for event in world.chain() if event.kind == "call.stop_asked")
    assert asking.actor == "dan"


@pytest.mark.parametrize(
    ("who", "code"), [("bob", "not_found"), ("zoe", "not_found"), ("eve", "not_a_member")]
)
async def test_others_do_not_stop_it(world: World, who: str, code: str) -> None:
    gate = Gate()
    async with working(world, tool("count", run=gate)):
        call = await world.propose("count")
        await gate.until(1)
        refused = await world.cancel(call, who)
        assert isinstance(refused, Refused)
        assert refused.refusal.code.value == code
        gate.open.set()
        await ended(world, call)
    assert (await world.call(call)).status is Status.COMPLETED


async def test_a_tool_that_ends_by_itself_when_asked_is_not_cut_off(world: World) -> None:
    gate, seen = Gate(), []

    async def polite(arguments: Note, context: ToolContext) -> ToolResult:
        context.cancellation.on_asked(gate.open.set)
        await gate(arguments, context)
        seen.append(context.cancellation.requested)
        raise asyncio.CancelledError

    async with working(world, tool("polite", run=polite), polite_s=10.0):
        call = await world.propose("polite")
        await gate.until(1)
        await world.cancel(call)
        await ended(world, call)
    assert seen == [True]
    assert (await world.call(call)).status is Status.CANCELLED


async def test_a_tool_that_does_not_stop_is_interrupted_and_its_end_counts_for_nothing(world: World) -> None:
    gate, over = Gate(), asyncio.Event()

    async def stubborn(arguments: Note, context: ToolContext) -> ToolResult:
        await gate(arguments, context)
        return ToolResult()

    async def outlasts(arguments: Note, context: ToolContext) -> ToolResult:
        work = asyncio.ensure_future(stubborn(arguments, context))
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(work)
        world.ledger.write("did", context.call_id, context.attempt)
        over.set()
        return work.result()

    async with working(world, tool("outlasts", run=outlasts)):
        call = await world.propose("outlasts")
        await gate.until(1)
        await world.cancel(call)
        await ended(world, call)
        left = await world.call(call)
        assert left.status is Status.INTERRUPTED
        assert "did not stop" in left.note
        gate.open.set()
        await over.wait()
    assert (await world.call(call)).status is Status.INTERRUPTED
    assert await world.outcome(call) is None


async def test_asked_too_late_it_is_what_it_became(world: World) -> None:
    gate = Gate()
    async with working(world, tool("count", run=gate), polite_s=10.0):
        call = await world.propose("count")
        await gate.until(1)
        await world.cancel(call)
        gate.open.set()
        await ended(world, call)
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (outcome.status, outcome.formatted) == (Status.COMPLETED, "through")
    assert (await world.view(call)).attempts[-1].stop_by == "Ann"


async def test_stopping_races_the_end_and_there_is_one_outcome(sqlite_world: World) -> None:
    world = sqlite_world
    seen: set[Status] = set()
    for number in range(RACES):
        gate = Gate()
        async with working(world, tool(f"race{number}", run=gate)):
            call = await world.propose(f"race{number}")
            await gate.until(1)
            asking = asyncio.ensure_future(world.cancel(call))
            for _ in range(number % 7):
                await asyncio.sleep(0)
            gate.open.set()
            await asking
            await ended(world, call)
        status = (await world.call(call)).status
        outcome = await world.outcome(call)
        assert outcome is not None
        assert outcome.status is status
        kinds = world.kinds(call)
        assert [kinds.count(f"call.{end}") for end in ("completed", "cancelled")] in ([1, 0], [0, 1])
        seen.add(status)
    assert seen <= {Status.COMPLETED, Status.CANCELLED}
    print(f"cancel against finish: {RACES}/100 rounds, ends: {sorted(seen)}")


async def test_a_time_out_is_no_cancellation_and_keeps_what_it_had(world: World) -> None:
    async def slow(arguments: Note, context: ToolContext) -> ToolResult:
        context.partial("half of it")
        return await wait_for_stop(arguments, context)

    async with working(world, tool("slower", run=slow, timeout_s=0.01)):
        call = await world.propose("slower")
        await ended(world, call)
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (outcome.status, outcome.error_class, outcome.formatted) == (
        Status.TIMED_OUT,
        "timeout",
        "half of it",
    )


async def test_a_team_is_not_held_up_by_the_flood_of_another(sqlite_world: World) -> None:
    world, gate = sqlite_world, Gate()
    async with working(world, tool("slowly", run=gate), concurrency=2) as executor:
        flood = [await world.propose("slowly", by="ann") for _ in range(20)]
        flood += [await world.propose("slowly", by="ann") for _ in range(20)]
        theirs = await world.propose("slowly", by="zoe", where="zoe")
        other = await world.propose("slowly", by="bob")
        await gate.until(2)
        assert executor.running == 2
        gate.open.set()
        begun = list(await gate.until(42))
    assert begun.index(theirs.id) < 5
    assert begun.index(other.id) < 5
    assert theirs.tenant_id == UMBRELLA
    assert [each for each in begun if each in {call.id for call in flood}] == [call.id for call in flood]


async def test_what_is_held_is_not_tried_one_by_one_and_goes_on_in_order(sqlite_world: World) -> None:
    """Refusals are told by a guard that holds more than one call; here a switch."""
    world = sqlite_world
    await paused(world)
    async with working(world):
        calls = [await world.propose("low_once") for _ in range(30)]
        await until(lambda: _refused(world), world)
        tries = sum(event.kind == "refused" for event in world.chain())
        assert tries <= 4
        await resumed(world)
        await ended(world, *calls)
    assert [line.split()[1] for line in world.ledger.lines] == [call.id for call in calls]


async def _refused(world: World) -> bool:
    return any(event.kind == "refused" for event in world.chain())


async def test_it_says_that_it_lives_that_others_are_gone_and_that_it_has_stopped(world: World) -> None:
    gate = Gate()
    async with working(world, tool("count", run=gate)) as executor:
        long_ago = executor._clock.real() - timedelta(days=1)
        dead = Worker(name="w0", started_at=long_ago, beat_at=long_ago, running=3)
        forgotten = replace(dead, name="old", stopped_at=long_ago - timedelta(days=30))
        for each in (dead, forgotten):
            await world.unit(lambda records, each=each: records.workers.beat(each))  # type: ignore[misc]
        await executor.heart.begin()
        call = await world.propose("count")
        await gate.until(1)
        assert set(executor.since()) == {call.id}
        await executor.beat()
        workers = {each.name: each for each in await world.read(lambda records: records.workers.all())}
        assert set(workers) == {"w0", "w1"}
        assert workers["w0"].stopped_at is not None
        assert (workers["w1"].running, workers["w1"].stopped_at) == (1, None)
        gate.open.set()
        await ended(world, call)
        await executor.drain(1.0)
        await executor.heart.end()
    (last,) = [each for each in await world.read(lambda records: records.workers.all()) if each.name == "w1"]
    assert last.stopped_at is not None
    assert last.running == 0


async def test_what_another_process_asked_to_stop_is_heard_at_the_next_beat(world: World) -> None:
    gate = Gate()
    async with working(world, tool("count", run=gate)) as executor:
        world.db.writer._listeners["stop"].clear()
        call = await world.propose("count")
        await gate.until(1)
        await world.cancel(call)
        assert (await world.call(call)).status is Status.RUNNING
        await executor.beat()
        await ended(world, call)
    assert (await world.call(call)).status is Status.CANCELLED


async def test_a_person_gets_their_turn_too_and_is_told_what_does_not_exist(world: World) -> None:
    async with working(world, concurrency=1) as executor:
        nobody = await executor.execute(CallId("nope"), principal("ann"))
        assert isinstance(nobody, Refused)
        call = await world.approve(await world.propose("high_once", start_mode=StartMode.MANUAL))
        begun = await executor.execute(call.id, principal("ann"))
        assert isinstance(begun, Started)
        assert (await world.call(call)).status is Status.COMPLETED
        twice = await executor.execute(call.id, SYSTEM)
        assert isinstance(twice, Refused)
        await executor.drain(1.0)
        with pytest.raises(StorageUnavailable):
            await executor.execute(call.id, principal("ann"))
    assert world.ledger.effects[call.id] == 1
    assert call.tenant_id == ACME
