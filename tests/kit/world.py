"""A small world on a real SQLite file: two teams, their people and chats, tools, a clock."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from core.audit import AuditEvent
from core.digest import Json
from core.engine import (
    Decided,
    Env,
    Proposal,
    Proposed,
    Refused,
    Started,
    cancel,
    decide,
    expire,
    finish,
    propose,
    recover,
    start,
    undo,
)
from core.ids import AccountId, CallId, ConversationId, PersonId, TenantId
from core.model import (
    SYSTEM,
    CallView,
    Channel,
    Conversation,
    Identity,
    Outcome,
    Person,
    Principal,
    Role,
    Tenant,
    ToolCall,
    Vote,
)
from core.policy import Policy, load_policy
from core.ports import Records, view
from core.registry import ToolRegistry
from core.runner import ToolRunner
from core.tool import RunResult, ToolContext
from core.toolstore import ToolRecords
from storage.database import Database
from storage.records.audit import event_from_row
from storage.sqlite import connect
from storage.writer import Boundary
from tests.kit.clock import FakeClock
from tests.kit.databases import Place, new_place
from tests.kit.tools import Ledger, registry_of

T = TypeVar("T")

ACME = TenantId("acme")
UMBRELLA = TenantId("umbrella")
SOLO = TenantId("solo")
APPROVERS_GROUP = -700
GROUP = -500

PEOPLE: Mapping[str, Mapping[TenantId, Role]] = {
    "ann": {ACME: Role.MEMBER},
    "bob": {ACME: Role.MEMBER},
    "cat": {ACME: Role.APPROVER},
    "cid": {ACME: Role.APPROVER},
    "dan": {ACME: Role.ADMIN},
    "gus": {ACME: Role.APPROVER, UMBRELLA: Role.MEMBER},
    "zoe": {UMBRELLA: Role.ADMIN},
    "sol": {SOLO: Role.ADMIN},
    "eve": {},
}
"""Everybody, and their roles. Each has a private chat whose number is 100 and their place in this list."""


def ids() -> Callable[[], str]:
    """Fresh UUIDv7 texts that count, so that tests are repeatable and short ids differ."""
    numbers = itertools.count(1)
    base = (7 << 76) | (2 << 62)
    return lambda: str(UUID(int=base + next(numbers)))


def chat_of(name: str) -> int:
    """The number of a person's private chat."""
    return 100 + list(PEOPLE).index(name)


def principal(name: str, tenant: TenantId | None = None, **changes: Any) -> Principal:
    """This person, acting in their (first) team, over Telegram."""
    roles = PEOPLE[name]
    tenant = tenant or next(iter(roles), ACME)
    own = frozenset({roles[tenant]}) if tenant in roles else frozenset()
    person = Principal(person=PersonId(name), tenant=tenant, roles=own, channel=Channel.TELEGRAM)
    return replace(person, **changes)


