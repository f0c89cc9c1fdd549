"""Teams: making one, switching it off and on, and which of several a person speaks for. All of it audited.

Teams are made and switched by whoever sits at the machine; which one they speak for is each person's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from core.engine.answers import Refused, refused
from core.engine.members import is_at_machine
from core.errors import Code, InvalidInput, Refusal
from core.ids import TenantId
from core.model import Person, Principal, Role, Tenant
from core.ports import Records


class TenantChanged(Struct, frozen=True, kw_only=True):
    """A tenant as recorded after a verb. `before` is None where it was made."""

    tenant: Tenant
    before: Tenant | None


class SpeaksFor(Struct, frozen=True, kw_only=True):
    """The team that a person speaks for from now on, and as what."""

    tenant: Tenant
    role: Role


def spoken_for(records: Records, person: Person, *, home: TenantId) -> TenantId:
    """The team that a person speaks for where no place says so: the one they chose, while they belong to it
    and it is active; else the bot's own if they belong to it; else their first. The bot's own for strangers.
    """
    chosen = person.current_tenant
    if chosen is not None and records.people.role(chosen, person.id) is not None:
        tenant = records.people.tenant(chosen)
        if tenant is not None and tenant.active:
            return chosen
    if records.people.role(home, person.id) is not None:
        return home
    return next(iter(records.people.tenants_of(person.id)), home)


def teams_of(records: Records, person: Person) -> Sequence[Tenant]:
    """The teams that a person belongs to, the longest first."""
    found = [records.people.tenant(tenant_id) for tenant_id in records.people.tenants_of(person.id)]
    return [tenant for tenant in found if tenant is not None]


def speak_for(records: Records, *, by: Principal, tenant_id: TenantId, now: datetime) -> SpeaksFor | Refused:
    """Keeps which of their teams the caller speaks for from now on.

    Refusals: `unauthenticated`, `not_a_member` (also where there is no such team), `tenant_inactive`.
    """
    person = None if by.person is None else records.people.person(by.person)
    tenant = records.people.tenant(tenant_id)
    try:
        if person is None:
            raise Refusal(Code.UNAUTHENTICATED, "I do not know who you are. Please write to me first.")
        role = records.people.role(tenant_id, person.id)
        if tenant is None or role is None:
            raise Refusal(Code.NOT_A_MEMBER, "You do not belong to this team. Ask an admin for an invite.")
        if not tenant.active:
            raise Refusal(Code.TENANT_INACTIVE, f"{tenant.name} is switched off, so nothing runs for it.")
    except Refusal as refusal:
        return refused(records, refusal, verb="speak_for", by=by, now=now)
    if person.current_tenant != tenant_id:
        records.people.save_settings(replace(person, current_tenant=tenant_id))
        records.audit.append(
            "member.speaks_for",
            tenant_id=tenant_id,
            actor=by.actor,
            content={"before": person.current_tenant, "channel": by.channel.value},
            now=now,
        )
    return SpeaksFor(tenant=tenant, role=role)


def add_tenant(records: Records, *, by: Principal, tenant: Tenant, now: datetime) -> TenantChanged | Refused:
    """Makes a team with nobody in it yet. An id is given once: what is recorded under it stays its own.

    Refusals: `not_admin` for anybody who is not at the machine, `invalid_input` for an id that there is.
    """
    try:
        _check_at_machine(by)
        if records.people.tenant(tenant.id) is not None:
            raise InvalidInput(field="id", given=tenant.id, allowed="there is such a team already")
    except Refusal as refusal:
        return refused(records, refusal, verb="add_tenant", by=by, now=now)
    records.people.add_tenant(tenant, now=now)
    content = {"name": tenant.name, "currency": tenant.currency, "timezone": tenant.timezone}
    return _noted(records, "tenant.added", tenant, None, content, by=by, now=now)


def set_active(records: Records, *, by: Principal, active: bool, now: datetime) -> TenantChanged | Refused:
    """Switches the caller's team off, so that nothing runs for it, or on again. What is recorded stays, and
    the same again changes nothing.

    Refusals: `not_admin` for anybody who is not at the machine, `tenant_unknown`.
    """
    before = None if by.tenant is None else records.people.tenant(by.tenant)
    try:
        _check_at_machine(by)
        if before is None:
            raise Refusal(Code.TENANT_UNKNOWN, "There is no such team here.")
    except Refusal as refusal:
        return refused(records, refusal, verb="set_active", by=by, now=now)
    if before.active is active:
        return TenantChanged(tenant=before, before=before)
    after = replace(before, active=active)
    records.people.save_tenant(after)
    kind = "tenant.reactivated" if active else "tenant.deactivated"
    return _noted(records, kind, after, before, {}, by=by, now=now)


def _noted(
    records: Records,
    kind: str,
    tenant: Tenant,
    before: Tenant | None,
    content: dict[str, str],
    *,
    by: Principal,
    now: datetime,
) -> TenantChanged:
    records.audit.append(
        kind,
        tenant_id=tenant.id,
        actor=by.actor,
        content={**content, "channel": by.channel.value},
        now=now,
    )
    return TenantChanged(tenant=tenant, before=before)


def _check_at_machine(by: Principal) -> None:
    if not is_at_machine(by):
        raise Refusal(Code.NOT_ADMIN, "Teams are made and switched at the machine that the bot runs on.")
