"""The people of the small world that tests live in: two teams, somebody alone, a stranger; their chats."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from core.ids import AccountId, ConversationId, PersonId, TenantId
from core.model import Channel, Conversation, Identity, Person, Principal, Role, Tenant
from core.ports import Records

ACME = TenantId("acme")
UMBRELLA = TenantId("umbrella")
SOLO = TenantId("solo")
APPROVERS_GROUP = -700
GROUP = -500

PEOPLE: Mapping[str, Mapping[TenantId, Role]] = {
    "ann": {ACME: Role.MEMBER},
    "bob": {ACME: Role.MEMBER},
    "cat": {ACME: Role.APPROVER},
    "cid": {ACME: Role.APPROVER},
    "dan": {ACME: Role.ADMIN},
    "gus": {ACME: Role.APPROVER, UMBRELLA: Role.MEMBER},
    "zoe": {UMBRELLA: Role.ADMIN},
    "sol": {SOLO: Role.ADMIN},
    "eve": {},
}
"""Everybody, and their roles. Each has a private chat whose number is 100 and their place in this list."""


def ids() -> Callable[[], str]:
    """Fresh UUIDv7 texts that count, so that tests are repeatable and short ids differ."""
    numbers = itertools.count(1)
    base = (7 << 76) | (2 << 62)
    return lambda: str(UUID(int=base + next(numbers)))


def chat_of(name: str) -> int:
    """The number of a person's private chat."""
    return 100 + list(PEOPLE).index(name)


def principal(name: str, tenant: TenantId | None = None, **changes: Any) -> Principal:
    """This person, acting in their (first) team, over Telegram."""
    roles = PEOPLE[name]
    tenant = tenant or next(iter(roles), ACME)
    own = frozenset({roles[tenant]}) if tenant in roles else frozenset()
    person = Principal(person=PersonId(name), tenant=tenant, roles=own, channel=Channel.TELEGRAM)
    return replace(person, **changes)


def conversation_of(where: str, tenant: TenantId = ACME) -> Conversation:
    """The private conversation of a person, or the `group`."""
    group = where == "group"
    return Conversation(
        id=ConversationId(f"{tenant}-{where}"),
        tenant_id=tenant,
        account_id=AccountId(f"{tenant}-account-{where}"),
        channel=Channel.TELEGRAM,
        chat=str(GROUP if group else chat_of(where)),
        thread=None,
        private=not group,
        owner_id=None if group else PersonId(where),
    )


def add_people(records: Records, *, now: datetime) -> None:
    """Records all of them, where they are not there yet."""
    for tenant in (ACME, UMBRELLA, SOLO):
        records.people.add_tenant(
            Tenant(id=tenant, name=tenant.title(), active=True, currency="EUR", timezone="UTC"), now=now
        )
        group = conversation_of("group", tenant)
        records.people.add_conversation(replace(group, chat=f"{GROUP}"), account_name="group", now=now)
    for name, roles in PEOPLE.items():
        _person(records, name, roles, now=now)


def _person(records: Records, name: str, roles: Mapping[TenantId, Role], *, now: datetime) -> None:
    person = PersonId(name)
    records.people.add_person(
        Person(id=person, name=name.title(), timezone=None, currency=None, end_replies=True), now=now
    )
    records.people.add_identity(
        Identity(channel=Channel.TELEGRAM, subject=name, person_id=person, private_chat=chat_of(name))
    )
    for tenant, role in roles.items():
        records.people.set_role(tenant, person, role, now=now)
        records.people.add_conversation(conversation_of(name, tenant), account_name=name, now=now)
