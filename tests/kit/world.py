"""A small world on a real database: two teams, their people and chats, tools, a clock."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

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
from core.ids import CallId, PersonId, TenantId
from core.model import (
    SYSTEM,
    CallView,
    Conversation,
    Outcome,
    Principal,
    Role,
    ToolCall,
    Vote,
)
from core.policy import Policy, load_policy
from core.ports import Records, view
from core.registry import ToolRegistry
from core.runner import ToolRunner
from core.tool import RunResult
from storage.database import Database
from storage.records.audit import event_from_row
from storage.sqlite import connect
from storage.writer import Boundary
from tests.kit.clock import FakeClock
from tests.kit.context import context_of
from tests.kit.databases import Place, new_place
from tests.kit.people import (
    ACME,
    APPROVERS_GROUP,
    GROUP,
    PEOPLE,
    SOLO,
    UMBRELLA,
    add_people,
    chat_of,
    conversation_of,
    ids,
    principal,
)
from tests.kit.tools import Ledger, registry_of

__all__ = [
    "ACME",
    "APPROVERS_GROUP",
    "GROUP",
    "PEOPLE",
    "SOLO",
    "UMBRELLA",
    "World",
    "chat_of",
    "code_of",
    "context_of",
    "dispatcher",
    "ids",
    "locked",
    "open_world",
    "principal",
    "refusal_of",
]

T = TypeVar("T")


@dataclass
class World:
    """Everything a test of the engine needs. Verbs run through the writer, as they do in the product."""

    db: Database
    place: Place
    folder: Path
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
        return conversation_of(where, tenant)

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
        folder=folder,
        ledger=ledger,
        clock=clock,
        registry=registry_of(ledger),
        new_id=new_id,
    )
    try:
        await world.unit(lambda records: add_people(records, now=clock.now()))
        yield world
    finally:
        await db.close()


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
