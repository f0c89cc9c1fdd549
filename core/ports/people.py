"""Tenants, people, their ways in, their roles, and the places they speak in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from core.ids import ConversationId, PersonId, TenantId, TokenId
from core.model import (
    ApiToken,
    Channel,
    Conversation,
    Identity,
    Invite,
    Membership,
    Person,
    Role,
    Tenant,
)


class Tokens(Protocol):
    """Tokens that were issued to programs."""

    def add(self, token: ApiToken) -> None:
        """Adds a token."""
        ...

    def get(self, token_id: TokenId) -> ApiToken | None:
        """The token of this id, also a revoked or expired one. Raises CorruptRecord."""
        ...

    def of(self, tenant_id: TenantId) -> Sequence[ApiToken]:
        """All tokens of a tenant, oldest first. One whose accounts cannot be read, which opens nothing, is
        listed with none."""
        ...

    def revoke(self, token_id: TokenId, *, now: datetime) -> bool:
        """Ends a token. False where it was revoked before."""
        ...


class Invites(Protocol):
    """Invites, by the hashes of their codes."""

    def add(self, invite: Invite) -> None:
        """Keeps an invite."""
        ...

    def find(self, code_hash: str, *, now: datetime) -> Invite | None:
        """The unused, unexpired invite of this code."""
        ...

    def use(self, code_hash: str, *, by: PersonId, now: datetime) -> bool:
        """Spends an unused, unexpired invite, once. False where there is none."""
        ...

    def open(self, tenant_id: TenantId, *, now: datetime) -> Sequence[Invite]:
        """A tenant's invites that somebody could still use, the oldest first."""
        ...

    def end(self, code_hash: str, *, now: datetime) -> bool:
        """Makes an open invite worth nothing from now on. False where it was not open any more."""
        ...


class People(Protocol):
    """Tenants, people, their ways in and their roles."""

    def tenant(self, tenant_id: TenantId) -> Tenant | None:
        """The tenant of this id."""
        ...

    def tenants(self) -> Sequence[Tenant]:
        """All tenants, the oldest first."""
        ...

    def person(self, person_id: PersonId) -> Person | None:
        """The person of this id."""
        ...

    def identity(self, channel: Channel, subject: str) -> Identity | None:
        """Who comes in this way."""
        ...

    def identities(self, person_id: PersonId) -> Sequence[Identity]:
        """All ways in of a person."""
        ...

    def role(self, tenant_id: TenantId, person_id: PersonId) -> Role | None:
        """The person's role in the tenant today; None where they are no member."""
        ...

    def members(self, tenant_id: TenantId) -> Sequence[Membership]:
        """All members: admins first, then approvers, then members, by name."""
        ...

    def since(self, tenant_id: TenantId, person_id: PersonId) -> datetime | None:
        """Since when the person has been a member of the tenant; None where they are none."""
        ...

    def tenants_of(self, person_id: PersonId) -> Sequence[TenantId]:
        """The tenants that a person is a member of, the longest first."""
        ...

    def conversation(self, conversation_id: ConversationId) -> Conversation | None:
        """The conversation of this id."""
        ...

    def conversation_at(
        self, tenant_id: TenantId, channel: Channel, chat: str, thread: int | None
    ) -> Conversation | None:
        """The tenant's conversation in this place."""
        ...

    def tenant_at(self, channel: Channel, chat: str) -> TenantId | None:
        """The tenant whose conversation was the first in this chat; None where there is none yet."""
        ...

    def add_tenant(self, tenant: Tenant, *, now: datetime) -> None:
        """Adds a tenant; an existing one stays as it is."""
        ...

    def save_tenant(self, tenant: Tenant) -> None:
        """Writes a tenant's name and settings."""
        ...

    def add_person(self, person: Person, *, now: datetime) -> None:
        """Adds a person."""
        ...

    def save_settings(self, person: Person) -> None:
        """Writes a person's name and settings."""
        ...

    def add_identity(self, identity: Identity, *, username: str = "") -> None:
        """Adds a way in; an existing one is left alone."""
        ...

    def set_private_chat(self, channel: Channel, subject: str, chat: int | None) -> None:
        """Where the bot may write to this identity from now on; None after a block."""
        ...

    def set_role(self, tenant_id: TenantId, person_id: PersonId, role: Role | None, *, now: datetime) -> None:
        """Makes the person a member with this role, changes it, or (None) removes the membership."""
        ...

    def add_conversation(self, conversation: Conversation, *, account_name: str, now: datetime) -> None:
        """Adds a conversation, and its account where that is new."""
        ...

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
        ...

    def last_wrote(self, conversation_id: ConversationId, person_id: PersonId) -> datetime | None:
        """When this person last said something there."""
        ...

    def migrate_chat(self, channel: Channel, old: str, new: str) -> None:
        """Follows a chat that got a new id: conversations, cards (but for those whose call has one in the new
        chat) and what waits to be sent."""
        ...
