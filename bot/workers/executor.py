"""The executor: takes pending calls, has them run, writes what became of them. It knows no front door."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from bot.clock import SystemClock
from bot.logs import call_context, get_logger
from core.engine import Env, Refused, Started, finish, recover, start
from core.engine.readable import set_aside
from core.errors import CorruptRecord, StorageUnavailable
from core.ids import CallId
from core.lifecycle import Status
from core.model import SYSTEM, Principal, Role
from core.ports import Reader, Records, UnitOfWork
from core.runner import ToolRunner
from core.tool import RunResult, ToolContext
from core.toolstore import ToolRecords, ToolStore

log = get_logger(__name__)

T = TypeVar("T")

RENEW_EVERY_S: Final = 5.0
RETRY_S: Final = 1.0
REFUSED_FOR_S: Final = 60.0
SHOWN_AFTER_S: Final = 0.4
"""A call that runs for so long is shown as running."""
"""A call that was refused and still waits (its tenant is switched off) is not tried again before this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Requester:
    name: str
    roles: frozenset[Role]
    timezone: str
    currency: str


class _Stop:
    """Implements `core.tool.Cancellation`."""

    requested = False


class Executor:
    """Runs calls with bounded concurrency. `worker` names this process in leases; `sole` says that no
    other process works on this database, so that what others hold was left by the dead."""

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
        on_progress: Callable[[CallId], None] = lambda call: None,
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
        self._slots = asyncio.Semaphore(concurrency)
        self._on_progress = on_progress
        self._boundary = boundary
        self._wake = asyncio.Event()
        self._stopping = False
        self._running: dict[CallId, asyncio.Task[None]] = {}
        self._refused: dict[CallId, float] = {}
        self._progress: dict[CallId, tuple[float, str]] = {}

    def wake(self) -> None:
        """Calls may be waiting: looks for them."""
        self._wake.set()

    def offer(self, call_id: CallId) -> None:
        """This call waits: takes it at once."""
        if not self._stopping and call_id not in self._running:
            self._spawn(call_id, self._take(call_id))

    def progress_of(self, call_id: CallId) -> tuple[float, str] | None:
        """The last progress that a running call reported."""
        return self._progress.get(call_id)

    @property
    def running(self) -> int:
        """How many calls this worker has in hand."""
        return len(self._running)

    async def execute(self, call_id: CallId, by: Principal, *, wait: bool = True) -> Started | Refused:
        """Runs this call for a person who asks for it, past all guards as them; by default answers once it
        has ended. Waits for a free slot first, as every call does.

        Raises StorageUnavailable where nothing was begun, and CorruptRecord.
        """
        # Whoever asked may go away; a call that was begun is run to its end all the same.
        return await asyncio.shield(asyncio.ensure_future(self._execute_for(call_id, by, wait=wait)))

    async def _execute_for(self, call_id: CallId, by: Principal, *, wait: bool) -> Started | Refused:
        await self._slots.acquire()
        begun = None
        try:
            if self._stopping:
                raise StorageUnavailable("Countersign is stopping; nothing was begun. Please try again.")
            answer = await self._begin(call_id, by)
            if isinstance(answer, Refused):
                return answer
            begun = self._spawn(call_id, self._execute(*answer))
            begun.add_done_callback(lambda _: self._slots.release())
        finally:
            if begun is None:
                self._slots.release()
        if wait:
            await asyncio.wait({begun})
        return answer[0]

    async def idle(self) -> None:
        """Returns once nothing is in hand."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def run_executor_loop(self) -> None:
        """Recovers what the dead left, then takes pending calls until cancelled."""
        await _patiently(lambda: self.recover(sole=self._sole))
        while True:
            self._wake.clear()
            await _patiently(self._take_all)
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

        def work(records: Records) -> list[tuple[Started, _Requester]]:
            restarted = recover(records, worker=self._worker, sole=sole, now=now, env=self._env)
            return [(started, _requester(records, started)) for started in restarted]

        for started, requester in await self._uow.run("recover", work):
            self._spawn(started.call.id, self._execute(started, requester))

    async def renew(self) -> None:
        """Extends the leases of what this worker has in hand."""
        in_hand = list(self._running)
        if in_hand:
            until = self._clock.real() + self._env.limits.lease
            await self._uow.run(
                "renew", lambda records: records.attempts.renew(self._worker, in_hand, lease_until=until)
            )

    async def drain(self, seconds: float) -> None:
        """Waits for what is in hand, so long. What does not end is found by the next start, and so is what
        was not begun: from now on nothing is."""
        self._stopping = True
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=seconds)
        for task in self._running.values():
            task.cancel()

    async def _take_all(self) -> None:
        waiting = await self._reader.read(lambda records: records.calls.waiting(Status.PENDING, limit=200))
        now = asyncio.get_running_loop().time()
        for call_id in waiting:
            if call_id in self._running or self._refused.get(call_id, 0.0) > now:
                continue
            self._spawn(call_id, self._take(call_id))

    def _spawn(self, call_id: CallId, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._running[call_id] = task
        task.add_done_callback(lambda done: self._drop(call_id, done))
        return task

    def _drop(self, call_id: CallId, done: asyncio.Task[None]) -> None:
        if self._running.get(call_id) is done:
            del self._running[call_id]

    async def _take(self, call_id: CallId) -> None:
        async with self._slots:
            answer = await _patiently(lambda: self._start(call_id))
            if isinstance(answer, Refused):
                self._refused[call_id] = asyncio.get_running_loop().time() + REFUSED_FOR_S
                log.info("a call was not started", call_id=call_id, code=answer.refusal.code.value)
                return
            if answer is not None:
                self._refused.pop(call_id, None)
                await self._execute(*answer)

    async def _start(self, call_id: CallId) -> tuple[Started, _Requester] | Refused | None:
        """None: it stays pending, or was set aside."""
        if self._stopping:
            return None
        try:
            return await self._begin(call_id, SYSTEM)
        except CorruptRecord as corrupt:
            await self._set_aside(corrupt)
            # Where it is not the call's own row, the call is found again.
            self._refused[call_id] = asyncio.get_running_loop().time() + REFUSED_FOR_S
            return None

    async def _begin(self, call_id: CallId, by: Principal) -> tuple[Started, _Requester] | Refused:
        now = self._clock.both()

        def work(records: Records) -> tuple[Started, _Requester] | Refused:
            answer = start(records, by=by, call_id=call_id, worker=self._worker, now=now, env=self._env)
            return answer if isinstance(answer, Refused) else (answer, _requester(records, answer))

        return await self._uow.run("start", work)

    async def _execute(self, started: Started, requester: _Requester) -> None:
        call = started.call
        with call_context(call_id=call.id, tool=call.tool):
            try:
                context = self._context(started, requester)
            except Exception:
                log.exception("a call could not be prepared")
                result = _NOT_PREPARED
            else:
                result = await self._run(started, context)
            self._progress.pop(call.id, None)
            await _patiently(lambda: self._write(started, result))

    async def _run(self, started: Started, context: ToolContext) -> RunResult:
        slow = asyncio.get_running_loop().call_later(SHOWN_AFTER_S, self._on_progress, started.call.id)
        try:
            self._boundary("tool.before")
            result = await self._runner.run(started, context)
            self._boundary("tool.after")
        finally:
            slow.cancel()
        return result

    async def _write(self, started: Started, result: RunResult) -> None:
        """Writes the result. Tried however long the database takes: the tool must not run again."""
        now = self._clock.both()
        outcome = await self._uow.run(
            "finish",
            lambda records: finish(
                records,
                call_id=started.call.id,
                attempt=started.attempt.number,
                result=result,
                now=now,
                env=self._env,
            ),
        )
        status = outcome.status.value if outcome else result.status.value
        log.info("a call ended", status=status, duration_ms=result.duration_ms, counted=bool(outcome))

    def _context(self, started: Started, requester: _Requester) -> ToolContext:
        call, now = started.call, self._clock.now()
        tool = self._env.registry.find(call.tool)

        async def progress(fraction: float, text: str) -> None:
            self._progress[call.id] = (min(max(fraction, 0.0), 1.0), text)
            self._on_progress(call.id)

        return ToolContext(
            call_id=call.id,
            tenant_id=call.tenant_id,
            account_id=call.account_id,
            conversation_id=call.conversation_id,
            channel=call.channel,
            person_id=call.requester_id,
            person_name=requester.name,
            roles=requester.roles,
            timezone=requester.timezone,
            currency=requester.currency,
            idempotency_key=call.id,
            attempt=started.attempt.number,
            now=now,
            deadline=now + timedelta(seconds=tool.timeout_s if tool else 0),
            progress=progress,
            cancellation=_Stop(),
            store=self._store,
            pin=call.dry_run_pin,
        )

    async def _set_aside(self, corrupt: CorruptRecord) -> None:
        log.error("a call cannot be read and was set aside", row=corrupt.row_id, column=corrupt.column)
        now = self._clock.now()
        await self._uow.run("set_aside", lambda records: set_aside(records, corrupt, now=now))


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Does it as soon as the database lets it."""
    while True:
        try:
            return await work()
        except StorageUnavailable as error:
            log.warning("the executor waits for the database", error=str(error))
            await asyncio.sleep(RETRY_S)


