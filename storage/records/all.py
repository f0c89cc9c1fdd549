"""All repositories over one transaction, and what the transaction touched."""

from __future__ import annotations

from functools import cached_property

from core.ids import NewId, TenantId
from core.ports import Waiting
from storage.records.audit import Audit, Head
from storage.records.calls import Calls
from storage.records.consent import Edits, Grants, Reminders
from storage.records.erasing import Erasing
from storage.records.executions import Approvals, Attempts, Outcomes
from storage.records.expenses import Expenses
from storage.records.going_out import Cards, Outbox
from storage.records.inbox import Dialogues, Inbox
from storage.records.invites import Invites
from storage.records.keeping import Keeping
from storage.records.operating import Alarms, Breakers, Rates, Switches, Workers
from storage.records.people import People
from storage.records.pulse import Pulse
from storage.records.runs import Runs
from storage.records.schedules import Schedules
from storage.records.signals import Signals, Webhooks
from storage.records.tasks import Tasks
from storage.records.tokens import Tokens
from storage.statements import Session

Key = int | str | Waiting
Topic = tuple[str, Key]
"""What a transaction changed that somebody waits for: ("pending", whose turn it may be), ("stop", call),
("switch", id), ("breaker", adapter), ("audit", 0), ("outbox", chat),
("signal", team), ("run_end", run), ("webhook", id)."""


Checkpoint = tuple[dict[TenantId, Head], set[Topic]]


class SqlRecords:
    """Implements `core.ports.Records`. Repositories are made when first used."""

    def __init__(self, session: Session, *, new_id: NewId) -> None:
        self.session = session
        self.touched: set[Topic] = set()
        self._new_id = new_id

    def checkpoint(self) -> Checkpoint:
        """Where a unit of work begins, for `restore`."""
        return self.audit.checkpoint(), set(self.touched)

    def restore(self, before: Checkpoint) -> None:
        """Forgets what a unit that was rolled back did and saw."""
        heads, self.touched = before
        self.audit.restore(heads)
        self.people.forget()
        self.switches.forget()

    def _touch(self, topic: str, key: Key = 0) -> None:
        self.touched.add((topic, key))

    @cached_property
    def calls(self) -> Calls:
        """Tool calls."""
        return Calls(self.session, self._touch)

    @cached_property
    def approvals(self) -> Approvals:
        """Votes."""
        return Approvals(self.session)

    @cached_property
    def attempts(self) -> Attempts:
        """Tries at running calls."""
        return Attempts(self.session, self._touch)

    @cached_property
    def outcomes(self) -> Outcomes:
        """Final records."""
        return Outcomes(self.session)

    @cached_property
    def edits(self) -> Edits:
        """Changes before a signature."""
        return Edits(self.session)

    @cached_property
    def grants(self) -> Grants:
        """Permissions in place of signatures."""
        return Grants(self.session)

    @cached_property
    def reminders(self) -> Reminders:
        """What is to be done about calls that wait."""
        return Reminders(self.session)

    @cached_property
    def runs(self) -> Runs:
        """Calls proposed together."""
        return Runs(self.session)

    @cached_property
    def tokens(self) -> Tokens:
        """Tokens of programs."""
        return Tokens(self.session)

    @cached_property
    def switches(self) -> Switches:
        """What is stopped."""
        return Switches(self.session, self._touch)

    @cached_property
    def breakers(self) -> Breakers:
        """Adapters that failed of late."""
        return Breakers(self.session, self._touch)

    @cached_property
    def rates(self) -> Rates:
        """Moving windows of what was let through."""
        return Rates(self.session)

    @cached_property
    def schedules(self) -> Schedules:
        """Calls to be proposed at their times."""
        return Schedules(self.session)

    @cached_property
    def alarms(self) -> Alarms:
        """What is wrong."""
        return Alarms(self.session)

    @cached_property
    def workers(self) -> Workers:
        """Processes that execute calls."""
        return Workers(self.session)

    @cached_property
    def signals(self) -> Signals:
        """Teams' streams of facts."""
        return Signals(self.session, self._touch)

    @cached_property
    def webhooks(self) -> Webhooks:
        """Where facts are delivered to."""
        return Webhooks(self.session, self._touch)

    @cached_property
    def pulse(self) -> Pulse:
        """How the bot is."""
        return Pulse(self.session)

    @cached_property
    def keeping(self) -> Keeping:
        """What piles up, and what a restore takes out of the queues."""
        return Keeping(self.session)

    @cached_property
    def erasing(self) -> Erasing:
        """What says something of a person."""
        return Erasing(self.session)

    @cached_property
    def audit(self) -> Audit:
        """The chain."""
        return Audit(self.session, self._touch)

    @cached_property
    def outbox(self) -> Outbox:
        """What must go out."""
        return Outbox(self.session, new_id=self._new_id, touch=self._touch)

    @cached_property
    def cards(self) -> Cards:
        """What chats show."""
        return Cards(self.session)

    @cached_property
    def people(self) -> People:
        """Tenants and people."""
        return People(self.session)

    @cached_property
    def invites(self) -> Invites:
        """Invites."""
        return Invites(self.session)

    @cached_property
    def inbox(self) -> Inbox:
        """Updates received."""
        return Inbox(self.session)

    @cached_property
    def dialogues(self) -> Dialogues:
        """Open questions."""
        return Dialogues(self.session)

    @cached_property
    def tasks(self) -> Tasks:
        """Tasks."""
        return Tasks(self.session)

    @cached_property
    def expenses(self) -> Expenses:
        """Expenses."""
        return Expenses(self.session)
