"""The tools' own records, and the port through which a tool reaches them.

A write is a unit of work of its own. Every record names the call that made it, uniquely, so that a repeated
attempt finds its own work instead of doing it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Protocol, TypeVar

from msgspec import Struct

from core.ids import AccountId, CallId, PersonId, TenantId

T = TypeVar("T")


class Task(Struct, frozen=True, kw_only=True):
    """Something to do. `number` counts within the tenant and is what people type.

    `completed_by_call` and `removed_by_call` name the calls that did so, None while they have not.
    """

    tenant_id: TenantId
    account_id: AccountId
    number: int
    call_id: CallId
    title: str
    due: date | None
    assignee: str
    created_by: PersonId
    created_at: datetime
    completed_at: datetime | None
    completed_by_call: CallId | None
    removed_by_call: CallId | None


class Expense(Struct, frozen=True, kw_only=True):
    """Money spent. `amount` is a decimal text such as "42.50", exact; `currency` is ISO 4217."""

    tenant_id: TenantId
    account_id: AccountId
    number: int
    call_id: CallId
    amount: str
    currency: str
    description: str
    category: str
    spent_on: date
    created_by: PersonId
    created_at: datetime
    removed_by_call: CallId | None


class Tasks(Protocol):
    """Tasks of one tenant and account. All reads leave out removed tasks unless said otherwise."""

    def add(
        self,
        *,
        tenant_id: TenantId,
        account_id: AccountId,
        call_id: CallId,
        title: str,
        due: date | None,
        assignee: str,
        created_by: PersonId,
        now: datetime,
    ) -> Task:
        """Stores a task under the tenant's next number. Repeated for one call, gives the first one back."""
        ...

    def get(self, tenant_id: TenantId, account_id: AccountId, number: int) -> Task | None:
        """The task of this number, also a completed or removed one."""
        ...

    def of_call(self, call_id: CallId) -> Task | None:
        """The task that this call made, also a removed one."""
        ...

    def open(self, tenant_id: TenantId, account_id: AccountId, *, limit: int) -> Sequence[Task]:
        """Open tasks: due ones first, by date, then the others by number."""
        ...

    def complete(self, tenant_id: TenantId, number: int, *, by_call: CallId, now: datetime) -> bool:
        """Marks an open task done. False where it was not open; True again for the same call."""
        ...

    def reopen(self, tenant_id: TenantId, number: int, *, completed_by_call: CallId) -> bool:
        """Takes back the completion made by that call. False where it is not that call's any more."""
        ...

    def remove(self, tenant_id: TenantId, number: int, *, by_call: CallId) -> bool:
        """Removes an open task. False where there is none; True again for the same call."""
        ...


class Expenses(Protocol):
    """Expenses of one tenant and account."""

    def add(
        self,
        *,
        tenant_id: TenantId,
        account_id: AccountId,
        call_id: CallId,
        amount: str,
        currency: str,
        description: str,
        category: str,
        spent_on: date,
        created_by: PersonId,
        now: datetime,
    ) -> Expense:
        """Stores an expense under the tenant's next number. Repeated for one call: the first one."""
        ...

    def of_call(self, call_id: CallId) -> Expense | None:
        """The expense that this call made, also a removed one."""
        ...

    def recent(self, tenant_id: TenantId, account_id: AccountId, *, limit: int) -> Sequence[Expense]:
        """The newest expenses first, without removed ones."""
        ...

    def totals(self, tenant_id: TenantId, account_id: AccountId, *, since: date) -> dict[str, str]:
        """The exact sum per currency of all expenses spent on or after `since`, without removed ones."""
        ...

    def remove(self, tenant_id: TenantId, number: int, *, by_call: CallId) -> bool:
        """Removes an expense. False where it was not there; True again for the same call."""
        ...


class ToolRecords(Protocol):
    """What a unit of work of a tool can reach."""

    @property
    def tasks(self) -> Tasks:
        """The tasks."""
        ...

    @property
    def expenses(self) -> Expenses:
        """The expenses."""
        ...


class ToolStore(Protocol):
    """Runs a tool's units of work: `write` commits or leaves nothing, `read` changes nothing."""

    async def write(self, work: Callable[[ToolRecords], T]) -> T:
        """Runs `work` in one durable transaction and gives its result."""
        ...

    async def read(self, work: Callable[[ToolRecords], T]) -> T:
        """Runs `work` over committed state."""
        ...