def _requester(records: Records, started: Started) -> _Requester:
    call = started.call
    person = records.people.person(call.requester_id)
    tenant = records.people.tenant(call.tenant_id)
    role = records.people.role(call.tenant_id, call.requester_id)
    return _Requester(
        name=call.requester_name,
        roles=frozenset() if role is None else frozenset({role}),
        timezone=(person and person.timezone) or (tenant.timezone if tenant else "UTC"),
        currency=tenant.currency if tenant else "EUR",
    )


_NOT_PREPARED: Final = RunResult(
    status=Status.FAILED,
    text="",
    data=None,
    references={},
    error="It could not be prepared, and the tool was not started.",
    error_class="internal",
    duration_ms=0,
)


class RecordsToolStore:
    """Implements `core.toolstore.ToolStore` over the writer and the reader. While there is no database it
    waits, no longer than its tool may: a write that is tried again finds what it may have written before."""

    def __init__(self, uow: UnitOfWork, reader: Reader) -> None:
        self._uow = uow
        self._reader = reader

    async def write(self, work: Callable[[ToolRecords], T]) -> T:
        """One durable transaction."""
        return await _patiently(lambda: self._uow.run("tool.write", work))

    async def read(self, work: Callable[[ToolRecords], T]) -> T:
        """One snapshot."""
        return await _patiently(lambda: self._reader.read(work))
