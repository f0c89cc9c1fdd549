"""The records everything else speaks of. All frozen; all times are aware UTC datetimes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

from core.digest import Json
from core.ids import AccountId, CallId, CardId, ConversationId, PersonId, TenantId
from core.lifecycle import Status


class Role(StrEnum):
    """What a person may do in a tenant; each role includes the ones before it."""

    MEMBER = "member"
    APPROVER = "approver"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0 for member, 1 for approver, 2 for admin."""
        return _ROLES[self]

    def includes(self, other: Role) -> bool:
        """Whether someone of this role holds `other` as well."""
        return self.rank >= other.rank


_ROLES: Final = {role: rank for rank, role in enumerate(Role)}


class Risk(StrEnum):
    """How much harm a call can do."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical, for comparing."""
        return _RISKS[self]


_RISKS: Final = {risk: rank for rank, risk in enumerate(Risk)}


class Channel(StrEnum):
    """The front door through which somebody acts."""

    TELEGRAM = "telegram"
    API = "api"
    MCP = "mcp"
    CLI = "cli"
    SYSTEM = "system"


class PolicyDecision(StrEnum):
    """What policy says of a call."""

    ALLOW = "allow"
    REQUIRES_APPROVAL = "requires_approval"
    DENY = "deny"


class Vote(StrEnum):
    """One person's decision."""

    APPROVED = "approved"
    DENIED = "denied"


class StartMode(StrEnum):
    """Whether workers take a pending call by themselves, or only `execute` starts it."""

    AUTO = "auto"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """An organisation, family or team. Nothing crosses tenants."""

    id: TenantId
    name: str
    active: bool
    currency: str  # ISO 4217, what amounts without one mean
    timezone: str  # IANA name


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, through whatever doors they come. `None` settings fall back to the tenant's."""

    id: PersonId
    name: str
    timezone: str | None
    currency: str | None
    end_replies: bool  # a short reply when a call ends late (switch in /settings)


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
class Verdict:
    """A policy decision with the rule that made it and what it asks for.

    `approvers` is the least role that may sign; `named` narrows it to these people. `note` tells what the
    card must say besides (a tenant of one signing for itself, nobody there who could sign).
    """

    decision: PolicyDecision
    rule: str
    reason: str
    approvers: Role = Role.APPROVER
    named: tuple[PersonId, ...] = ()
    count: int = 1
    self_approval: bool = False
    expires_after_s: int = 24 * 3600
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One proposed use of a tool with exact arguments. The unit of everything.

    `revision` counts what people were asked to sign; `version` counts every change of the row and is what
    conditional updates and cards compare; `attempts` is the number of the last attempt.
    """

    id: CallId
    short_id: str
    tenant_id: TenantId
    account_id: AccountId
    conversation_id: ConversationId
    requester_id: PersonId
    requester_name: str
    channel: Channel
    tool: str
    tool_version: str
    definition_hash: str
    arguments: Mapping[str, Json]
    args_digest: str
    title: str  # what will happen, in one plain line
    dry_run_pin: str | None
    revision: int
    consent_digest: str
    status: Status
    risk: Risk
    verdict: Verdict
    idempotency_key: str | None
    start_mode: StartMode
    created_at: datetime
    expires_at: datetime | None  # while proposed
    start_by: datetime | None  # while pending
    version: int
    attempts: int
    changed_at: datetime
    note: str  # why it came back to be signed again, or was withdrawn; "" otherwise
    retry_of: CallId | None = None
    undo_of: CallId | None = None
    source_message: int | None = None  # the channel's id of the message it came from

    def but(self, **changes: Any) -> ToolCall:
        """This call with some fields changed; `dataclasses.replace` takes three times as long."""
        return ToolCall(**{**dict(zip(_FIELDS, _values(self), strict=True)), **changes})


_FIELDS: Final = tuple(field.name for field in fields(ToolCall))
_values: Final = attrgetter(*_FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's decision on one consent digest."""

    call_id: CallId
    tenant_id: TenantId
    account_id: AccountId
    revision: int
    person_id: PersonId
    person_name: str
    vote: Vote
    consent_digest: str
    channel: Channel
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at running a call. Live until `ended_at` is set; its lease is in real time.

    `number` is the fence as well: a worker whose attempt is not the live one any more writes nothing.
    """

    call_id: CallId
    tenant_id: TenantId
    account_id: AccountId
    number: int
    worker: str
    started_at: datetime
    lease_until: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The one final record of a call. At most one per call, ever."""

    call_id: CallId
    tenant_id: TenantId
    account_id: AccountId
    status: Status
    result: Json
    formatted: str
    error: str | None
    error_class: str | None
    started_at: datetime | None
    completed_at: datetime
    duration_ms: int
    attempt_count: int
    worker: str | None
    references: Mapping[str, str]
    marked_by: PersonId | None = None

    @property
    def success(self) -> bool:
        """Whether the call did what it was to do."""
        return self.status is Status.COMPLETED


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One message that mirrors a call. `shown_version` is the call's version it shows, 0 before it is sent.

    `shown_digest` is the consent digest whose arguments it shows in full, None where they did not fit.
    """

    id: CardId
    call_id: CallId
    tenant_id: TenantId
    account_id: AccountId
    chat: int
    thread: int | None
    reply_to: int | None
    message_id: int | None
    private: bool
    line: bool  # a plain result line instead of a card with buttons
    shown_version: int
    shown_digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    """All that a card, an API record or a status answer shows of a call, read in one go."""

    call: ToolCall
    approvals: tuple[Approval, ...]
    attempts: tuple[Attempt, ...]
    outcome: Outcome | None
    undone_by: CallId | None = None  # the call that takes this one back, asked for or done
    undone: bool = False  # whether it has


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A worker holds this call now. `original` is set where it takes back another one."""

    call: ToolCall
    attempt: Attempt
    original: CallView | None = None
