"""The executor: takes pending calls, has them run, writes what became of them. It knows no front door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from bot.clock import SystemClock
from bot.logs import call_context, get_logger
from bot.metrics import Metrics
from bot.workers.hand import NOT_PREPARED, STOPPED, Hand, Requester, context_of, resting
from bot.workers.heartbeat import Heartbeat
from bot.workers.queue import Slots
from bot.workers.toolstore import RecordsToolStore as RecordsToolStore  # noqa: PLC0414 - made by who builds us
from bot.workers.toolstore import patiently
from bot.workers.turns import Turns, all_waiting, stopping
from bot.workers.units import Begun, Tries, Units
from core.engine import Env, Refused, Started
from core.errors import Code, CorruptRecord, Refusal, StorageUnavailable
from core.ids import CallId
from core.live import Progress
from core.model import SYSTEM, Outcome, Principal
from core.ports import Reader, UnitOfWork, Waiting
from core.runner import ToolRunner
from core.tool import RunResult
from core.toolstore import ToolStore

log, resilience = get_logger(__name__), get_logger("resilience")

RENEW_EVERY_S: Final = 5.0
REFUSED_FOR_S: Final = 60.0
"""A call that was refused and still waits is not tried again before this, unless the refusal says when."""
SHOWN_AFTER_S: Final = 0.4
"""A call that runs for so long is shown as running."""
_HELD_CODES: Final = frozenset({Code.PAUSED, Code.RATE_LIMITED, Code.ADAPTER_UNAVAILABLE})
"""Refusals that concern more than the one call."""


class Executor:
    """Runs calls with bounded concurrency, fair between teams and people. `worker` names this process in
    leases; `sole` says that no other process works on this database, so that what others hold was left by
    the dead."""

    def __init__(
        self,
        *,
        uow: UnitOfWork,
        reader: Reader,
        runner: ToolRunner,
        store: ToolStore,
        env: Env,
        clock: SystemClock,
        worker: str,
        sole: bool,
        concurrency: int,
        per_tenant: int | None = None,
        per_tool: int | None = None,
        backoff: Callable[[Started], float] = lambda started: 0.0,
        on_progress: Callable[[CallId], None] = lambda call: None,
        metrics: Metrics | None = None,
        boundary: Callable[[str], None] = lambda place: None,
    ) -> None:
        self._reader = reader
        self._runner = runner
        self._store = store
        self._clock = clock
        self._worker = worker
        self._sole = sole
        slots = Slots(
            in_all=concurrency, per_tenant=per_tenant or concurrency, per_tool=per_tool or concurrency
        )
        self._turns = Turns(slots, begin=self._begin_turn)
        self._backoff = backoff
        self._on_progress = on_progress
        self._metrics = metrics or Metrics()
        self._boundary = boundary
        self._wake = asyncio.Event()
        self._stopping = False
        self._units = Units(
            uow=uow,
            env=env,
            clock=clock,
            worker=worker,
            in_hand=self._in_hand,
            stopping=lambda: self._stopping,
        )
        self._running: dict[CallId, asyncio.Task[None]] = {}
        self._hands: dict[CallId, Hand] = {}
        self._asked: dict[Waiting, asyncio.Task[object]] = {}
        self._refused: dict[CallId, float] = {}
        self.heart = Heartbeat(uow=uow, clock=clock, worker=worker, sole=sole, in_hand=self._in_hand)

    def released(self, _what: object = None) -> None:
        """What held calls back may be over: tries them again, those that rest between two tries too."""
        for hand in self._hands.values():
            hand.release()
        self._refused.clear()
        self._turns.let_go()
        self._wake.set()

    def offer(self, waiting: Waiting) -> None:
        """This call waits: takes it as soon as it is its turn."""
        if not self._stopping and waiting.call_id not in self._running:
            self._turns.offer(waiting)

    def stop(self, call_id: CallId) -> None:
        """Somebody asked this call to stop: tells it, if this worker has it in hand."""
        hand = self._hands.get(call_id)
        if hand is not None:
            hand.stop.ask()

    def progress_of(self, call_id: CallId) -> Progress | None:
        """The last progress that a running call reported."""
        hand = self._hands.get(call_id)
        return None if hand is None else hand.meter.progress

    @property
    def running(self) -> int:
        """How many calls this worker has in hand."""
        return len(self._running)

    def since(self) -> dict[CallId, datetime]:
        """When each call that this worker runs was begun, in real time: the run monitor."""
        return {call_id: hand.since for call_id, hand in self._hands.items()}

    async def execute(
        self, call_id: CallId, by: Principal, *, wait: bool = True, patience_s: float | None = None
    ) -> Started | Refused:
        """Runs this call for a person who asks for it, past all guards as them; by default answers once it
        has ended, with `patience_s` at the latest so long after its tool should have. Waits for its turn.

        Raises StorageUnavailable where nothing was begun, and CorruptRecord.
        """
        # Whoever asked may go away; a call that was begun is run to its end all the same.
        return await asyncio.shield(asyncio.ensure_future(self._execute_for(call_id, by, wait, patience_s)))

    async def _execute_for(
        self, call_id: CallId, by: Principal, wait: bool, patience_s: float | None
    ) -> Started | Refused:
        place = await self._reader.read(lambda records: records.calls.place(call_id))
        if place is None:
            return await self._refuse(call_id, by)
        turn = await self._turns.come(place._replace(person_id=by.person or place.person_id))
        begun = await self._begin_for(turn, by)
        if isinstance(begun, Refused):
            return begun
        started, task = begun
        if wait:
            tool = self._units.env.registry.get(started.call.tool)
            timeout = None if patience_s is None else tool.timeout_s + patience_s
            await asyncio.wait({task}, timeout=timeout)
        return started

    async def _begin_for(self, turn: Waiting, by: Principal) -> tuple[Started, asyncio.Task[None]] | Refused:
        """Begins a call that somebody asked for; from before its start until its end it is in hand."""
        task = None
        if (own := asyncio.current_task()) is not None:
            self._asked[turn] = own
        try:
            answer = await self._units.start(turn.call_id, by)
            if answer is None:
                raise stopping()
            if isinstance(answer, Refused):
                return answer
            task = self._spawn(turn, self._execute(turn, *answer))
        finally:
            self._asked.pop(turn, None)
            if task is None:
                self._turns.done(turn)
        return answer[0], task

    async def _refuse(self, call_id: CallId, by: Principal) -> Refused:
        """There is no such call: it takes no slot to be told so."""
        answer = await self._units.start(call_id, by)
        if answer is None:
            raise stopping()
        if isinstance(answer, Refused):
            return answer
        raise LookupError(f"call {call_id} came to be while it was looked for")

    async def idle(self) -> None:
        """Returns once nothing is in hand."""
        while tasks := self._tasks():
            await asyncio.wait(tasks)

    def _in_hand(self) -> Sequence[CallId]:
        """What this worker runs or begins, also for the writer's thread."""
        return [*self._running, *(turn.call_id for turn in list(self._asked))]

    def _tasks(self) -> Sequence[asyncio.Task[Any]]:
        return [*self._running.values(), *self._asked.values()]

    async def run_executor_loop(self) -> None:
        """Recovers what the dead left, then takes pending calls until cancelled."""
        await patiently(lambda: self.recover(sole=self._sole))
        while True:
            self._wake.clear()
            await patiently(self._take_all)
            try:
                await asyncio.wait_for(self._wake.wait(), REFUSED_FOR_S)
            except TimeoutError:
                continue

    async def recover(self, *, sole: bool = False) -> None:
        """Takes over what dead workers held: runs it again where that is safe, else asks a person."""
        lapsed = await self._reader.read(
            lambda records: records.attempts.lapsed(
                self._clock.real(), alive=self._worker if sole else None, limit=1
            )
        )
        if not lapsed:
            return
        for started, requester in await self._units.recover(sole=sole):
            self._resume(started, requester)

    async def beat(self) -> None:
        """Says that this worker lives, extends its leases, and hears which of its calls are to stop."""
        for call_id in await self.heart.beat(self._units.env.limits.lease):
            self.stop(call_id)

    async def drain(self, seconds: float) -> None:
        """Waits for what is in hand, so long. What does not end is found by the next start, and so is what
        was not begun: from now on nothing is."""
        self._stopping = True
        self._turns.close()
        for hand in self._hands.values():
            hand.wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.idle()
        for task in self._tasks():
            task.cancel()

    async def _take_all(self) -> None:
        """Offers all that waits in the records."""
        now = asyncio.get_running_loop().time()
        self._refused = {call: until for call, until in self._refused.items() if until > now}
        async for waiting in all_waiting(self._reader):
            if waiting.call_id not in self._refused:
                self.offer(waiting)

    def _begin_turn(self, waiting: Waiting) -> None:
        """It is this call's turn. What is in hand already was offered twice."""
        if self._stopping or waiting.call_id in self._running:
            self._turns.done(waiting)
            return
        self._spawn(waiting, self._take(waiting))

    def _resume(self, started: Started, requester: Requester) -> None:
        call = started.call
        waiting = Waiting(call.id, call.tenant_id, call.requester_id, call.tool)
        self._turns.take(waiting)
        self._spawn(waiting, self._execute(waiting, started, requester))

    def _spawn(self, turn: Waiting, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._running[turn.call_id] = task
        task.add_done_callback(lambda done: self._drop(turn, done))
        return task

    def _drop(self, turn: Waiting, done: asyncio.Task[None]) -> None:
        if self._running.get(turn.call_id) is done:
            del self._running[turn.call_id]
        self._turns.done(turn)

    async def _take(self, waiting: Waiting) -> None:
        releases, tries = self._turns.releases, Tries()
        answer = await patiently(lambda: self._start(waiting.call_id, tries))
        if isinstance(answer, Refused):
            log.info("a call was not started", call_id=waiting.call_id, code=answer.refusal.code.value)
            self._put_back(waiting, answer.refusal, releases)
        elif answer is not None:
            self._turns.started(waiting)
            await self._execute(waiting, *answer)

    def _put_back(self, waiting: Waiting, refusal: Refusal, releases: int) -> None:
        """What holds back more than this call holds back all like it; anything else is this call's own."""
        if refusal.code in _HELD_CODES:
            after = refusal.retry_after_s
            seconds = after or REFUSED_FOR_S
            self._turns.put_back(waiting, seconds=seconds, grows=after is None, since=releases)
        else:
            self._keep_off(waiting.call_id)

    def _keep_off(self, call_id: CallId) -> None:
        """A look at all that waits finds it again: not before a while."""
        self._refused[call_id] = asyncio.get_running_loop().time() + REFUSED_FOR_S

    async def _start(self, call_id: CallId, tries: Tries) -> Begun | Refused | None:
        """None: it stays pending, or was set aside."""
        if self._stopping:
            return None
        try:
            return await self._units.start(call_id, SYSTEM, tries)
        except CorruptRecord as corrupt:
            await self._units.set_aside(corrupt)
            self._keep_off(call_id)  # where it is not the call's own row, the call is found again
            return None

    async def _execute(self, waiting: Waiting, started: Started, requester: Requester) -> None:
        call = started.call
        hand = self._hands[call.id] = Hand(since=self._clock.real())
        at: Started | Outcome | None = started
        with call_context(call_id=call.id, tool=call.tool):
            try:
                while isinstance(at, Started):
                    at = await self._attempt(waiting, at, requester, hand)
                if at is not None:
                    self._metrics.call_ended(call, at)
            finally:
                if self._hands.get(call.id) is hand:
                    del self._hands[call.id]

    async def _attempt(
        self, waiting: Waiting, started: Started, requester: Requester, hand: Hand
    ) -> Started | Outcome | None:
        """One try at a call, and what follows from it: its end, or another try, which may have to wait."""
        if started.wait_s is not None:
            return await self._rest(waiting, started, hand)
        result = await self._run(started, requester, hand)
        return await self._written(started, result)

    async def _rest(self, waiting: Waiting, started: Started, hand: Hand) -> Started | Outcome | None:
        """Waits for the time of the next try without a slot. Told to stop, the call ends here; where the
        process ends, the next one goes on from here."""
        self._turns.done(waiting)
        try:
            hand.meter.set(0.0, resting(started))
            self._on_progress(started.call.id)
            await hand.rest(started)
            await self._turns.come(waiting, unless=hand.stop)
        except StorageUnavailable:
            self._turns.take(waiting)
            return None
        if hand.stop.requested:
            return await self._written(started, STOPPED)
        tries = Tries()
        return await patiently(lambda: self._units.begin(started, tries))

    async def _run(self, started: Started, requester: Requester, hand: Hand) -> RunResult:
        try:
            context = context_of(
                started,
                requester,
                hand,
                env=self._units.env,
                now=self._clock.now(),
                store=self._store,
                on_progress=self._on_progress,
            )
        except Exception:
            log.exception("a call could not be prepared")
            return NOT_PREPARED
        slow = asyncio.get_running_loop().call_later(SHOWN_AFTER_S, self._on_progress, started.call.id)
        try:
            self._boundary("tool.before")
            result = await self._runner.run(started, context)
            self._boundary("tool.after")
        finally:
            slow.cancel()
        return result

    async def _written(self, started: Started, result: RunResult) -> Started | Outcome | None:
        """Writes the result. Tried however long the database takes: the tool must not run again."""
        backoff_s, tries = self._backoff(started) if result.transient else 0.0, Tries()
        after = await patiently(lambda: self._units.settle(started, result, backoff_s=backoff_s, tries=tries))
        if isinstance(after, Started):
            self._metrics.attempt_retried(started.call.tool)
            resilience.info("a call is tried again", attempt=after.attempt.number, wait_s=after.wait_s)
            return after
        status = after.status.value if after else result.status.value
        log.info("a call ended", status=status, duration_ms=result.duration_ms, counted=bool(after))
        return after
