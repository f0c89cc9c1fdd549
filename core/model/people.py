"""Tenants, people, their ways in, and the places they speak in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.ids import AccountId, ConversationId, PersonId, TenantId, TokenId
from core.model.words import Channel, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """An organisation, family or team. Nothing crosses tenants."""

    id: TenantId
    name: str
    active: bool
    currency: str  # ISO 4217, what amounts without one mean
    timezone: str  # IANA name
    ask_above: str | None = None  # amounts up to this, in its currency, run unasked; None: as the tools say


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One way in for a person: `subject` is the channel's own id for them."""

    channel: Channel
    subject: str
    person_id: PersonId
    private_chat: int | None  # where the bot may write to them; None until they opened it, or if blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A person's place in a tenant."""

    tenant_id: TenantId
    person_id: PersonId
    role: Role
    name: str  # the person's name, for lists
    away_until: datetime | None = None  # as the person said in their settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """An open door for one person: whoever brings its code first, in time, gets the role."""

    code_hash: str  # the code itself is kept nowhere
    tenant_id: TenantId
    role: Role
    created_by: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Where something was said: a Telegram chat or thread, an API client, a shell."""

    id: ConversationId
    tenant_id: TenantId
    account_id: AccountId
    channel: Channel
    chat: str  # the channel's own id of the place; for Telegram the chat id
    thread: int | None
    private: bool
    owner_id: PersonId | None  # the person of a private chat


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token issued to a program. Its text is shown once and not kept; `id` is its `jti` claim."""

    id: TokenId
    tenant_id: TenantId
    person_id: PersonId
    name: str
    account_ids: tuple[AccountId, ...] | None  # None: every account of the tenant
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
