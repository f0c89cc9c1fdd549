"""Records to reason about without a database."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from core.approvals import consent_digest_of
from core.digest import args_digest
from core.ids import AccountId, CallId, ConversationId, PersonId, TenantId
from core.lifecycle import Status
from core.model import (
    Approval,
    Attempt,
    Channel,
    Membership,
    PolicyDecision,
    Risk,
    Role,
    StartMode,
    ToolCall,
    Verdict,
    Vote,
)
from tests.kit.clock import NOON

CALL = CallId("01890a5d-ac96-774b-bcce-b302099a8057")
ASKS = Verdict(decision=PolicyDecision.REQUIRES_APPROVAL, rule="default for high risk", reason="it is risky")
ALLOWS = replace(ASKS, decision=PolicyDecision.ALLOW)
DENIES = replace(ASKS, decision=PolicyDecision.DENY, rule="never", reason="we do not do that")


def call(**changes: Any) -> ToolCall:
    """A pending call of ann's, with digests that fit its fields unless they are given."""
    fields: dict[str, Any] = {
        "id": CALL,
        "short_id": "9A8057",
        "tenant_id": TenantId("acme"),
        "account_id": AccountId("main"),
        "conversation_id": ConversationId("chat"),
        "requester_id": PersonId("ann"),
        "requester_name": "Ann",
        "channel": Channel.TELEGRAM,
        "tool": "note",
        "tool_version": "1",
        "definition_hash": "d" * 64,
        "arguments": {"text": "tea", "amount": 1},
        "args_digest": "",
        "title": "Note tea",
        "dry_run_pin": None,
        "revision": 1,
        "consent_digest": "",
        "status": Status.PENDING,
        "risk": Risk.HIGH,
        "verdict": ASKS,
        "idempotency_key": None,
        "start_mode": StartMode.AUTO,
        "created_at": NOON,
        "expires_at": None,
        "start_by": None,
        "version": 1,
        "attempts": 0,
        "changed_at": NOON,
        "note": "",
    }
    made = ToolCall(**(fields | changes))
    if not made.args_digest:
        made = replace(made, args_digest=args_digest(made.tool, made.tool_version, made.arguments))
    return made if made.consent_digest else replace(made, consent_digest=consent_digest_of(made))


def approval(of: ToolCall, person: str = "cat", **changes: Any) -> Approval:
    """A signature on this call as it is."""
    fields: dict[str, Any] = {
        "call_id": of.id,
        "tenant_id": of.tenant_id,
        "account_id": of.account_id,
        "revision": of.revision,
        "person_id": PersonId(person),
        "person_name": person.title(),
        "vote": Vote.APPROVED,
        "consent_digest": of.consent_digest,
        "channel": Channel.TELEGRAM,
        "comment": "",
        "at": NOON,
    }
    return Approval(**(fields | changes))


def member(name: str, role: Role = Role.MEMBER) -> Membership:
    return Membership(tenant_id=TenantId("acme"), person_id=PersonId(name), role=role, name=name.title())


def attempt(of: ToolCall, number: int = 1) -> Attempt:
    return Attempt(
        call_id=of.id,
        tenant_id=of.tenant_id,
        account_id=of.account_id,
        number=number,
        worker="w1",
        started_at=NOON,
        lease_until=NOON,
    )
