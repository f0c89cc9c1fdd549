"""What an executor writes. Each unit reads the clocks itself, in its transaction: one that waited for the
database begins no lease that is over already. One that is tried again because nobody heard whether its COMMIT
was done first looks for what it wrote: nobody else takes that up before its lease ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.clock import SystemClock
from bot.logs import get_logger
from bot.workers.hand import Requester, requester_of
from core.engine import Env, Refused, Started, recover, start, unheard
from core.engine.readable import set_aside
from core.engine.retrying import begin, settle
from core.errors import CorruptRecord, StorageUnavailable
from core.ids import CallId
from core.model import Outcome, Principal
from core.ports import Records, UnitOfWork
from core.tool import RunResult

log = get_logger("bot.workers.executor")

Begun = tuple[Started, Requester]


@dataclass(slots=True, eq=False)
class Tries:
    """The tries at one unit. `unknown`: one of them may have been done."""

    unknown: bool = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """One try."""
        try:
            yield
        except StorageUnavailable as error:
            self.unknown |= error.unknown
            raise


@dataclass(slots=True, kw_only=True)
class Units:
    """The transactions of one worker. `in_hand` gives the calls that it runs or begins, `stopping` says that
    it begins no more; both are asked in the writer's thread."""

    uow: UnitOfWork
    env: Env
    clock: SystemClock
    worker: str
    in_hand: Callable[[], Sequence[CallId]]
    stopping: Callable[[], bool]
    _last: dict[CallId, Tries] = field(default_factory=dict)  # whose try at its start was the last one

    async def start(
        self, call_id: CallId, by: Principal, tries: Tries | None = None
    ) -> Begun | Refused | None:
        """Gives a call that waits to this worker; None where this is stopping, and nothing was begun."""
        own = tries or Tries()

        def work(records: Records) -> Begun | Refused | None:
            if self.stopping():
                return None
            # Somebody else here may have started it after a try of ours that was not done: then it is theirs.
            ours = own.unknown and self._last.get(call_id) is own
            answer = unheard.begun(records, call_id=call_id, worker=self.worker) if ours else None
            if answer is None:
                now = self.clock.both()
                started = start(records, by=by, call_id=call_id, worker=self.worker, now=now, env=self.env)
                if isinstance(started, Refused):
                    return started
                answer = started
                self._last[call_id] = own
            return answer, requester_of(records, answer)

        with own.noted():
            begun = await self.uow.run("start", work)
        if self._last.get(call_id) is own:
            del self._last[call_id]
        return begun

    async def begin(self, waited: Started, tries: Tries) -> Started | Outcome | None:
        """Begins an attempt that waited; None where it is not this worker's any more, or this is stopping."""
        call_id, attempt = waited.call.id, waited.attempt.number

        def work(records: Records) -> Started | Outcome | None:
            if self.stopping():
                return None
            if tries.unknown:
                begun = unheard.begun(records, call_id=call_id, worker=self.worker)
                if begun is not None:
                    return begun
            return begin(records, call_id=call_id, attempt=attempt, now=self.clock.both(), env=self.env)

        with tries.noted():
            return await self.uow.run("begin", work)

    async def settle(
        self, started: Started, result: RunResult, *, backoff_s: float, tries: Tries
    ) -> Started | Outcome | None:
        """Writes what became of an attempt; None where it is not the live one any more."""
        call_id, attempt = started.call.id, started.attempt.number

        def work(records: Records) -> Started | Outcome | None:
            now = self.clock.both()
            if tries.unknown:
                done = unheard.settled(records, call_id=call_id, attempt=attempt, worker=self.worker, now=now)
                if done is not None:
                    return done
            return settle(
                records,
                call_id=call_id,
                attempt=attempt,
                result=result,
                backoff_s=backoff_s,
                now=now,
                env=self.env,
            )

        with tries.noted():
            return await self.uow.run("finish", work)

    async def recover(self, *, sole: bool) -> Sequence[Begun]:
        """Takes over what dead workers held, and nothing that this one has in hand."""

        def work(records: Records) -> Sequence[Begun]:
            now = self.clock.both()
            # A database that was held up for longer than a lease must not make us our own heir.
            records.attempts.renew(self.worker, self.in_hand(), lease_until=now.real + self.env.limits.lease)
            restarted = recover(records, worker=self.worker, sole=sole, now=now, env=self.env)
            return [(started, requester_of(records, started)) for started in restarted]

        return await self.uow.run("recover", work)

    async def set_aside(self, corrupt: CorruptRecord) -> None:
        """What cannot be read is looked at no more."""
        log.error("a call cannot be read and was set aside", row=corrupt.row_id, column=corrupt.column)
        now = self.clock.now()
        await self.uow.run("set_aside", lambda records: set_aside(records, corrupt, now=now))