@dataclass
class World:
    """Everything a test of the engine needs. Verbs run through the writer, as they do in the product."""

    db: Database
    place: Place
    ledger: Ledger
    clock: FakeClock
    registry: ToolRegistry
    new_id: Callable[[], str]
    policy: Policy = field(default_factory=Policy)
    env: Env = field(init=False)
    runner: ToolRunner = field(init=False)

    def __post_init__(self) -> None:
        self.env = Env(registry=self.registry, policy=lambda: self.policy, new_id=self.new_id)
        self.runner = ToolRunner(self.registry, monotonic=lambda: 0.0, grace_s=0.05)

    # ------------------------------------------------------------------ setting things up

    def rules(self, text: str) -> None:
        """From now on this policy is today's."""
        self.policy = load_policy(text, tools=[tool.name for tool in self.registry])

    async def role(self, name: str, role: Role | None, tenant: TenantId = ACME) -> None:
        """Makes somebody something from now on, or (None) nothing."""
        await self.unit(
            lambda records: records.people.set_role(tenant, PersonId(name), role, now=self.clock.moment.wall)
        )

    def conversation(self, where: str = "ann", tenant: TenantId = ACME) -> Conversation:
        """The private conversation of a person, or the `group`."""
        group = where == "group"
        return Conversation(
            id=ConversationId(f"{tenant}-{where}"),
            tenant_id=tenant,
            account_id=AccountId(f"{tenant}-account-{where}"),
            channel=Channel.TELEGRAM,
            chat=str(GROUP if group else chat_of(where)),
            thread=None,
            private=not group,
            owner_id=None if group else PersonId(where),
        )

    # ------------------------------------------------------------------ units and raw SQL

    async def unit(self, work: Callable[[Records], T]) -> T:
        return await self.db.writer.run("test", work)

    async def read(self, work: Callable[[Records], T]) -> T:
        return await self.db.reader.read(work)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Runs one statement behind the engine's back, committed."""
        return self.place.rows(statement, *values)

    def change(self, call: ToolCall, column: str, value: object) -> None:
        """Somebody who has the database writes over one field of a call."""
        self.place.damage(f"UPDATE tool_calls SET {column} = ? WHERE id = ?", value, call.id)

    @property
    def path(self) -> Path:
        """The file, for what only SQLite has."""
        assert isinstance(self.place.address, Path)
        return self.place.address

    # ------------------------------------------------------------------ reading

    async def call(self, call: ToolCall | CallId) -> ToolCall:
        """The call as it is now."""
        call_id = call.id if isinstance(call, ToolCall) else call
        found = await self.read(lambda records: records.calls.get(call_id))
        assert found is not None
        return found

    async def view(self, call: ToolCall) -> CallView:
        now = await self.call(call)
        return await self.read(lambda records: view(records, now))

    async def outcome(self, call: ToolCall) -> Outcome | None:
        return await self.read(lambda records: records.outcomes.get(call.id))

    def chain(self, tenant: str = ACME) -> list[AuditEvent]:
        """The tenant's whole audit chain, as stored."""
        rows = self.sql("SELECT * FROM audit_events WHERE tenant_id = ? ORDER BY seq", tenant)
        return [event_from_row(row) for row in rows]

    def head(self, tenant: str = ACME) -> tuple[int, str]:
        """The number and hash of the newest event, as the head's own row says."""
        rows = self.sql("SELECT seq, hash FROM audit_heads WHERE tenant_id = ?", tenant)
        return rows[0][0], rows[0][1]

    def kinds(self, call: ToolCall) -> list[str]:
        """What the audit says happened to a call, in order."""
        return [event.kind for event in self.chain(call.tenant_id) if event.call_id == call.id]

    # ------------------------------------------------------------------ verbs

    async def propose(self, tool: str, *, by: str = "ann", where: str | None = None, **more: Any) -> ToolCall:
        """A recorded call; a refusal fails the test."""
        answer = await self.try_propose(tool, by=by, where=where, **more)
        assert isinstance(answer, Proposed), answer
        return answer.call

    async def try_propose(
        self,
        tool: str,
        *,
        by: str = "ann",
        where: str | None = None,
        as_principal: Principal | None = None,
        conversation: Conversation | None = None,
        arguments: Mapping[str, Json] | None = None,
        **more: Any,
    ) -> Proposed | Refused:
        who = as_principal or principal(by)
        place = conversation or self.conversation(where or by, who.tenant or ACME)
        wanted = Proposal(
            tool=tool,
            arguments={"text": "tea"} if arguments is None else arguments,
            conversation=place,
            **more,
        )
        return await self.unit(
            lambda records: propose(records, wanted, by=who, now=self.clock.moment, env=self.env)
        )

    async def vote(
        self,
        call: ToolCall,
        by: str | Principal = "cat",
        vote: Vote = Vote.APPROVED,
        *,
        revision: int | None = None,
        delivered: bool = True,
        comment: str = "",
        shown: bool = False,
    ) -> Decided | Refused:
        """A tap. The person was sent everything unless said otherwise."""
        who = principal(by) if isinstance(by, str) else by
        asked = call.revision if revision is None else revision

        def work(records: Records) -> Decided | Refused:
            latest = records.calls.get(call.id)
            if delivered and latest is not None and who.person is not None:
                records.cards.delivered(
                    call.id, who.person, latest.consent_digest, now=self.clock.moment.wall
                )
            return decide(
                records,
                by=who,
                call_id=call.id,
                revision=asked,
                vote=vote,
                comment=comment,
                shown=shown,
                now=self.clock.moment,
                env=self.env,
            )

        return await self.unit(work)

    async def approve(self, call: ToolCall, by: str = "cat") -> ToolCall:
        answer = await self.vote(call, by)
        assert isinstance(answer, Decided), answer.refusal
        return answer.call

    async def approved(self, tool: str = "high_once", *, by: str = "ann", signer: str = "cat") -> ToolCall:
        """A call that was proposed and signed, and waits for a worker."""
        return await self.approve(await self.propose(tool, by=by), signer)

    async def start(
        self, call: ToolCall | CallId, by: Principal | None = None, *, worker: str = "w1"
    ) -> Started | Refused:
        call_id = call.id if isinstance(call, ToolCall) else call
        return await self.unit(
            lambda records: start(
                records,
                by=by or dispatcher(),
                call_id=call_id,
                worker=worker,
                now=self.clock.moment,
                env=self.env,
            )
        )

    async def started(self, call: ToolCall, *, worker: str = "w1") -> Started:
        answer = await self.start(call, worker=worker)
        assert isinstance(answer, Started), answer.refusal
        return answer

    async def run(self, started: Started) -> RunResult:
        """Runs one attempt through the real runner."""
        return await self.runner.run(started, context_of(started, self.clock, self.db))

    async def finish(self, started: Started, result: RunResult) -> Outcome | None:
        return await self.unit(
            lambda records: finish(
                records,
                call_id=started.call.id,
                attempt=started.attempt.number,
                result=result,
                now=self.clock.moment,
                env=self.env,
            )
        )

    async def execute(self, call: ToolCall) -> Outcome:
        """Starts, runs and finishes a pending call."""
        started = await self.started(call)
        outcome = await self.finish(started, await self.run(started))
        assert outcome is not None
        return outcome

    async def done(self, tool: str = "low_once", **more: Any) -> ToolCall:
        """A low-risk call that has run to its end."""
        call = await self.propose(tool, **more)
        await self.execute(call)
        return await self.call(call)

    async def cancel(self, call: ToolCall, by: str | Principal = "ann") -> Proposed | Refused:
        who = principal(by) if isinstance(by, str) else by
        return await self.unit(
            lambda records: cancel(records, by=who, call_id=call.id, now=self.clock.moment, env=self.env)
        )

    async def undo(self, call: ToolCall, by: str | Principal = "ann") -> Proposed | Refused:
        who = principal(by) if isinstance(by, str) else by
        return await self.unit(
            lambda records: undo(records, by=who, call_id=call.id, now=self.clock.moment, env=self.env)
        )

    async def expire(self) -> int:
        return await self.unit(lambda records: expire(records, now=self.clock.moment, env=self.env))

    async def recover(self, *, worker: str = "w2", sole: bool = False) -> Sequence[Started]:
        return await self.unit(
            lambda records: recover(records, worker=worker, sole=sole, now=self.clock.moment, env=self.env)
        )


