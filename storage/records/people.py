"""Tenants, people, their ways in, their roles, and the places they speak in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import asdict
from sqlalchemy import and_, case, delete, exists, func, null, select, update

from core.ids import AccountId, ConversationId, PersonId, TenantId
from core.model import Channel, Conversation, Identity, Membership, Person, Role, Tenant
from storage.schema import (
    accounts,
    cards,
    conversations,
    identities,
    memberships,
    messages,
    outbox,
    people,
    tenants,
)
from storage.statements import Row, Session, Statement, all_columns, arg, insert_once
from storage.times import from_ms, maybe_from_ms, to_ms

_TENANT: Final = Statement(
    select(*(tenants.c[name] for name in Tenant.__struct_fields__)).where(tenants.c.id == arg("id_"))
)
_TENANTS: Final = Statement(
    select(*(tenants.c[name] for name in Tenant.__struct_fields__)).order_by(
        tenants.c.created_at, tenants.c.id
    )
)
_SAVE_TENANT: Final = Statement(
    update(tenants)
    .where(tenants.c.id == arg("id_"))
    .values({name: arg(f"new_{name}") for name in Tenant.__struct_fields__ if name != "id"})
)
_ADD_TENANT: Final = insert_once(tenants)
_PERSON: Final = Statement(
    select(*(people.c[name] for name in Person.__struct_fields__)).where(people.c.id == arg("id_"))
)
_ADD_PERSON: Final = insert_once(people)
_SETTINGS: Final = Statement(
    update(people)
    .where(people.c.id == arg("id_"))
    .values({name: arg(f"new_{name}") for name in Person.__struct_fields__ if name != "id"})
)
_i = identities.c
_IDENTITY_COLUMNS: Final = (_i.channel, _i.subject, _i.person_id, _i.private_chat)
_IDENTITY: Final = Statement(
    select(*_IDENTITY_COLUMNS).where(_i.channel == arg("channel_"), _i.subject == arg("subject_"))
)
_IDENTITIES: Final = Statement(select(*_IDENTITY_COLUMNS).where(_i.person_id == arg("person")))
_ADD_IDENTITY: Final = insert_once(identities)
_PRIVATE_CHAT: Final = Statement(
    update(identities)
    .where(_i.channel == arg("channel_"), _i.subject == arg("subject_"))
    .values(private_chat=arg("new_chat"))
)
_m = memberships.c
_ROLE: Final = Statement(select(_m.role).where(_m.tenant_id == arg("tenant"), _m.person_id == arg("person")))
_MEMBERS: Final = Statement(
    select(_m.tenant_id, _m.person_id, _m.role, people.c.name, people.c.away_until)
    .join(people, people.c.id == _m.person_id)
    .where(_m.tenant_id == arg("tenant"))
    .order_by(case((_m.role == "admin", 0), (_m.role == "approver", 1), else_=2), people.c.name)
)
_TENANTS_OF: Final = Statement(
    select(_m.tenant_id).where(_m.person_id == arg("person")).order_by(_m.created_at, _m.tenant_id)
)
_SINCE: Final = Statement(
    select(_m.created_at).where(_m.tenant_id == arg("tenant"), _m.person_id == arg("person"))
)
_SET_ROLE: Final = Statement(
    lambda insert: (put := insert(memberships).values(all_columns(memberships))).on_conflict_do_update(
        index_elements=["tenant_id", "person_id"], set_={"role": put.excluded.role}
    )
)
_REMOVE: Final = Statement(
    delete(memberships).where(_m.tenant_id == arg("tenant"), _m.person_id == arg("person"))
)
_v = conversations.c
_CONVERSATION_COLUMNS: Final = (
    _v.id,
    _v.tenant_id,
    _v.account_id,
    _v.channel,
    _v.chat,
    _v.thread,
    _v.private,
    _v.owner_id,
)
_CONVERSATION: Final = Statement(select(*_CONVERSATION_COLUMNS).where(_v.id == arg("id_")))
_CONVERSATION_AT: Final = Statement(
    select(*_CONVERSATION_COLUMNS)
    .where(
        _v.tenant_id == arg("tenant"),
        _v.channel == arg("channel_"),
        _v.chat == arg("chat_"),
        _v.thread == arg("thread_"),
    )
    # A group that got a new id may have spoken there before the move was told: then the older one goes on.
    .order_by(_v.created_at, _v.id)
    .limit(1)
)
_TENANT_AT: Final = Statement(
    select(_v.tenant_id)
    .where(
        _v.tenant_id.in_(select(tenants.c.id)),  # so that the index serves
        _v.channel == arg("channel_"),
        _v.chat == arg("chat_"),
    )
    .order_by(_v.created_at, _v.id)
    .limit(1)
)
_ADD_CONVERSATION: Final = insert_once(conversations)
_ADD_ACCOUNT: Final = insert_once(accounts)
_ADD_MESSAGE: Final = insert_once(messages)
_LAST_WROTE: Final = Statement(
    select(func.max(messages.c.at)).where(
        messages.c.conversation_id == arg("conversation"), messages.c.person_id == arg("person")
    )
)
_MIGRATE: Final = Statement(
    update(conversations).where(_v.channel == arg("channel_"), _v.chat == arg("old")).values(chat=arg("new"))
)
_there = cards.alias("there")
# The cards of the old chat whose call, or run, has one in the new chat already: a chat shows each but once.
_SHOWN_THERE: Final = and_(
    cards.c.chat == arg("old"),
    exists().where(
        _there.c.call_id == cards.c.call_id, _there.c.chat == arg("new"), _there.c.id != cards.c.id
    ),
)
_DROP_OUTBOX: Final = Statement(
    delete(outbox).where(
        outbox.c.done_at.is_(None), outbox.c.card_id.in_(select(cards.c.id).where(_SHOWN_THERE))
    )
)
_DROP_CARDS: Final = Statement(delete(cards).where(_SHOWN_THERE))
_MIGRATE_CARDS: Final = Statement(
    update(cards)
    .where(cards.c.chat == arg("old"))
    .values(chat=arg("new"), message_id=null(), shown_version=0)
)
_MIGRATE_OUTBOX: Final = Statement(update(outbox).where(outbox.c.chat == arg("old")).values(chat=arg("new")))


class People:
    """Implements `core.ports.People`. What was read is kept until the transaction ends or something of it is
    written: the units of one commit ask for the same few people, and nobody else can write meanwhile."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tenants: dict[TenantId, Tenant | None] = {}
        self._people: dict[PersonId, Person | None] = {}
        self._identities: dict[PersonId, Sequence[Identity]] = {}
        self._ways_in: dict[tuple[Channel, str], Identity | None] = {}
        self._owners: dict[tuple[Channel, str], TenantId | None] = {}
        self._members: dict[TenantId, Sequence[Membership]] = {}
        self._roles: dict[tuple[TenantId, PersonId], Role | None] = {}
        self._conversations: dict[ConversationId, Conversation | None] = {}

    def forget(self) -> None:
        """Something changed, or was taken back: what is asked next is read anew."""
        self._tenants.clear()
        self._people.clear()
        self._identities.clear()
        self._ways_in.clear()
        self._owners.clear()
        self._members.clear()
        self._roles.clear()
        self._conversations.clear()

    def _write(self, statement: Statement, **values: Any) -> int:
        self.forget()
        return self._session.run(statement, **values)

    def tenant(self, tenant_id: TenantId) -> Tenant | None:
        """The tenant of this id."""
        if tenant_id not in self._tenants:
            self._tenants[tenant_id] = _tenant(self._session.one(_TENANT, id_=tenant_id))
        return self._tenants[tenant_id]

    def tenants(self) -> Sequence[Tenant]:
        """All tenants, the oldest first."""
        return [tenant for row in self._session.all(_TENANTS) if (tenant := _tenant(row))]

    def person(self, person_id: PersonId) -> Person | None:
        """The person of this id."""
        if person_id not in self._people:
            self._people[person_id] = _person(self._session.one(_PERSON, id_=person_id))
        return self._people[person_id]

    def identity(self, channel: Channel, subject: str) -> Identity | None:
        """Who comes in this way."""
        way = (channel, subject)
        if way not in self._ways_in:
            row = self._session.one(_IDENTITY, channel_=channel.value, subject_=subject)
            self._ways_in[way] = None if row is None else _identity(row)
        return self._ways_in[way]

    def identities(self, person_id: PersonId) -> Sequence[Identity]:
        """All ways in of a person."""
        if person_id not in self._identities:
            rows = self._session.all(_IDENTITIES, person=person_id)
            self._identities[person_id] = [_identity(row) for row in rows]
        return self._identities[person_id]

    def role(self, tenant_id: TenantId, person_id: PersonId) -> Role | None:
        """The person's role in the tenant today."""
        known = (tenant_id, person_id)
        if known not in self._roles:
            row = self._session.one(_ROLE, tenant=tenant_id, person=person_id)
            self._roles[known] = None if row is None else Role(row[0])
        return self._roles[known]

    def members(self, tenant_id: TenantId) -> Sequence[Membership]:
        """All members: admins first, then approvers, then members, by name."""
        if tenant_id not in self._members:
            self._members[tenant_id] = [
                Membership(
                    tenant_id=row[0],
                    person_id=row[1],
                    role=Role(row[2]),
                    name=row[3],
                    away_until=maybe_from_ms(row[4]),
                )
                for row in self._session.all(_MEMBERS, tenant=tenant_id)
            ]
        return self._members[tenant_id]

    def since(self, tenant_id: TenantId, person_id: PersonId) -> datetime | None:
        """Since when the person has been a member of the tenant."""
        row = self._session.one(_SINCE, tenant=tenant_id, person=person_id)
        return None if row is None else from_ms(row[0])

    def tenants_of(self, person_id: PersonId) -> Sequence[TenantId]:
        """The tenants that a person is a member of, longest first."""
        return [TenantId(row[0]) for row in self._session.all(_TENANTS_OF, person=person_id)]

    def conversation(self, conversation_id: ConversationId) -> Conversation | None:
        """The conversation of this id."""
        if conversation_id not in self._conversations:
            row = self._session.one(_CONVERSATION, id_=conversation_id)
            self._conversations[conversation_id] = _conversation(row)
        return self._conversations[conversation_id]

    def conversation_at(
        self, tenant_id: TenantId, channel: Channel, chat: str, thread: int | None
    ) -> Conversation | None:
        """The tenant's conversation in this place."""
        return _conversation(
            self._session.one(
                _CONVERSATION_AT, tenant=tenant_id, channel_=channel.value, chat_=chat, thread_=thread or 0
            )
        )

    def tenant_at(self, channel: Channel, chat: str) -> TenantId | None:
        """The tenant whose conversation was the first in this chat."""
        place = (channel, chat)
        if place not in self._owners:
            row = self._session.one(_TENANT_AT, channel_=channel.value, chat_=chat)
            self._owners[place] = None if row is None else TenantId(row[0])
        return self._owners[place]

    def add_tenant(self, tenant: Tenant, *, now: datetime) -> None:
        """Adds a tenant; an existing one stays as it is."""
        self._write(_ADD_TENANT, created_at=to_ms(now), **asdict(tenant))

    def save_tenant(self, tenant: Tenant) -> None:
        """Writes a tenant's name and settings."""
        row = asdict(tenant)
        self._write(_SAVE_TENANT, id_=row.pop("id"), **{f"new_{name}": value for name, value in row.items()})

    def add_person(self, person: Person, *, now: datetime) -> None:
        """Adds a person."""
        self._write(_ADD_PERSON, created_at=to_ms(now), **_person_row(person))

    def save_settings(self, person: Person) -> None:
        """Writes a person's name and settings."""
        row = _person_row(person)
        self._write(_SETTINGS, id_=row.pop("id"), **{f"new_{name}": value for name, value in row.items()})

    def add_identity(self, identity: Identity, *, username: str = "") -> None:
        """Adds a way in; an existing one is left alone."""
        values = asdict(identity) | {"channel": identity.channel.value, "username": username}
        self._write(_ADD_IDENTITY, **values)

    def set_private_chat(self, channel: Channel, subject: str, chat: int | None) -> None:
        """Where the bot may write to this identity from now on."""
        self._write(_PRIVATE_CHAT, channel_=channel.value, subject_=subject, new_chat=chat)

    def set_role(self, tenant_id: TenantId, person_id: PersonId, role: Role | None, *, now: datetime) -> None:
        """Makes the person a member with this role, changes it, or (None) removes the membership."""
        if role is None:
            self._write(_REMOVE, tenant=tenant_id, person=person_id)
            return
        self._write(
            _SET_ROLE, tenant_id=tenant_id, person_id=person_id, role=role.value, created_at=to_ms(now)
        )

    def add_conversation(self, conversation: Conversation, *, account_name: str, now: datetime) -> None:
        """Adds a conversation, and its account where that is new."""
        self._session.do(
            _ADD_ACCOUNT,
            id=conversation.account_id,
            tenant_id=conversation.tenant_id,
            name=account_name,
            created_at=to_ms(now),
        )
        values = asdict(conversation) | {
            "channel": conversation.channel.value,
            "thread": conversation.thread or 0,
            "created_at": to_ms(now),
        }
        self._write(_ADD_CONVERSATION, **values)

    def add_message(
        self,
        message_id: str,
        conversation: Conversation,
        *,
        number: int,
        person_id: PersonId,
        text: str,
        now: datetime,
    ) -> None:
        """Keeps what was said; the same message again is left alone."""
        self._session.do(
            _ADD_MESSAGE,
            id=message_id,
            tenant_id=conversation.tenant_id,
            account_id=conversation.account_id,
            conversation_id=conversation.id,
            message_id=number,
            person_id=person_id,
            content=text,
            at=to_ms(now),
        )

    def last_wrote(self, conversation_id: ConversationId, person_id: PersonId) -> datetime | None:
        """When this person last said something there."""
        row = self._session.one(_LAST_WROTE, conversation=conversation_id, person=person_id)
        return None if row is None or row[0] is None else from_ms(row[0])

    def migrate_chat(self, channel: Channel, old: str, new: str) -> None:
        """Follows a chat that got a new id. Its messages stay behind: cards are sent anew there, but for what
        the new chat has a card of already."""
        self._write(_MIGRATE, channel_=channel.value, old=old, new=new)
        if channel is Channel.TELEGRAM:
            self._write(_DROP_OUTBOX, old=int(old), new=int(new))
            self._write(_DROP_CARDS, old=int(old), new=int(new))
            self._write(_MIGRATE_CARDS, old=int(old), new=int(new))
            self._write(_MIGRATE_OUTBOX, old=int(old), new=int(new))


def _tenant(row: Row | None) -> Tenant | None:
    if row is None:
        return None
    values: dict[str, Any] = dict(zip(Tenant.__struct_fields__, row, strict=True))
    return Tenant(**{**values, "active": bool(values["active"])})


def _person(row: Row | None) -> Person | None:
    if row is None:
        return None
    values: dict[str, Any] = dict(zip(Person.__struct_fields__, row, strict=True))
    values.update(end_replies=bool(values["end_replies"]), away_until=maybe_from_ms(values["away_until"]))
    return Person(**values)


def _person_row(person: Person) -> dict[str, Any]:
    return asdict(person) | {"away_until": to_ms(person.away_until)}


def _identity(row: Row) -> Identity:
    return Identity(channel=Channel(row[0]), subject=row[1], person_id=PersonId(row[2]), private_chat=row[3])


def _conversation(row: Row | None) -> Conversation | None:
    if row is None:
        return None
    return Conversation(
        id=ConversationId(row[0]),
        tenant_id=TenantId(row[1]),
        account_id=AccountId(row[2]),
        channel=Channel(row[3]),
        chat=row[4],
        thread=row[5] or None,
        private=bool(row[6]),
        owner_id=None if row[7] is None else PersonId(row[7]),
    )
