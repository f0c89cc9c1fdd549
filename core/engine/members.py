"""Who belongs to a tenant, and as what: claiming it, inviting, joining, changing roles. All of it audited.

Two kinds of principals may change memberships: an admin of the tenant, whose role is read anew each time, and
whoever sits at the machine (`at_machine`), who could change the database by other means anyway. A door gives
the second only to somebody who started a command there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core import guards
from core.digest import sha256_hex
from core.engine.answers import Refused, refused
from core.errors import Code, Refusal
from core.ids import PersonId, TenantId, read_short_id
from core.model import Channel, Person, Principal, Role
from core.ports import Records

CONSOLE: Final = "console"
"""Who made a claim code: whoever can read the console of the machine."""
CLAIM_WITHIN: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChanged:
    """A person's role after a verb, None where they left; `before` None where they were no member."""

    tenant_id: TenantId
    person: Person
    role: Role | None
    before: Role | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """An invite as recorded. Its code is known to nobody but who made it."""

    tenant_id: TenantId
    role: Role
    expires_at: datetime


def code_hash(code: str) -> str:
    """What is kept of an invite's code. Spelling does not count: small letters, dashes, O for 0, I and L
    for 1."""
    return sha256_hex(read_short_id(code).encode())


def at_machine(tenant_id: TenantId) -> Principal:
    """Whoever runs a command at the machine: no person, but may change memberships of this tenant."""
    return Principal(person=None, tenant=tenant_id, roles=frozenset({Role.ADMIN}), channel=Channel.CLI)


def offer_claim(records: Records, *, tenant_id: TenantId, code_hash: str, now: datetime) -> bool:
    """Keeps a code, for the console to print, with which the first admin claims the bot. False, and nothing
    kept, where there is an admin already; the code is worth nothing either once there is one."""
    if _admins(records, tenant_id):
        return False
    records.people.add_invite(
        code_hash,
        tenant_id=tenant_id,
        role=Role.ADMIN,
        created_by=CONSOLE,
        now=now,
        expires_at=now + CLAIM_WITHIN,
    )
    return True


def invite(
    records: Records, *, by: Principal, role: Role, code_hash: str, expires_at: datetime, now: datetime
) -> Invited | Refused:
    """Keeps an invite by the hash of its code: whoever brings the code first, in time, gets the role.

    Refusals: the entry guards, `not_admin`.
    """
    try:
        tenant_id = _administered(records, by)
    except Refusal as refusal:
        return refused(records, refusal, verb="invite", by=by, now=now)
    records.people.add_invite(
        code_hash,
        tenant_id=tenant_id,
        role=role,
        created_by=by.actor,
        now=now,
        expires_at=expires_at,
    )
    records.audit.append(
        "member.invited",
        tenant_id=tenant_id,
        actor=by.actor,
        content={"role": role.value, "expires_at": expires_at.isoformat(), "channel": by.channel.value},
        now=now,
    )
    return Invited(tenant_id=tenant_id, role=role, expires_at=expires_at)


def join(
    records: Records,
    *,
    person_id: PersonId,
    code_hash: str,
    channel: Channel = Channel.TELEGRAM,
    now: datetime,
) -> RoleChanged | Refused:
    """Spends an invite and makes the person a member with its role; a higher role they have stays.

    Refusals: `unauthenticated`, `invite_invalid` (unknown, used and expired codes are answered alike),
    `already_claimed` for a console's code once there is an admin.
    """
    by = Principal(person=person_id, tenant=None, roles=frozenset(), channel=channel)
    try:
        person = _person(records, person_id, unknown=_stranger())
        spent = records.people.use_invite(code_hash, by=person_id, now=now)
        if spent is None:
            raise Refusal(
                Code.INVITE_INVALID, "This code is not valid (any more). Ask an admin for a new invite."
            )
        tenant_id, invited, created_by = spent
        claims = created_by == CONSOLE
        if claims and _admins(records, tenant_id):
            raise Refusal(Code.ALREADY_CLAIMED, "This bot has an admin already. Ask them for an invite.")
    except Refusal as refusal:
        return refused(records, refusal, verb="join", by=by, now=now)
    had = records.people.role(tenant_id, person_id)
    role = had if had is not None and had.includes(invited) else invited
    kind = "member.claimed" if claims else "member.joined"
    return _set(records, kind, person, role, tenant_id=tenant_id, by=by, now=now)


def set_role(
    records: Records, *, by: Principal, person_id: PersonId, role: Role | None, now: datetime
) -> RoleChanged | Refused:
    """Gives a person this role in the tenant, or (None) takes their membership away. The same role again
    changes nothing.

    Refusals: the entry guards, `not_admin`, `not_found`, `last_admin`.
    """
    try:
        tenant_id = _administered(records, by)
        nobody = Refusal(Code.NOT_FOUND, "There is no such person here.")
        person = _person(records, person_id, unknown=nobody)
        before = records.people.role(tenant_id, person_id)
        if before is None and role is None:
            raise nobody
        if before is Role.ADMIN and role is not Role.ADMIN and _admins(records, tenant_id) == [person_id]:
            raise Refusal(Code.LAST_ADMIN, f"{person.name} is the only admin. Make somebody else one first.")
    except Refusal as refusal:
        return refused(records, refusal, verb="set_role", by=by, now=now)
    if before is role:
        return RoleChanged(tenant_id=tenant_id, person=person, role=role, before=before)
    kind = "member.removed" if role is None else "member.role"
    return _set(records, kind, person, role, tenant_id=tenant_id, by=by, now=now)


def _set(
    records: Records,
    kind: str,
    person: Person,
    role: Role | None,
    *,
    tenant_id: TenantId,
    by: Principal,
    now: datetime,
) -> RoleChanged:
    before = records.people.role(tenant_id, person.id)
    records.people.set_role(tenant_id, person.id, role, now=now)
    records.audit.append(
        kind,
        tenant_id=tenant_id,
        actor=by.actor,
        content={
            "person": person.id,
            "role": role.value if role else None,
            "before": before.value if before else None,
            "channel": by.channel.value,
        },
        now=now,
    )
    return RoleChanged(tenant_id=tenant_id, person=person, role=role, before=before)


def _administered(records: Records, by: Principal) -> TenantId:
    """The tenant that this principal may change memberships of. Raises the Refusal where there is none."""
    tenant = None if by.tenant is None else records.people.tenant(by.tenant)
    role = None if by.person is None or tenant is None else records.people.role(tenant.id, by.person)
    facts = guards.Facts(
        by=by,
        tenant=tenant,
        role=role,
        call=None,
        role_in_call_tenant=None,
        conversation=None,
        tool=None,
        definition_hash=None,
        today=None,
        tally=None,
    )
    machine = by.person is None and by.channel is Channel.CLI and by.holds(Role.ADMIN)
    # At the machine nobody is asked who they are: only that the tenant exists and is active.
    guards.check(facts, guards.ENTRY[1:4] if machine else guards.ENTRY)
    if tenant is None or not (machine or (role is not None and role.includes(Role.ADMIN))):
        raise Refusal(Code.NOT_ADMIN, "Only an admin may change who belongs here.")
    return tenant.id


def _admins(records: Records, tenant_id: TenantId) -> list[PersonId]:
    return [each.person_id for each in records.people.members(tenant_id) if each.role is Role.ADMIN]


def _person(records: Records, person_id: PersonId, *, unknown: Refusal) -> Person:
    person = records.people.person(person_id)
    if person is None:
        raise unknown
    return person


def _stranger() -> Refusal:
    return Refusal(Code.UNAUTHENTICATED, "I do not know who you are. Please write to me first.")
