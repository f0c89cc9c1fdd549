"""Tenants, people, their ways in, and the places they speak in."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from core.ids import AccountId, ConversationId, PersonId, TenantId, TokenId
from core.model.words import Channel, Role


class Tenant(Struct, frozen=True, kw_only=True):
    """An organisation, family or team. Nothing crosses tenants."""

    id: TenantId
    name: str
    active: bool
    currency: str  # ISO 4217, what amounts without one mean
    timezone: str  # IANA name
    ask_above: str | None = None  # amounts up to this, in its currency, run unasked; None: as the tools say


class Person(Struct, frozen=True, kw_only=True):
    """Somebody, through whatever doors they come. `None` settings fall back to the tenant's."""

    id: PersonId
    name: str
    timezone: str | None
    currency: str | None
    end_replies: bool  # a short reply when a call ends late (switch in /settings)
    quiet_from: int | None = None  # minutes after midnight in their zone: cards come without a sound
    quiet_to: int | None = None  # until then
    away_until: datetime | None = None  # until then they are not asked to sign
    stand_in: PersonId | None = None  # who is asked in their place while they are away
    current_tenant: TenantId | None = None  # the one of several that they speak for; None: the bot's own


class Identity(Struct, frozen=True, kw_only=True):
    """One way in for a person: `subject` is the channel's own id for them."""

    channel: Channel
    subject: str
    person_id: PersonId
    private_chat: int | None  # where the bot may write to them; None until they opened it, or if blocked


class Membership(Struct, frozen=True, kw_only=True):
    """A person's place in a tenant."""

    tenant_id: TenantId
    person_id: PersonId
    role: Role
    name: str  # the person's name, for lists
    away_until: datetime | None = None  # as the person said in their settings


class Invite(Struct, frozen=True, kw_only=True):
    """An open door for one person: whoever brings its code first, in time, gets the role."""

    code_hash: str  # the code itself is kept nowhere
    tenant_id: TenantId
    role: Role
    created_by: str
    created_at: datetime
    expires_at: datetime


class Principal(Struct, frozen=True, kw_only=True):
    """Who acts. Built by a front door from what it verified, never from what the caller claims.

    `person` is None for the system's dispatcher. `account_ids` None means every account of the tenant.
    """

    person: PersonId | None
    tenant: TenantId | None
    roles: frozenset[Role]
    channel: Channel
    account_ids: frozenset[AccountId] | None = None

    @property
    def is_system(self) -> bool:
        """Whether this is the dispatcher or a sweeper, not a person."""
        return self.person is None and self.channel is Channel.SYSTEM

    def holds(self, role: Role) -> bool:
        """Whether any of the principal's roles includes `role`."""
        return any(own.includes(role) for own in self.roles)

    @property
    def actor(self) -> str:
        """How audit events name this principal."""
        return self.person or self.channel.value


SYSTEM = Principal(person=None, tenant=None, roles=frozenset(), channel=Channel.SYSTEM)
"""The dispatcher and the sweepers: authenticated by construction, with no authority of their own."""


class Conversation(Struct, frozen=True, kw_only=True):
    """Where something was said: a Telegram chat or thread, an API client, a shell."""

    id: ConversationId
    tenant_id: TenantId
    account_id: AccountId
    channel: Channel
    chat: str  # the channel's own id of the place; for Telegram the chat id
    thread: int | None
    private: bool
    owner_id: PersonId | None  # the person of a private chat


class ApiToken(Struct, frozen=True, kw_only=True):
    """A token issued to a program. Its text is shown once and not kept; `id` is its `jti` claim."""

    id: TokenId
    tenant_id: TenantId
    person_id: PersonId
    name: str
    account_ids: tuple[AccountId, ...] | None  # None: every account of the tenant
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
