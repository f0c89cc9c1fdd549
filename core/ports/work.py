"""Units of work over all records, reads beside them, and the two clocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

from msgspec import Struct

from core.ids import PersonId
from core.lifecycle import ENDS, Status
from core.model import (
    CallView,
    Channel,
    ToolCall,
)
from core.policy.evaluate import eligible
from core.ports.calls import Approvals, Attempts, Audit, Calls, Outcomes
from core.ports.consent import Edits, Grants, Reminders
from core.ports.keeping import Erasing, Keeping
from core.ports.messages import Cards, Dialogues, Inbox, Outbox
from core.ports.operating import (
    Alarms,
    Breakers,
    Rates,
    Schedules,
    Signals,
    Switches,
    Webhooks,
    Workers,
)
from core.ports.people import Invites, People, Tokens
from core.ports.pulse import Pulse
from core.ports.runs import Runs
from core.toolstore import Expenses, Tasks

T = TypeVar("T")


class Clock(Protocol):
    """Two times: `now` is the wall clock that people and expiries live by and that a sandbox may move;
    `real` is never moved and is what leases are measured by."""

    def now(self) -> datetime:
        """The wall time, aware UTC."""
        ...

    def real(self) -> datetime:
        """The unmoved time, aware UTC."""
        ...


class Records(Protocol):
    """Everything that one unit of work reads and writes, inside its transaction."""

    @property
    def calls(self) -> Calls:
        """Tool calls."""
        ...

    @property
    def approvals(self) -> Approvals:
        """Votes."""
        ...

    @property
    def attempts(self) -> Attempts:
        """Tries at running calls."""
        ...

    @property
    def outcomes(self) -> Outcomes:
        """Final records."""
        ...

    @property
    def edits(self) -> Edits:
        """Changes before a signature."""
        ...

    @property
    def grants(self) -> Grants:
        """Permissions in place of signatures."""
        ...

    @property
    def reminders(self) -> Reminders:
        """What is to be done about calls that wait."""
        ...

    @property
    def runs(self) -> Runs:
        """Calls proposed together."""
        ...

    @property
    def tokens(self) -> Tokens:
        """Tokens of programs."""
        ...

    @property
    def switches(self) -> Switches:
        """What is stopped."""
        ...

    @property
    def breakers(self) -> Breakers:
        """Adapters that failed of late."""
        ...

    @property
    def rates(self) -> Rates:
        """Moving windows of what was let through."""
        ...

    @property
    def schedules(self) -> Schedules:
        """Calls to be proposed at their times."""
        ...

    @property
    def alarms(self) -> Alarms:
        """What is wrong."""
        ...

    @property
    def workers(self) -> Workers:
        """Processes that execute calls."""
        ...

    @property
    def signals(self) -> Signals:
        """Teams' streams of facts."""
        ...

    @property
    def webhooks(self) -> Webhooks:
        """Where facts are delivered to."""
        ...

    @property
    def pulse(self) -> Pulse:
        """How the bot is."""
        ...

    @property
    def keeping(self) -> Keeping:
        """What piles up, and what a restore takes out of the queues."""
        ...

    @property
    def erasing(self) -> Erasing:
        """What says something of a person."""
        ...

    @property
    def audit(self) -> Audit:
        """The chain."""
        ...

    @property
    def outbox(self) -> Outbox:
        """What must go out."""
        ...

    @property
    def cards(self) -> Cards:
        """What chats show."""
        ...

    @property
    def people(self) -> People:
        """Tenants and people."""
        ...

    @property
    def invites(self) -> Invites:
        """Invites."""
        ...

    @property
    def inbox(self) -> Inbox:
        """Updates received."""
        ...

    @property
    def dialogues(self) -> Dialogues:
        """Open questions."""
        ...

    @property
    def tasks(self) -> Tasks:
        """Tasks."""
        ...

    @property
    def expenses(self) -> Expenses:
        """Expenses."""
        ...


class UnitOfWork(Protocol):
    """Runs work in transactions, one after the other."""

    async def run(self, name: str, work: Callable[[Records], T]) -> T:
        """Runs `work` in one durable transaction and gives its result once it is committed.

        An exception rolls the unit back, alone, and is raised here. `name` is for logs and fault injection.
        Raises StorageUnavailable where nothing could be committed.
        """
        ...


class Reader(Protocol):
    """Reads committed state beside the writer."""

    async def read(self, work: Callable[[Records], T]) -> T:
        """Runs `work` over one consistent snapshot. What it tries to write fails."""
        ...


class Now(Struct, frozen=True, kw_only=True):
    """The time that a verb is given: `wall` for what people see and expiries, `real` for leases."""

    wall: datetime
    real: datetime


def view(records: Records, call: ToolCall) -> CallView:
    """All that is shown of a call, read within one transaction. What a call in its state cannot have is not
    looked for."""
    undo = records.calls.undo_of(call.id) if call.status is Status.COMPLETED else None
    approvals = tuple(records.approvals.of(call.id)) if call.version > 1 else ()
    may_sign = _may_sign(records, call) if call.status is Status.PROPOSED else {}
    return CallView(
        call=call,
        approvals=approvals,
        attempts=tuple(records.attempts.of(call.id)) if call.attempts else (),
        outcome=records.outcomes.get(call.id) if call.status in ENDS else None,
        undone_by=undo.id if undo else None,
        undone=undo is not None and undo.status is Status.COMPLETED,
        edits=tuple(records.edits.of(call.id)) if call.revision > 1 else (),
        grant=records.grants.get(call.verdict.grant) if call.verdict.grant else None,
        signers=tuple(may_sign.values()),
        occasion=records.schedules.occasion(call.id) if call.channel is Channel.SYSTEM else None,
        void=frozenset(vote.person_id for vote in approvals if vote.person_id not in may_sign)
        if call.status is Status.PROPOSED
        else frozenset(),
    )


def _may_sign(records: Records, call: ToolCall) -> dict[PersonId, str]:
    """Those who may decide this call today, with their names."""
    return {
        member.person_id: member.name
        for member in records.people.members(call.tenant_id)
        if eligible(call.verdict, requester=call.requester_id, person=member.person_id, role=member.role)
    }
