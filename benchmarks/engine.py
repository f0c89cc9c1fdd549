"""P1 to P3: how much of a bare writer's speed is left once the engine does all that it does.

A lifecycle is a call that needs another person's signature: proposed, approved, started and run, finished;
four commits, each durable before the next. The tool is the product's own create_expense but for its effect,
so that its input is validated, its risk assessed and its title made; it records nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from benchmarks.floor import Floor, Recording, Template, Written, compare, recorded
from benchmarks.table import Row, at_least
from bot.bootstrap import new_id
from bot.clock import SystemClock
from core.engine import (
    Decided,
    Env,
    Proposal,
    Proposed,
    Started,
    decide,
    finish,
    propose,
    start,
)
from core.ids import AccountId, ConversationId, PersonId, TenantId
from core.live import Stop
from core.model import (
    SYSTEM,
    Channel,
    Conversation,
    Outcome,
    Person,
    Principal,
    Role,
    Tenant,
    ToolCall,
    Vote,
)
from core.policy import DEFAULT_POLICY
from core.ports import Records
from core.registry import ToolRegistry
from core.runner import ToolRunner
from core.tool import ToolContext, ToolResult
from storage.database import Database
from tools.create_expense import ExpenseLimits, create_expense

ROUNDS: Final = 7
ALONE: Final = 60
AT_ONCE: Final = 64
MANY: Final = 8 * AT_ONCE
"""So many lifecycles a round, where 64 are under way at once."""

TENANT: Final = TenantId("bench")
REQUESTER: Final = PersonId("requester")
SIGNER: Final = PersonId("signer")
PLACE: Final = Conversation(
    id=ConversationId("place"),
    tenant_id=TENANT,
    account_id=AccountId("account"),
    channel=Channel.API,
    chat="bench",
    thread=None,
    private=True,
    owner_id=REQUESTER,
)
ASKS: Final = Principal(person=REQUESTER, tenant=TENANT, roles=frozenset({Role.MEMBER}), channel=Channel.API)
SIGNS: Final = Principal(person=SIGNER, tenant=TENANT, roles=frozenset({Role.APPROVER}), channel=Channel.API)
STEPS: Final = 4


async def _pay(_arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(text="Paid.", data={"number": 1})


class _NoStore:
    """Implements `core.toolstore.ToolStore` for a tool that keeps nothing."""

    async def write(self, work: Callable[[Any], Any]) -> Any:
        raise LookupError("the tool that is measured keeps nothing")

    async def read(self, work: Callable[[Any], Any]) -> Any:
        raise LookupError("the tool that is measured keeps nothing")


async def _no_progress(_fraction: float, _text: str) -> None:
    return None


class Engine:
    """The real engine over a real file, with nobody but a requester and a signer in it."""

    def __init__(self, path: Path) -> None:
        self.db = Database(path, new_id=new_id)
        self.clock = SystemClock()
        registry = ToolRegistry([replace(create_expense(ExpenseLimits()), run=_pay)])
        self.env = Env(registry=registry, policy=lambda: DEFAULT_POLICY, new_id=new_id)
        self.runner = ToolRunner(registry, monotonic=time.monotonic)

    async def prepare(self) -> None:
        """One team, its two people, one conversation."""
        await self.db.writer.run("prepare", self._people)

    async def lifecycle(self, taken: Callable[[], object] = lambda: None) -> ToolCall:
        """One call from its proposal to its outcome. `taken` is called after each durable step."""
        run, env, both = self.db.writer.run, self.env, self.clock.both
        proposal = Proposal(
            tool="create_expense",
            arguments={"amount": "900", "currency": "EUR", "description": "Team lunch in the harbour"},
            conversation=PLACE,
            key=new_id(),
        )
        proposed = await run("propose", lambda r: propose(r, proposal, by=ASKS, now=both(), env=env))
        assert isinstance(proposed, Proposed), proposed
        call = proposed.call
        taken()
        decided = await run("decide", lambda r: _approve(r, call, self))
        assert isinstance(decided, Decided), decided
        taken()
        started = await run(
            "start", lambda r: start(r, by=SYSTEM, call_id=call.id, worker="w", now=both(), env=env)
        )
        assert isinstance(started, Started), started
        taken()
        result = await self.runner.run(started, self._context(started))
        outcome = await run(
            "finish", lambda r: finish(r, call_id=call.id, attempt=1, result=result, now=both(), env=env)
        )
        assert isinstance(outcome, Outcome), outcome
        assert outcome.success, outcome
        taken()
        return call

    def _people(self, records: Records) -> None:
        now = self.clock.now()
        if records.people.tenant(TENANT) is not None:
            return
        records.people.add_tenant(
            Tenant(id=TENANT, name="Bench", active=True, currency="EUR", timezone="UTC"), now=now
        )
        for person, role in ((REQUESTER, Role.MEMBER), (SIGNER, Role.APPROVER)):
            records.people.add_person(
                Person(id=person, name=person.title(), timezone=None, currency=None, end_replies=False),
                now=now,
            )
            records.people.set_role(TENANT, person, role, now=now)
        records.people.add_conversation(PLACE, account_name="bench", now=now)

    def _context(self, started: Started) -> ToolContext:
        call, now = started.call, self.clock.now()
        return ToolContext(
            call_id=call.id,
            tenant_id=call.tenant_id,
            account_id=call.account_id,
            conversation_id=call.conversation_id,
            channel=call.channel,
            person_id=call.requester_id,
            person_name=call.requester_name,
            roles=ASKS.roles,
            timezone="UTC",
            currency="EUR",
            idempotency_key=call.id,
            attempt=started.attempt.number,
            now=now,
            deadline=now + timedelta(seconds=30),
            progress=_no_progress,
            cancellation=Stop(),
            store=_NoStore(),
        )


def _approve(records: Records, call: ToolCall, engine: Engine) -> object:
    """An API client reads the whole call anyway, so nothing has to be delivered first."""
    return decide(
        records,
        by=SIGNS,
        call_id=call.id,
        revision=call.revision,
        vote=Vote.APPROVED,
        must_be_delivered=False,
        now=engine.clock.both(),
        env=engine.env,
    )


Life = Callable[[], Awaitable[object]]
"""Takes one call through its four durable steps, whoever writes them."""


@dataclass(frozen=True)
class Speed:
    """Of one round: lifecycles a second, and microseconds of processor time each. The second says the same
    on a machine that has other things to do."""

    per_s: float
    cpu_us: float


async def alone(lives: Sequence[Life]) -> Speed:
    """Runs them one after the other."""
    return await _timed(lives, workers=1)


async def at_once(lives: Sequence[Life]) -> Speed:
    """Runs them so that 64 are always under way."""
    return await _timed(lives, workers=AT_ONCE)


async def _timed(lives: Sequence[Life], *, workers: int) -> Speed:
    left = iter(lives)

    async def work() -> None:
        for live in left:
            await live()

    begun, worked = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(workers)))
    taken, cpu = time.perf_counter() - begun, time.process_time() - worked
    return Speed(per_s=len(lives) / taken, cpu_us=cpu / len(lives) * 1e6)


def engine_alone(folder: Path) -> float:
    """Lifecycles a second, one at a time: one round over the database in this folder."""
    return asyncio.run(_round(folder, alone, ALONE))


def engine_at_once(folder: Path) -> float:
    """Lifecycles a second, 64 at a time: one round over the database in this folder."""
    return asyncio.run(_round(folder, at_once, MANY))


async def _round(folder: Path, measured: Callable[[Sequence[Life]], Awaitable[Speed]], count: int) -> float:
    engine = Engine(folder / "engine.sqlite3")
    try:
        await engine.prepare()
        await engine.lifecycle()
        return (await measured([engine.lifecycle] * count)).per_s
    finally:
        await engine.db.close()


async def record(path: Path) -> Template:
    """A database at `path` with two lifecycles of the engine in it, and how it wrote the second of them."""
    with recorded() as recording:
        engine = Engine(path)
        await engine.prepare()
        await engine.lifecycle()
    template = await _watch(engine, recording)
    await engine.db.close()
    return template


async def _watch(engine: Engine, recording: Recording) -> Template:
    recording.take()
    steps: list[list[Written]] = []
    call = await engine.lifecycle(lambda: steps.append(recording.take()))
    if len(steps) != STEPS or not all(steps) or call.idempotency_key is None:
        raise SystemExit(f"void: a lifecycle of {len(steps)} durable steps was recorded, or without a key")
    return Template(steps=steps, call_id=call.id, short_id=call.short_id, key=call.idempotency_key)


async def open_both(folder: Path) -> tuple[Engine, Floor]:
    """The engine and the floor, each over a file of its own in `folder`, with the same rows in them."""
    template = await record(folder / "floor.sqlite3")
    await record(folder / "engine.sqlite3")
    return Engine(folder / "engine.sqlite3"), Floor(folder / "floor.sqlite3", template)


def measure(folder: Path) -> list[Row]:
    """P1, P2 and P3: medians over interleaved rounds, and the rows counted afterwards."""
    return asyncio.run(_measure(folder))


async def _measure(folder: Path) -> list[Row]:
    engine, floor = await open_both(folder)
    found: dict[str, list[Speed]] = {"floor_alone": [], "alone": [], "floor_at_64": [], "at_64": []}
    await at_once([engine.lifecycle] * AT_ONCE)
    await at_once(_of(floor, AT_ONCE))
    for _ in range(ROUNDS):
        found["floor_alone"].append(await alone(_of(floor, ALONE)))
        found["alone"].append(await alone([engine.lifecycle] * ALONE))
        found["floor_at_64"].append(await at_once(_of(floor, MANY)))
        found["at_64"].append(await at_once([engine.lifecycle] * MANY))
    await engine.db.close()
    floor.close()
    rows = compare(folder / "engine.sqlite3", folder / "floor.sqlite3")
    return _judge(found, rows)


def _of(floor: Floor, count: int) -> list[Life]:
    return [partial(floor.lifecycle, steps) for steps in floor.prepare(count)]


def _judge(found: Mapping[str, Sequence[Speed]], rows: Mapping[str, int]) -> list[Row]:
    rates = {name: statistics.median(speed.per_s for speed in speeds) for name, speeds in found.items()}
    told: dict[str, object] = {"rounds": ROUNDS, "rows": dict(rows)}
    for name, speeds in found.items():
        each = [speed.per_s for speed in speeds]
        cpu = statistics.median(speed.cpu_us for speed in speeds)
        told[f"{name}_per_s"] = round(rates[name])
        told[f"{name}_spread"] = f"{min(each):.0f} to {max(each):.0f}"
        told[f"{name}_cpu_us"] = round(cpu)
    return [
        at_least("P1", rates["at_64"] / rates["floor_at_64"], 0.5, detail=told),
        at_least("P2", rates["alone"] / rates["floor_alone"], 0.6, detail={"rounds": ROUNDS}),
        at_least("P3", rates["at_64"] / rates["alone"], 4, detail={"rounds": ROUNDS}),
    ]
