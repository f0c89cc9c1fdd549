"""Calls and what they gather on their way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct

from core.digest import Json
from core.ids import AccountId, CallId, CardId, ConversationId, GrantId, PersonId, RunId, TenantId
from core.lifecycle import Status
from core.model.operating import Occasion
from core.model.words import Channel, OnFailure, PolicyDecision, Risk, Role, StartMode, Vote


class Verdict(Struct, frozen=True, kw_only=True):
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
    denials: int = 1  # so many people must say no before it is denied
    remind_after_s: int | None = None  # who may sign is reminded then; None: some time before it expires
    escalate_to: Role | None = None  # asked as well, once reminding did not help
    escalated: bool = False  # whether that has come: who holds that role may sign as well
    cards_to: str = ""  # where copies go: "" as usual, "requester", "approvers", or a chat id
    grant: GrantId | None = None  # let through by this, in place of signatures


class ToolCall(Struct, frozen=True, kw_only=True):
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
    run_id: RunId | None = None  # the run that it is a step of
    step: int | None = None  # its place there, from 1

    @property
    def lapses_at(self) -> datetime | None:
        """When it ends by itself unless it is signed or started before; None where its time does not run: it
        is under way, or over, or waits for another step."""
        if self.status is Status.PROPOSED:
            return self.expires_at
        waits = self.status is Status.PENDING and self.start_mode is not StartMode.AFTER
        return self.start_by if waits else None


class Approval(Struct, frozen=True, kw_only=True):
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


class Edit(Struct, frozen=True, kw_only=True):
    """A change of a call's arguments before it was signed. `changes` is (field, before, after) for each
    argument that differs, None where it was or is not there; `revision` is the one that it made."""

    call_id: CallId
    tenant_id: TenantId
    account_id: AccountId
    revision: int
    person_id: PersonId
    person_name: str
    changes: tuple[tuple[str, Json, Json], ...]
    at: datetime


class Grant(Struct, frozen=True, kw_only=True):
    """A permission that lets later calls through without asking, for a while: of the same tool as it was
    then, by the same requester, with the same values of the fields that the tool marks as scope, in one
    conversation where that is given. Never for critical calls."""

    id: GrantId
    tenant_id: TenantId
    account_id: AccountId
    tool: str
    definition_hash: str
    requester_id: PersonId
    scope: Mapping[str, Json]  # the values of the tool's scope fields
    conversation_id: ConversationId | None
    granted_by: PersonId
    granted_by_name: str
    call_id: CallId  # the call whose card it was granted from
    created_at: datetime
    expires_at: datetime
    used: int = 0  # how many calls it has let through
    revoked_at: datetime | None = None
    revoked_by: PersonId | None = None


class Run(Struct, frozen=True, kw_only=True):
    """Calls proposed together. `needs` gives, by step from 1, the steps that must have completed before it;
    `version` counts every change of any of its calls, for its cards."""

    id: RunId
    short_id: str
    tenant_id: TenantId
    account_id: AccountId
    conversation_id: ConversationId
    requester_id: PersonId
    title: str
    steps: int
    needs: Mapping[int, tuple[int, ...]]
    on_failure: OnFailure
    version: int
    created_at: datetime


WORKER_LOST: Final = "worker_lost"
"""The error class of an attempt whose worker died."""


class Attempt(Struct, frozen=True, kw_only=True):
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
    adapter: str | None = None  # what carried it
    error: str | None = None  # why it failed, also where another attempt followed
    error_class: str | None = None
    stop_by: str | None = None  # who asked it to stop
    not_before: datetime | None = None  # real; when it may be begun, where it was made to wait
    unclear: bool = False  # it failed, and the other side may have done it all the same


class Outcome(Struct, frozen=True, kw_only=True):
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


class Card(Struct, frozen=True, kw_only=True):
    """One message that mirrors a call. `shown_version` is the call's version it shows, 0 before it is sent.

    `shown_digest` is the consent digest whose arguments it shows in full, None where they did not fit. Of a
    run's card the version is the run's, and the digest one over its steps'.
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
    run_id: RunId | None = None  # it shows this whole run; `call_id` is then its first step


class CallView(Struct, frozen=True, kw_only=True):
    """All that a card, an API record or a status answer shows of a call, read in one go."""

    call: ToolCall
    approvals: tuple[Approval, ...]
    attempts: tuple[Attempt, ...]
    outcome: Outcome | None
    undone_by: CallId | None = None  # the call that takes this one back, asked for or done
    undone: bool = False  # whether it has
    edits: tuple[Edit, ...] = ()
    grant: Grant | None = None  # what let it through without signatures
    held: str = ""  # why it does not start now although it might: paused, limited, or its adapter is down
    held_until: datetime | None = None  # when it may, where that is known
    signers: tuple[str, ...] = ()  # the names of those who may decide it today, while it waits for them
    occasion: Occasion | None = None  # the time of a schedule that it was made for
    void: frozenset[PersonId] = frozenset()  # who voted on it and may not sign it any more, while it waits


class Started(Struct, frozen=True, kw_only=True):
    """A worker holds this call now. `original` is set where it takes back another one; `wait_s` where the
    attempt was not begun yet, which it is after so many seconds; or sooner, where it is `held` because its
    adapter does not answer or a switch (`held_by`) stops it, once that is over."""

    call: ToolCall
    attempt: Attempt
    original: CallView | None = None
    wait_s: float | None = None
    held: bool = False
    held_by: str = ""
