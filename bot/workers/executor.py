"""The executor: takes pending calls, has them run, writes what became of them. It knows no front door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Final

from bot.clock import SystemClock
from bot.logs import call_context, get_logger
from bot.metrics import Metrics
from bot.workers.hand import NOT_PREPARED, STOPPED, Hand, Requester, context_of, requester_of, resting
from bot.workers.heartbeat import Heartbeat
from bot.workers.queue import Slots
from bot.workers.toolstore import RecordsToolStore as RecordsToolStore  # noqa: PLC0414 - made by who builds us
from bot.workers.toolstore import patiently
from bot.workers.turns import Turns, all_waiting
from core.engine import Env, Refused, Started, recover, start
from core.engine.readable import set_aside
from core.engine.retrying import begin, settle
from core.errors import Code, CorruptRecord, Refusal, StorageUnavailable
from core.ids import CallId
from core.live import Progress
from core.model import SYSTEM, Outcome, Principal
from core.ports import Reader, Records, UnitOfWork, Waiting
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

_Begun = tuple[Started, Requester]


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
        self._uow = uow
        self._reader = reader
        self._runner = runner
        self._store = store
        self._env = env
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
        self._running: dict[CallId, asyncio.Task[None]] = {}
        self._hands: dict[CallId, Hand] = {}
        self._held: dict[Waiting, Hand] = {}
        self._refused: dict[CallId, float] = {}
        self.heart = Heartbeat(
            uow=uow, clock=clock, worker=worker, sole=sole, in_hand=lambda: list(self._running)
        )

    def wake(self) -> None:
        """Calls may be waiting, and what held some back may be over: looks for them."""
        self._refused.clear()
        self._turns.let_go()
        self._wake.set()

    def released(self, _what: object) -> None:
        """Something that held calls back changed: tries them again."""
        for hand in self._held.values():
            hand.wake()
        self.wake()

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

    async def execute(self, call_id: CallId, by: Principal, *, wait: bool = True) -> Started | Refused:
        """Runs this call for a person who asks for it, past all guards as them; by default answers once it
        has ended. Waits for its turn first, as every call does.

        Raises StorageUnavailable where nothing was begun, and CorruptRecord.
        """
        # Whoever asked may go away; a call that was begun is run to its end all the same.
        return await asyncio.shield(asyncio.ensure_future(self._execute_for(call_id, by, wait=wait)))

    async def _execute_for(self, call_id: CallId, by: Principal, *, wait: bool) -> Started | Refused:
        place = await self._reader.read(lambda records: records.calls.place(call_id))
        if place is None:
            return await self._refuse(call_id, by)
        turn = await self._turns.come(place._replace(person_id=by.person or place.person_id))
        begun = None
        try:
            answer = await self._begin(call_id, by)
            if isinstance(answer, Refused):
                return answer
            begun = self._spawn(call_id, self._execute(turn, *answer))
            begun.add_done_callback(lambda _: self._turns.done(turn))
        finally:
            if begun is None:
                self._turns.done(turn)
        if wait:
            await asyncio.wait({begun})
        return answer[0]

    async def _refuse(self, call_id: CallId, by: Principal) -> Refused:
        """There is no such call: it takes no slot to be told so."""
        answer = await self._begin(call_id, by)
        if isinstance(answer, Refused):
            return answer
        raise LookupError(f"call {call_id} came to be while it was looked for")

    async def idle(self) -> None:
        """Returns once nothing is in hand."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

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
        # A database that was held up for longer than a lease must not make us our own heir.
        await self.renew()
        lapsed = await self._reader.read(
            lambda records: records.attempts.lapsed(
                self._clock.real(), alive=self._worker if sole else None, limit=1
            )
        )
        if not lapsed:
            return
        now = self._clock.both()

        def work(records: Records) -> list[_Begun]:
            restarted = recover(records, worker=self._worker, sole=sole, now=now, env=self._env)
            return [(started, requester_of(records, started)) for started in restarted]

        for started, requester in await self._uow.run("recover", work):
            self._resume(started, requester)

    async def renew(self) -> None:
        """Extends the leases of what this worker has in hand."""
        in_hand = list(self._running)
        if in_hand:
            until = self._clock.real() + self._env.limits.lease
            await self._uow.run(
                "renew", lambda records: records.attempts.renew(self._worker, in_hand, lease_until=until)
            )

    async def beat(self) -> None:
        """Says that this worker lives, extends its leases, and hears which of its calls are to stop."""
        for call_id in await self.heart.beat(self._env.limits.lease):
            self.stop(call_id)

    async def drain(self, seconds: float) -> None:
        """Waits for what is in hand, so long. What does not end is found by the next start, and so is what
        was not begun: from now on nothing is."""
        self._stopping = True
        self._turns.close()
        for hand in self._hands.values():
            hand.wake()
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=seconds)
        for task in self._running.values():
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
        task = self._spawn(waiting.call_id, self._take(waiting))
        task.add_done_callback(lambda _: self._turns.done(waiting))

    def _resume(self, started: Started, requester: Requester) -> None:
        call = started.call
        waiting = Waiting(call.id, call.tenant_id, call.requester_id, call.tool)
        self._turns.take(waiting)
        task = self._spawn(call.id, self._execute(waiting, started, requester))
        task.add_done_callback(lambda _: self._turns.done(waiting))

    def _spawn(self, call_id: CallId, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._running[call_id] = task
        task.add_done_callback(lambda done: self._drop(call_id, done))
        return task

    def _drop(self, call_id: CallId, done: asyncio.Task[None]) -> None:
        if self._running.get(call_id) is done:
            del self._running[call_id]

    async def _take(self, waiting: Waiting) -> None:
        answer = await patiently(lambda: self._start(waiting.call_id))
        if isinstance(answer, Refused):
            log.info("a call was not started", call_id=waiting.call_id, code=answer.refusal.code.value)
            self._put_back(waiting, answer.refusal)
        elif answer is not None:
            self._turns.started(waiting)
            await self._execute(waiting, *answer)

    def _put_back(self, waiting: Waiting, refusal: Refusal) -> None:
        """What holds back more than this call holds back all like it; anything else is this call's own."""
        if refusal.code in _HELD_CODES:
            after = refusal.retry_after_s
            self._turns.put_back(waiting, seconds=after or REFUSED_FOR_S, grows=after is None)
        else:
            self._keep_off(waiting.call_id)

    def _keep_off(self, call_id: CallId) -> None:
        """A look at all that waits finds it again: not before a while."""
        self._refused[call_id] = asyncio.get_running_loop().time() + REFUSED_FOR_S

    async def _start(self, call_id: CallId) -> _Begun | Refused | None:
        """None: it stays pending, or was set aside."""
        if self._stopping:
            return None
        try:
            return await self._begin(call_id, SYSTEM)
        except CorruptRecord as corrupt:
            await self._set_aside(corrupt)
            self._keep_off(call_id)  # where it is not the call's own row, the call is found again
            return None

    async def _begin(self, call_id: CallId, by: Principal) -> _Begun | Refused:
        now = self._clock.both()

        def work(records: Records) -> _Begun | Refused:
            answer = start(records, by=by, call_id=call_id, worker=self._worker, now=now, env=self._env)
            return answer if isinstance(answer, Refused) else (answer, requester_of(records, answer))

        return await self._uow.run("start", work)

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
        return await patiently(lambda: self._write(started, result))

    async def _rest(self, waiting: Waiting, started: Started, hand: Hand) -> Started | Outcome | None:
        """Waits for the time of the next try without a slot. Told to stop, the call ends here; where the
        process ends, the next one goes on from here."""
        self._turns.done(waiting)
        try:
            self._held.update({waiting: hand} if started.held else {})
            hand.meter.set(0.0, resting(started))
            self._on_progress(started.call.id)
            await hand.rest(started)
            self._held.pop(waiting, None)
            await self._turns.come(waiting)
        except StorageUnavailable:
            self._turns.take(waiting)
            return None
        if hand.stop.requested:
            return await patiently(lambda: self._write(started, STOPPED))
        now, call_id, attempt = self._clock.both(), started.call.id, started.attempt.number
        return await patiently(
            lambda: self._uow.run(
                "begin",
                lambda records: begin(records, call_id=call_id, attempt=attempt, now=now, env=self._env),
            )
        )

    async def _run(self, started: Started, requester: Requester, hand: Hand) -> RunResult:
        try:
            context = context_of(
                started,
                requester,
                hand,
                env=self._env,
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

    async def _write(self, started: Started, result: RunResult) -> Started | Outcome | None:
        """Writes the result. Tried however long the database takes: the tool must not run again."""
        now, backoff_s = self._clock.both(), self._backoff(started) if result.transient else 0.0
        after = await self._uow.run(
            "finish",
            lambda records: settle(
                records,
                call_id=started.call.id,
                attempt=started.attempt.number,
                result=result,
                backoff_s=backoff_s,
                now=now,
                env=self._env,
            ),
        )
        if isinstance(after, Started):
            self._metrics.attempt_retried(started.call.tool)
            resilience.info("a call is tried again", attempt=after.attempt.number, wait_s=after.wait_s)
            return after
        status = after.status.value if after else result.status.value
        log.info("a call ended", status=status, duration_ms=result.duration_ms, counted=bool(after))
        return after

    async def _set_aside(self, corrupt: CorruptRecord) -> None:
        log.error("a call cannot be read and was set aside", row=corrupt.row_id, column=corrupt.column)
        now = self._clock.now()
        await self._uow.run("set_aside", lambda records: set_aside(records, corrupt, now=now))