def dispatcher() -> Principal:
    """What workers start calls as."""
    return SYSTEM


class _Store:
    """Implements `core.toolstore.ToolStore`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def write(self, work: Callable[[ToolRecords], T]) -> T:
        return await self._db.writer.run("tool", work)

    async def read(self, work: Callable[[ToolRecords], T]) -> T:
        return await self._db.reader.read(work)


class _GoOn:
    """Implements `core.tool.Cancellation`: nobody asks to stop."""

    requested = False


async def _no_progress(_fraction: float, _text: str) -> None:
    return None


def context_of(started: Started, clock: FakeClock, db: Database) -> ToolContext:
    """What a tool is given for this attempt."""
    call = started.call
    return ToolContext(
        call_id=call.id,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        conversation_id=call.conversation_id,
        channel=call.channel,
        person_id=call.requester_id,
        person_name=call.requester_name,
        roles=frozenset({Role.MEMBER}),
        timezone="UTC",
        currency="EUR",
        idempotency_key=call.id,
        attempt=started.attempt.number,
        now=clock.now(),
        deadline=clock.now() + timedelta(seconds=30),
        progress=_no_progress,
        cancellation=_GoOn(),
        store=_Store(db),
    )


@asynccontextmanager
async def open_world(
    folder: Path, *, place: Place | None = None, boundary: Boundary = lambda place: None
) -> AsyncIterator[World]:
    """A world in this folder, new or as it was left; its records are in a file there, or in `place`."""
    clock, new_id = FakeClock(), ids()
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(folder / "ledger")
    place = place or new_place("sqlite", folder)
    db = Database(place.address, new_id=new_id, boundary=boundary)
    world = World(
        db=db,
        place=place,
        ledger=ledger,
        clock=clock,
        registry=registry_of(ledger),
        new_id=new_id,
    )
    try:
        await world.unit(lambda records: _people(records, world))
        yield world
    finally:
        await db.close()


def _people(records: Records, world: World) -> None:
    now = world.clock.now()
    for tenant in (ACME, UMBRELLA, SOLO):
        records.people.add_tenant(
            Tenant(id=tenant, name=tenant.title(), active=True, currency="EUR", timezone="UTC"), now=now
        )
        group = world.conversation("group", tenant)
        records.people.add_conversation(replace(group, chat=f"{GROUP}"), account_name="group", now=now)
    for name, roles in PEOPLE.items():
        _person(records, world, name, roles)


def _person(records: Records, world: World, name: str, roles: Mapping[TenantId, Role]) -> None:
    now = world.clock.now()
    person = PersonId(name)
    records.people.add_person(
        Person(id=person, name=name.title(), timezone=None, currency=None, end_replies=True), now=now
    )
    records.people.add_identity(
        Identity(channel=Channel.TELEGRAM, subject=name, person_id=person, private_chat=chat_of(name))
    )
    for tenant, role in roles.items():
        records.people.set_role(tenant, person, role, now=now)
        records.people.add_conversation(world.conversation(name, tenant), account_name=name, now=now)


def refusal_of(answer: object) -> Refused:
    """The refusal that an answer must be."""
    assert isinstance(answer, Refused), answer
    return answer


def code_of(answer: object) -> str:
    """The code of the refusal that an answer must be."""
    return refusal_of(answer).refusal.code.value


def locked(path: Path) -> sqlite3.Connection:
    """Another process that holds the database's write lock until it is closed."""
    connection = connect(path)
    connection.execute("BEGIN IMMEDIATE")
    return connection
