"""Every error a caller can meet, one class for each reaction it needs.

CountersignError
├── Refusal            a guard or a rule said no; nothing was changed
│   └── InvalidInput   the caller can mend it: names the field, what was given, what is allowed
├── ToolError          a tool failed and says why; becomes the outcome of its call
├── CorruptRecord      stored data cannot be read; quarantined, audited
├── ConfigError        the configuration is wrong; ends the start
└── StorageUnavailable nothing could be written; the caller may try again
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Code(StrEnum):
    """Stable words that programs match on. Texts may change, these may not."""

    UNAUTHENTICATED = "unauthenticated"
    TENANT_REQUIRED = "tenant_required"
    TENANT_UNKNOWN = "tenant_unknown"
    TENANT_INACTIVE = "tenant_inactive"
    NOT_A_MEMBER = "not_a_member"
    NOT_FOUND = "not_found"
    NOT_PENDING = "not_pending"
    NOT_OWNER = "not_owner"
    PROPOSAL_MISSING_TENANT_CONTEXT = "proposal_missing_tenant_context"
    TENANT_MISMATCH = "tenant_mismatch"
    TOOL_NOT_FOUND = "tool_not_found"
    POLICY_FORBIDS = "policy_forbids"
    APPROVAL_INVALID = "approval_invalid"
    PAUSED = "paused"
    RATE_LIMITED = "rate_limited"
    ADAPTER_UNAVAILABLE = "adapter_unavailable"
    INVALID_INPUT = "invalid_input"
    INVALID_LIMIT = "invalid_limit"
    NOT_APPROVER = "not_approver"
    NOT_ADMIN = "not_admin"
    SELF_APPROVAL = "self_approval"
    NOT_DELIVERED = "not_delivered"
    ALREADY_DECIDED = "already_decided"
    STALE_REVISION = "stale_revision"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    NOT_GRANTABLE = "not_grantable"
    NOT_UNDOABLE = "not_undoable"
    NOT_INTERRUPTED = "not_interrupted"
    LAST_ADMIN = "last_admin"
    ALREADY_CLAIMED = "already_claimed"
    INVITE_INVALID = "invite_invalid"
    CORRUPT_RECORD = "corrupt_record"
    PERSIST_FAILED = "persist_failed"
    INVALID_JSON = "invalid_json"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CLAIM_MISMATCH = "claim_mismatch"
    ACCOUNT_FORBIDDEN = "account_forbidden"
    INTERNAL = "internal"


HTTP_STATUS: Final[Mapping[Code, int]] = {
    Code.UNAUTHENTICATED: 401,
    Code.TENANT_REQUIRED: 400,
    Code.TENANT_UNKNOWN: 400,
    Code.TENANT_INACTIVE: 403,
    Code.NOT_A_MEMBER: 403,
    Code.NOT_FOUND: 404,
    Code.NOT_PENDING: 400,
    Code.NOT_OWNER: 403,
    Code.PROPOSAL_MISSING_TENANT_CONTEXT: 400,
    Code.TENANT_MISMATCH: 403,
    Code.TOOL_NOT_FOUND: 400,
    Code.POLICY_FORBIDS: 403,
    Code.APPROVAL_INVALID: 403,
    Code.PAUSED: 503,
    Code.RATE_LIMITED: 429,
    Code.ADAPTER_UNAVAILABLE: 503,
    Code.INVALID_INPUT: 400,
    Code.INVALID_LIMIT: 400,
    Code.NOT_APPROVER: 403,
    Code.NOT_ADMIN: 403,
    Code.SELF_APPROVAL: 403,
    Code.NOT_DELIVERED: 403,
    Code.ALREADY_DECIDED: 409,
    Code.STALE_REVISION: 412,
    Code.IDEMPOTENCY_CONFLICT: 409,
    Code.NOT_GRANTABLE: 409,
    Code.NOT_UNDOABLE: 409,
    Code.NOT_INTERRUPTED: 409,
    Code.LAST_ADMIN: 409,
    Code.ALREADY_CLAIMED: 409,
    Code.INVITE_INVALID: 404,
    Code.CORRUPT_RECORD: 500,
    Code.PERSIST_FAILED: 503,
    Code.INVALID_JSON: 400,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.CLAIM_MISMATCH: 403,
    Code.ACCOUNT_FORBIDDEN: 403,
    Code.INTERNAL: 500,
}


class CountersignError(Exception):
    """The root: `message` is written for the person who reads it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Refusal(CountersignError):
    """A guard or a rule said no. Nothing was changed by the refused step.

    `details` holds machine-readable facts, such as `current_status`; `retry_after_s` tells when trying
    again can help, None where it cannot.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        retry_after_s: float | None = None,
        **details: str | int | None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after_s = retry_after_s
        self.details: Mapping[str, str | int | None] = details

    @property
    def http_status(self) -> int:
        """The HTTP status that this code is answered with."""
        return HTTP_STATUS[self.code]


class InvalidInput(Refusal):
    """Input the caller can mend: `field` is where, `given` what, `allowed` what would be right."""

    def __init__(self, *, field: str, given: str, allowed: str, code: Code = Code.INVALID_INPUT) -> None:
        shown = given if len(given) <= 80 else given[:79] + "…"
        super().__init__(
            code, f"{field}: {shown!r} does not fit; {allowed}", field=field, given=shown, allowed=allowed
        )
        self.field = field
        self.given = shown
        self.allowed = allowed


class ToolError(CountersignError):
    """A tool failed. `error_class` is a stable word for statistics; `unclear` says that the effect may
    have happened all the same, so that a person must look before anything is tried again; `transient` that
    nothing of it can have, or that repeating is harmless, so that an idempotent tool may be tried again by
    itself, not before `retry_after_s` where that is given."""

    def __init__(
        self,
        message: str,
        *,
        error_class: str = "tool_error",
        unclear: bool = False,
        transient: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.unclear = unclear
        self.transient = transient
        self.retry_after_s = retry_after_s


class CorruptRecord(CountersignError):
    """A stored row cannot be read. Names the table, the row and the column, never the content."""

    def __init__(self, table: str, row_id: str, column: str) -> None:
        super().__init__(f"The stored record {table}/{row_id} cannot be read ({column}); it was set aside.")
        self.table = table
        self.row_id = row_id
        self.column = column


class ConfigError(CountersignError):
    """The configuration is wrong: the message names the key, the value, what is allowed and where."""


class StorageUnavailable(CountersignError):
    """The unit of work was not committed and left nothing behind; where that is `unknown`, it may have been.
    Trying again is safe either way."""

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown
