"""The limit that admins set by a button: amounts up to it run unasked. See `core.policy.limits`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation

from msgspec import Struct
from msgspec.structs import replace

from core import guards
from core.engine.answers import Refused, refused
from core.engine.facts import caller
from core.errors import Code, InvalidInput, Refusal
from core.model import Principal, Role, Tenant
from core.ports import Records


class LimitSet(Struct, frozen=True, kw_only=True):
    """The tenant as recorded, and the limit that it had before."""

    tenant: Tenant
    before: str | None


def set_ask_above(
    records: Records, *, by: Principal, amount: str | None, now: datetime
) -> LimitSet | Refused:
    """From now on amounts up to this one run unasked in the caller's tenant, larger ones never do; None: as
    the tools say. The same limit again changes nothing.

    Refusals: the entry guards, `not_admin`, `invalid_input`.
    """
    facts = caller(records, by=by)
    try:
        guards.check(facts, guards.ENTRY)
        tenant = facts.tenant
        if tenant is None or facts.role is not Role.ADMIN:
            raise Refusal(Code.NOT_ADMIN, "Only an admin may change what runs unasked.")
        limit = None if amount is None else _plain(amount)
    except Refusal as refusal:
        return refused(records, refusal, verb="set_ask_above", by=by, now=now)
    after = replace(tenant, ask_above=limit)
    if after != tenant:
        records.people.save_tenant(after)
        records.audit.append(
            "policy.limit",
            tenant_id=tenant.id,
            actor=by.actor,
            content={"before": tenant.ask_above, "after": limit, "channel": by.channel.value},
            now=now,
        )
    return LimitSet(tenant=after, before=tenant.ask_above)


def _plain(amount: str) -> str:
    """The amount as it is kept. Raises InvalidInput."""
    try:
        value = Decimal(amount)
    except InvalidOperation:
        value = Decimal(-1)
    if not (value.is_finite() and 0 <= value < 10**12):
        raise InvalidInput(field="amount", given=amount, allowed="it is a number from 0 on, such as 50")
    return f"{value:f}"
