"""Expenses: what the expense tools keep. Amounts are exact decimal texts and are never made floats."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from sqlalchemy import func, literal_column, or_, select, update

from core.errors import CorruptRecord, StorageUnavailable
from core.ids import AccountId, CallId, PersonId, TenantId
from core.toolstore import Expense
from storage.schema import expenses
from storage.statements import Row, Session, Statement, arg
from storage.times import from_ms, to_ms

_NUMBER_TRIES: Final = 20

_e = expenses.c
_next_number = (
    select(func.coalesce(func.max(_e.number), literal_column("0")) + literal_column("1"))
    .where(_e.tenant_id == arg("tenant"))
    .scalar_subquery()
)
_ADD: Final = Statement(
    lambda insert: (
        insert(expenses)
        .values({column.name: arg(column.name) for column in expenses.columns} | {"number": _next_number})
        .on_conflict_do_nothing()
        .inline()
    )  # no RETURNING, which would leave SQLite's statement open
)
_columns = select(*(_e[name] for name in Expense.__struct_fields__))
_OF_CALL: Final = Statement(_columns.where(_e.call_id == arg("call")))
_RECENT: Final = Statement(
    _columns.where(
        _e.tenant_id == arg("tenant"), _e.account_id == arg("account"), _e.removed_by_call.is_(None)
    )
    .order_by(_e.number.desc())
    .limit(arg("most"))
)
_AMOUNTS: Final = Statement(
    select(_e.call_id, _e.currency, _e.amount)
    .where(
        _e.tenant_id == arg("tenant"),
        _e.account_id == arg("account"),
        _e.spent_on >= arg("first_day"),
        _e.removed_by_call.is_(None),
    )
    .order_by(_e.currency)
)
# The condition lets a call find its own work again, so that repeating it changes a row and counts as done.
_REMOVE: Final = Statement(
    update(expenses)
    .where(
        _e.tenant_id == arg("tenant"),
        _e.number == arg("number_"),
        or_(_e.removed_by_call.is_(None), _e.removed_by_call == arg("call")),
    )
    .values(removed_by_call=arg("call"))
)


class Expenses:
    """Implements `core.toolstore.Expenses`."""

    def __init__(self, session: Session) -> None:
        self._session = session

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
        for _ in range(_NUMBER_TRIES):
            self._session.run(
                _ADD,
                tenant=tenant_id,
                tenant_id=tenant_id,
                account_id=account_id,
                call_id=call_id,
                amount=amount,
                currency=currency,
                description=description,
                category=category,
                spent_on=spent_on.isoformat(),
                created_by=created_by,
                created_at=to_ms(now),
                removed_by_call=None,
            )
            # Missing only where another process took the number meanwhile (PostgreSQL).
            if expense := self.of_call(call_id):
                return expense
        raise StorageUnavailable("No number could be given to the expense; nothing was stored, try again.")

    def of_call(self, call_id: CallId) -> Expense | None:
        """The expense that this call made, also a removed one. Raises CorruptRecord."""
        row = self._session.one(_OF_CALL, call=call_id)
        return None if row is None else _expense(row)

    def recent(self, tenant_id: TenantId, account_id: AccountId, *, limit: int) -> Sequence[Expense]:
        """The newest expenses first, without removed ones. Raises CorruptRecord."""
        rows = self._session.all(_RECENT, tenant=tenant_id, account=account_id, most=limit)
        return [_expense(row) for row in rows]

    def totals(self, tenant_id: TenantId, account_id: AccountId, *, since: date) -> dict[str, str]:
        """The exact sum per currency of all expenses spent on or after `since`, without removed ones.

        Raises CorruptRecord for an amount that is no number.
        """
        sums: dict[str, Decimal] = {}
        rows = self._session.all(_AMOUNTS, tenant=tenant_id, account=account_id, first_day=since.isoformat())
        for call_id, currency, amount in rows:
            sums[currency] = sums.get(currency, Decimal(0)) + _number(amount, call_id)
        return {currency: format(total, "f") for currency, total in sums.items()}

    def remove(self, tenant_id: TenantId, number: int, *, by_call: CallId) -> bool:
        """Removes an expense. False where it was not there; True again for the same call."""
        return self._session.run(_REMOVE, tenant=tenant_id, number_=number, call=by_call) == 1


def _expense(row: Row) -> Expense:
    values = dict(zip(Expense.__struct_fields__, row, strict=True))
    try:
        spent_on = date.fromisoformat(values["spent_on"])
    except ValueError:
        raise CorruptRecord(expenses.name, values["call_id"], "spent_on") from None
    values.update(spent_on=spent_on, created_at=from_ms(values["created_at"]))
    return Expense(**values)


def _number(stored: str, call_id: str) -> Decimal:
    try:
        number = Decimal(stored)
    except InvalidOperation:
        raise CorruptRecord(expenses.name, call_id, "amount") from None
    if not number.is_finite():
        raise CorruptRecord(expenses.name, call_id, "amount")
    return number
