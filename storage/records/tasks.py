"""Tasks: what the task tools keep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from sqlalchemy import func, literal_column, null, or_, select, update

from core.errors import CorruptRecord, StorageUnavailable
from core.ids import AccountId, CallId, PersonId, TenantId
from core.toolstore import Task
from storage.schema import tasks
from storage.statements import Row, Session, Statement, arg
from storage.times import from_ms, maybe_from_ms, to_ms

_NUMBER_TRIES: Final = 20

_t = tasks.c
_next_number = (
    select(func.coalesce(func.max(_t.number), literal_column("0")) + literal_column("1"))
    .where(_t.tenant_id == arg("tenant"))
    .scalar_subquery()
)
_ADD: Final = Statement(
    lambda insert: (
        insert(tasks)
        .values({column.name: arg(column.name) for column in tasks.columns} | {"number": _next_number})
        .on_conflict_do_nothing()
        .inline()
    )  # no RETURNING, which would leave SQLite's statement open
)
_columns = select(*(_t[name] for name in Task.__struct_fields__))
_OF_CALL: Final = Statement(_columns.where(_t.call_id == arg("call")))
_GET: Final = Statement(
    _columns.where(
        _t.tenant_id == arg("tenant"), _t.account_id == arg("account"), _t.number == arg("number_")
    )
)
_OPEN: Final = Statement(
    _columns.where(
        _t.tenant_id == arg("tenant"),
        _t.account_id == arg("account"),
        _t.completed_at.is_(None),
        _t.removed_by_call.is_(None),
    )
    .order_by(_t.due.is_(None), _t.due, _t.number)
    .limit(arg("most"))
)
# The conditions let a call find its own work again, so that repeating it changes a row and counts as done.
_COMPLETE: Final = Statement(
    update(tasks)
    .where(
        _t.tenant_id == arg("tenant"),
        _t.number == arg("number_"),
        _t.removed_by_call.is_(None),
        or_(_t.completed_at.is_(None), _t.completed_by_call == arg("call")),
    )
    .values(completed_at=func.coalesce(_t.completed_at, arg("now_")), completed_by_call=arg("call"))
)
_REOPEN: Final = Statement(
    update(tasks)
    .where(_t.tenant_id == arg("tenant"), _t.number == arg("number_"), _t.completed_by_call == arg("call"))
    .values(completed_at=null(), completed_by_call=null())
)
_REMOVE: Final = Statement(
    update(tasks)
    .where(
        _t.tenant_id == arg("tenant"),
        _t.number == arg("number_"),
        _t.completed_at.is_(None),
        or_(_t.removed_by_call.is_(None), _t.removed_by_call == arg("call")),
    )
    .values(removed_by_call=arg("call"))
)


class Tasks:
    """Implements `core.toolstore.Tasks`."""

    def __init__(self, session: Session) -> None:
        self._session = session

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
        for _ in range(_NUMBER_TRIES):
            self._session.run(
                _ADD,
                tenant=tenant_id,
                tenant_id=tenant_id,
                account_id=account_id,
                call_id=call_id,
                title=title,
                due=None if due is None else due.isoformat(),
                assignee=assignee,
                created_by=created_by,
                created_at=to_ms(now),
                completed_at=None,
                completed_by_call=None,
                removed_by_call=None,
            )
            # Missing only where another process took the number meanwhile (PostgreSQL).
            if task := self.of_call(call_id):
                return task
        raise StorageUnavailable("No number could be given to the task; nothing was stored, try again.")

    def get(self, tenant_id: TenantId, account_id: AccountId, number: int) -> Task | None:
        """The task of this number, also a completed or removed one. Raises CorruptRecord."""
        row = self._session.one(_GET, tenant=tenant_id, account=account_id, number_=number)
        return None if row is None else _task(row)

    def of_call(self, call_id: CallId) -> Task | None:
        """The task that this call made, also a removed one. Raises CorruptRecord."""
        row = self._session.one(_OF_CALL, call=call_id)
        return None if row is None else _task(row)

    def open(self, tenant_id: TenantId, account_id: AccountId, *, limit: int) -> Sequence[Task]:
        """Open tasks: due ones first, by date, then the others by number. Raises CorruptRecord."""
        rows = self._session.all(_OPEN, tenant=tenant_id, account=account_id, most=limit)
        return [_task(row) for row in rows]

    def complete(self, tenant_id: TenantId, number: int, *, by_call: CallId, now: datetime) -> bool:
        """Marks an open task done. False where it was not open; True again for the same call."""
        changed = self._session.run(
            _COMPLETE, tenant=tenant_id, number_=number, call=by_call, now_=to_ms(now)
        )
        return changed == 1

    def reopen(self, tenant_id: TenantId, number: int, *, completed_by_call: CallId) -> bool:
        """Takes back the completion made by that call. False where it is not that call's any more."""
        return self._session.run(_REOPEN, tenant=tenant_id, number_=number, call=completed_by_call) == 1

    def remove(self, tenant_id: TenantId, number: int, *, by_call: CallId) -> bool:
        """Removes an open task. False where there is none; True again for the same call."""
        return self._session.run(_REMOVE, tenant=tenant_id, number_=number, call=by_call) == 1


def _task(row: Row) -> Task:
    values = dict(zip(Task.__struct_fields__, row, strict=True))
    values.update(
        due=_day(values["due"], values["call_id"]),
        created_at=from_ms(values["created_at"]),
        completed_at=maybe_from_ms(values["completed_at"]),
    )
    return Task(**values)


def _day(stored: str | None, call_id: str) -> date | None:
    try:
        return None if stored is None else date.fromisoformat(stored)
    except ValueError:
        raise CorruptRecord(tasks.name, call_id, "due") from None
