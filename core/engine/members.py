"""Who belongs to a tenant, and as what: claiming it, inviting, joining, changing roles. All of it audited.

Two kinds of principals may change memberships: an admin of the tenant, whose role is read anew each time, and
whoever sits at the machine (`at_machine`), who could change the database by other means anyway. A door gives
the second only to somebody who started a command there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from core import guards
from core.digest import sha256_hex
from core.engine.answers import Refused, refused
from core.engine.env import Env
from core.engine.facts import caller
from core.engine.routing import reroute
from core.errors import Code, Refusal
from core.ids import PersonId, TenantId, read_short_id
from core.model import Channel, Invite, Person, Principal, Role
from core.ports import Now, Records

CONSOLE: Final = "console"
"""Who made a claim code: whoever can read the console of the machine."""
CLAIM_WITHIN: Final = timedelta(days=7)


class RoleChanged(Struct, frozen=True, kw_only=True):
    """A person's role after a verb, None where they left; `before` None where they were no member."""

    tenant_id: TenantId
    person: Person
    role: Role | None
    before: Role | None


class Invited(Struct, frozen=True, kw_only=True):
    """An invite as recorded. Its code is known to nobody but who made it."""

    tenant_id: TenantId
    role: Role
    expires_at: datetime


class InviteEnded(Struct, frozen=True, kw_only=True):
    """An invite that is worth nothing any more."""

    invite: Invite


def code_hash(code: str) -> str:
    """What is kept of an invite's code. Spelling does not count: small letters, dashes, O for 0, I and L
    for 1."""
    return sha256_hex(read_short_id(code).encode())


def at_machine(tenant_id: TenantId) -> Principal:
    """Whoever runs a command at the machine: no person, but may change memberships of this tenant."""
    return Principal(person=None, tenant=tenant_id, roles=frozenset({Role.ADMIN}), channel=Channel.CLI)


def is_at_machine(by: Principal) -> bool:
    """Whether this is whoever runs a command at the machine."""
    return by.person is None and by.channel is Channel.CLI and by.holds(Role.ADMIN)


