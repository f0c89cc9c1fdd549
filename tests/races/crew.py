"""Four real processes on one database, held at one line and let go together.

Each has a writer of its own, as the processes of two doors would, and runs what it started with the real
runner and a tool whose effect is a line in a synced file.
"""

from __future__ import annotations

import asyncio
import itertools
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Final, cast
from uuid import UUID

from msgspec.structs import replace

from core.engine import Decided, Env, Refused, Started, decide, expire, finish, start
from core.ids import CallId, PersonId
from core.model import SYSTEM, Principal, Vote
from core.policy import Policy
from core.ports import Now
from core.runner import ToolRunner
from storage.database import Address, Database, SnapshotReader, backend_of
from storage.writer import Writer
from tests.kit.clock import FakeClock
from tests.kit.processes import FORKED
from tests.kit.tools import Ledger, registry_of
from tests.kit.world import ACME, PEOPLE, context_of, principal

PROCESSES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one process does once all are at the line: votes and sweeps at once, then `starts` tries to
    start the call. `in_turn`: each vote waits for the one before, so that the processes interleave."""

    call_id: CallId
    now: datetime
    votes: Sequence[tuple[str, Vote]] = ()
    sweeps: int = 0
    starts: int = 0
    in_turn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one voter was answered. `code` "": the vote stands; `repeated`: it had stood before."""

    person: str
    vote: Vote
    code: str = ""
    message: str = ""
    repeated: bool = False

    @property
    def won(self) -> bool:
        """Whether it was this vote that decided."""
        return not self.code and not self.repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a process saw. `started`: how many of its starts were given the call, `refused`: the others'
    codes, `expired`: how many calls each of its sweeps found due."""

    told: Sequence[Told] = ()
    started: int = 0
    refused: Sequence[str] = ()
    expired: Sequence[int] = ()


@dataclass(kw_only=True)
class Racer:
    """One process's own ways in: a writer, a reader, tools, a runner."""

    number: int
    address: Address
    ledger: Path
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        backend, new_id = backend_of(self.address), _ids(self.number)
        registry = registry_of(Ledger(self.ledger))
        self.writer = Writer(backend, new_id=new_id)
        self.reader = SnapshotReader(backend, new_id=new_id)
        self.env = Env(registry=registry, policy=Policy, new_id=new_id)
        self.runner = ToolRunner(registry, monotonic=lambda: 0.0)
        self.writer.start()

    async def obey(self, order: Order) -> Seen:
        """Does what was ordered."""
        now = Now(wall=order.now, real=order.now)
        votes = [self._vote(order, person, vote, now=now) for person, vote in order.votes]
        sweeps = [self._sweep(now=now) for _ in range(order.sweeps)]
        if order.in_turn:
            told, expired = [await each for each in votes], [await each for each in sweeps]
        else:
            told, expired = await asyncio.gather(asyncio.gather(*votes), asyncio.gather(*sweeps))
        starts = await asyncio.gather(*(self._start(order, n, now=now) for n in range(order.starts)))
        started = [answer for answer in starts if isinstance(answer, Started)]
        for each in started:
            await self._run(each, now=now)
        refused = [answer.refusal.code.value for answer in starts if isinstance(answer, Refused)]
        return Seen(told=told, started=len(started), refused=refused, expired=expired)

    async def close(self) -> None:
        """Ends the writer and the reader."""
        await self.writer.close()
        self.reader.close()

    async def _vote(self, order: Order, person: str, vote: Vote, *, now: Now) -> Told:
        by = principal(person, ACME) if person in PEOPLE else newcomer(person)
        answer = await self.writer.run(
            "decide",
            lambda records: decide(
                records,
                by=by,
                call_id=order.call_id,
                revision=1,
                vote=vote,
                must_be_delivered=False,
                now=now,
                env=self.env,
            ),
        )
        if isinstance(answer, Decided):
            return Told(person=person, vote=vote, repeated=answer.repeated)
        code, message = answer.refusal.code.value, answer.refusal.message
        return Told(person=person, vote=vote, code=code, message=message)

    async def _sweep(self, *, now: Now) -> int:
        return await self.writer.run("expire", lambda records: expire(records, now=now, env=self.env))

    async def _start(self, order: Order, number: int, *, now: Now) -> Started | Refused:
        worker = f"p{self.number}-w{number}"
        return await self.writer.run(
            "start",
            lambda records: start(
                records, by=SYSTEM, call_id=order.call_id, worker=worker, now=now, env=self.env
            ),
        )

    async def _run(self, started: Started, *, now: Now) -> None:
        # A context asks a database for its writer and its reader only.
        context = context_of(started, self.clock, cast(Database, _Ways(self.writer, self.reader)))
        result = await self.runner.run(started, context)
        outcome = await self.writer.run(
            "finish",
            lambda records: finish(
                records,
                call_id=started.call.id,
                attempt=started.attempt.number,
                result=result,
                now=now,
                env=self.env,
            ),
        )
        assert outcome is not None, "another one ended what this process had started"


@dataclass(frozen=True, slots=True)
class _Ways:
    writer: Writer
    reader: SnapshotReader


class Crew:
    """The processes, as whoever gives orders sees them."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes

    def race(self, orders: Sequence[Order]) -> list[Seen]:
        """One order for each process; what each saw, once all have done theirs."""
        for pipe, order in zip(self._pipes, orders, strict=True):
            pipe.send(order)
        return [_answer(pipe) for pipe in self._pipes]


@contextmanager
def crew_on(address: Address, ledger: Path) -> Iterator[Crew]:
    """Four processes on this database, whose tools write to this ledger."""
    line = FORKED.Barrier(PROCESSES)
    pairs = [FORKED.Pipe() for _ in range(PROCESSES)]
    processes: list[BaseProcess] = [
        FORKED.Process(target=_live, args=(theirs, line, number, address, ledger), daemon=True)
        for number, (_, theirs) in enumerate(pairs)
    ]
    ours = [mine for mine, _ in pairs]
    try:
        for process, (_, theirs) in zip(processes, pairs, strict=True):
            process.start()
            theirs.close()  # so that a process that dies is an end of file here
        yield Crew(ours)
        for pipe in ours:
            pipe.send(None)
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * PROCESSES
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()


def newcomer(person: str) -> Principal:
    """Somebody who is not in the kit's list of people, acting in the team `acme`."""
    return replace(principal("cat"), person=PersonId(person))


def _answer(pipe: Connection) -> Seen:
    answer = pipe.recv()
    assert isinstance(answer, Seen), answer
    return answer


def _live(pipe: Connection, line: Barrier, number: int, address: Address, ledger: Path) -> None:
    asyncio.run(_obey_all(pipe, line, Racer(number=number, address=address, ledger=ledger)))


async def _obey_all(pipe: Connection, line: Barrier, racer: Racer) -> None:
    while (order := pipe.recv()) is not None:
        line.wait()
        try:
            pipe.send(await racer.obey(order))
        except Exception:  # noqa: BLE001 - whoever gave the order fails with it
            pipe.send(traceback.format_exc())
    await racer.close()


def _ids(number: int) -> Callable[[], str]:
    """Fresh UUIDv7 texts that no other process, nor the world's own `ids`, gives."""
    numbers = itertools.count(1)
    base = (7 << 76) | (2 << 62) | ((number + 1) << 48)
    return lambda: str(UUID(int=base + next(numbers)))