def offer_claim(records: Records, *, tenant_id: TenantId, code_hash: str, now: datetime) -> bool:
    """Keeps a code, for the console to print, with which the first admin claims the bot. False, and nothing
    kept, where there is an admin already; the code is worth nothing either once there is one."""
    if _admins(records, tenant_id):
        return False
    records.invites.add(
        Invite(
            code_hash=code_hash,
            tenant_id=tenant_id,
            role=Role.ADMIN,
            created_by=CONSOLE,
            created_at=now,
            expires_at=now + CLAIM_WITHIN,
        )
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
    fresh = Invite(
        code_hash=code_hash,
        tenant_id=tenant_id,
        role=role,
        created_by=by.actor,
        created_at=now,
        expires_at=expires_at,
    )
    records.invites.add(fresh)
    _note(records, "member.invited", fresh, by=by, now=now)
    return Invited(tenant_id=tenant_id, role=role, expires_at=expires_at)


def open_invites(records: Records, *, by: Principal, now: datetime) -> Sequence[Invite] | Refused:
    """The invites of this tenant that somebody could still use, the oldest first.

    Refusals: the entry guards, `not_admin`.
    """
    try:
        return records.invites.open(_administered(records, by), now=now)
    except Refusal as refusal:
        return refused(records, refusal, verb="open_invites", by=by, now=now)


def end_invite(records: Records, *, by: Principal, code_hash: str, now: datetime) -> InviteEnded | Refused:
    """Makes an open invite of this tenant worth nothing from now on.

    Refusals: the entry guards, `not_admin`, `not_found`.
    """
    try:
        tenant_id = _administered(records, by)
        found = records.invites.find(code_hash, now=now)
        if found is None or found.tenant_id != tenant_id:
            raise Refusal(Code.NOT_FOUND, "There is no such open invite here.")
    except Refusal as refusal:
        return refused(records, refusal, verb="end_invite", by=by, now=now)
    records.invites.end(code_hash, now=now)
    _note(records, "member.uninvited", found, by=by, now=now)
    return InviteEnded(invite=found)


def join(
    records: Records,
    *,
    person_id: PersonId,
    code_hash: str,
    channel: Channel = Channel.TELEGRAM,
    now: datetime,
) -> RoleChanged | Refused:
    """Spends an invite and makes the person a member of its tenant with its role; a higher role they have
    stays.

    Refusals: `unauthenticated`, `invite_invalid` (unknown, used and expired codes are answered alike),
    `already_claimed` for a console's code once there is an admin, `tenant_inactive`.
    """
    by = Principal(person=person_id, tenant=None, roles=frozenset(), channel=channel)
    try:
        person = _person(records, person_id, unknown=_stranger())
        offered = _usable(records, code_hash, now=now)
    except Refusal as refusal:
        return refused(records, refusal, verb="join", by=by, now=now)
    records.invites.use(code_hash, by=person_id, now=now)
    had = records.people.role(offered.tenant_id, person_id)
    role = had if had is not None and had.includes(offered.role) else offered.role
    kind = "member.claimed" if offered.created_by == CONSOLE else "member.joined"
    return _set(records, kind, person, role, tenant_id=offered.tenant_id, by=by, now=now)


def _usable(records: Records, code_hash: str, *, now: datetime) -> Invite:
    """The invite of this code. Raises the Refusal where it opens nothing."""
    offered = records.invites.find(code_hash, now=now)
    if offered is None:
        raise Refusal(
            Code.INVITE_INVALID, "This code is not valid (any more). Ask an admin for a new invite."
        )
    if offered.created_by == CONSOLE and _admins(records, offered.tenant_id):
        raise Refusal(Code.ALREADY_CLAIMED, "This bot has an admin already. Ask them for an invite.")
    tenant = records.people.tenant(offered.tenant_id)
    if tenant is None or not tenant.active:
        raise Refusal(Code.TENANT_INACTIVE, "This team is switched off, so nobody can join it now.")
    return offered


def set_role(
    records: Records, *, by: Principal, person_id: PersonId, role: Role | None, now: Now, env: Env
) -> RoleChanged | Refused:
    """Gives a person this role in the tenant, or (None) takes their membership away; open cards go to who may
    sign them now. The same role again changes nothing.

    Refusals: the entry guards, `not_admin`, `not_found`, `last_admin`.
    """
    try:
        tenant_id = _administered(records, by)
        nobody = Refusal(Code.NOT_FOUND, "There is no such person here.")
        person = _person(records, person_id, unknown=nobody)
        before = records.people.role(tenant_id, person_id)
        if before is None and role is None:
            raise nobody
        _check_an_admin_stays(records, person, role, tenant_id=tenant_id)
    except Refusal as refusal:
        return refused(records, refusal, verb="set_role", by=by, now=now.wall)
    if before is role:
        return RoleChanged(tenant_id=tenant_id, person=person, role=role, before=before)
    kind = "member.removed" if role is None else "member.role"
    changed = _set(records, kind, person, role, tenant_id=tenant_id, by=by, now=now.wall)
    reroute(records, tenant_id, now=now, env=env)
    return changed


def leave(records: Records, *, by: Principal, now: Now, env: Env) -> RoleChanged | Refused:
    """Ends the caller's own membership; open cards go to who may sign them now.

    Refusals: the entry guards, `last_admin`.
    """
    try:
        tenant_id = _entered(records, by)
        person = _person(records, by.person, unknown=_stranger())
        _check_an_admin_stays(records, person, None, tenant_id=tenant_id)
    except Refusal as refusal:
        return refused(records, refusal, verb="leave", by=by, now=now.wall)
    changed = _set(records, "member.left", person, None, tenant_id=tenant_id, by=by, now=now.wall)
    reroute(records, tenant_id, now=now, env=env)
    return changed


def _check_an_admin_stays(
    records: Records, person: Person, role: Role | None, *, tenant_id: TenantId
) -> None:
    """There is always an admin who can bring others in. Raises the Refusal."""
    if role is not Role.ADMIN and _admins(records, tenant_id) == [person.id]:
        raise Refusal(Code.LAST_ADMIN, f"{person.name} is the only admin. Make somebody else one first.")


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


def _note(records: Records, kind: str, invite: Invite, *, by: Principal, now: datetime) -> None:
    """An event about an invite, which is named by what says nothing of its code."""
    records.audit.append(
        kind,
        tenant_id=invite.tenant_id,
        actor=by.actor,
        content={
            "role": invite.role.value,
            "expires_at": invite.expires_at.isoformat(),
            "channel": by.channel.value,
        },
        now=now,
    )


def _entered(records: Records, by: Principal) -> TenantId:
    """The tenant that this principal acts in. Raises the Refusal of the first entry guard that says no."""
    facts = caller(records, by=by)
    # At the machine nobody is asked who they are: only that the tenant exists and is active.
    guards.check(facts, guards.ENTRY[1:4] if is_at_machine(by) else guards.ENTRY)
    if facts.tenant is None:
        raise Refusal(Code.TENANT_UNKNOWN, "There is no such team here.")
    return facts.tenant.id


def _administered(records: Records, by: Principal) -> TenantId:
    """The tenant that this principal may change memberships of. Raises the Refusal where there is none."""
    tenant_id = _entered(records, by)
    role = None if by.person is None else records.people.role(tenant_id, by.person)
    if not (is_at_machine(by) or (role is not None and role.includes(Role.ADMIN))):
        raise Refusal(Code.NOT_ADMIN, "Only an admin may change who belongs here.")
    return tenant_id


def _admins(records: Records, tenant_id: TenantId) -> list[PersonId]:
    return [each.person_id for each in records.people.members(tenant_id) if each.role is Role.ADMIN]


def _person(records: Records, person_id: PersonId | None, *, unknown: Refusal) -> Person:
    person = None if person_id is None else records.people.person(person_id)
    if person is None:
        raise unknown
    return person


def _stranger() -> Refusal:
    return Refusal(Code.UNAUTHENTICATED, "I do not know who you are. Please write to me first.")
