"""Calls in every state, and their cards, checked to be what Telegram takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.telegram.buttons import CallButton, Verb, decode
from bot.telegram.render.card import card, line
from bot.telegram.render.message import Shown
from core.digest import Json, args_digest
from core.ids import AccountId, CallId, ConversationId, GrantId, PersonId, TenantId
from core.lifecycle import Status
from core.model import (
    Approval,
    Attempt,
    CallView,
    Channel,
    Edit,
    Grant,
    Outcome,
    PolicyDecision,
    Risk,
    StartMode,
    ToolCall,
    Verdict,
    Vote,
)
from core.registry import ToolRegistry
from core.tool import Effect, Preview, Tool, ToolContext, ToolInput, ToolResult, Undo
from tests.unit.render.reading import check, text_of

NOW: Final = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
CALL: Final = CallId("01939d5f-0000-7000-8000-0000000a7f3c")
OTHER: Final = CallId("01939d5f-0000-7000-8000-0000000b210d")
TENANT, ACCOUNT, MIA, ANNA = TenantId("t"), AccountId("a"), PersonId("mia"), PersonId("anna")
ENDED: Final = frozenset(
    {
        Status.COMPLETED,
        Status.FAILED,
        Status.TIMED_OUT,
        Status.CANCELLED,
        Status.DENIED,
        Status.EXPIRED,
    }
)


class NoInput(ToolInput):
    """Nothing is validated here."""


async def _run(_: ToolInput, __: ToolContext) -> ToolResult:
    return ToolResult()


async def _undo(_: ToolInput, __: Json, ___: ToolContext) -> ToolResult:
    return ToolResult()


def tool(**changes: Any) -> Tool:
    made: dict[str, Any] = {
        "name": "create_expense",
        "title": "Add an expense",
        "version": "1",
        "description": "Records money spent.",
        "input": NoInput,
        "risk": Risk.LOW,
        "effects": frozenset({Effect.WRITES}),
        "run": _run,
        "preview": lambda _: Preview(title="Add an expense"),
        "undo": Undo(run=_undo),
    }
    return Tool(**{**made, **changes})


TOOL: Final = tool()
LABEL: Final = tool(
    name="print_label", title="Print a label", undo=None, effects=frozenset({Effect.EXECUTES})
)
READING: Final = tool(name="list_tasks", title="List tasks", undo=None, effects=frozenset({Effect.READS}))

VERDICT: Final = Verdict(
    decision=PolicyDecision.REQUIRES_APPROVAL,
    rule="default for high risk",
    reason="high risk needs an approver who is not the requester",
)
ALLOWED: Final = Verdict(
    decision=PolicyDecision.ALLOW, rule="default for low risk", reason="low risk runs at once"
)
ARGUMENTS: Final[Mapping[str, Json]] = {
    "currency": "EUR",
    "amount": "900.00",
    "description": "new desk",
    "category": "",
}


def call(status: Status = Status.PROPOSED, **changes: Any) -> ToolCall:
    arguments = changes.get("arguments", ARGUMENTS)
    name = changes.get("tool", "create_expense")
    made: dict[str, Any] = {
        "id": CALL,
        "short_id": "A7F3Q2",
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "conversation_id": ConversationId("c"),
        "requester_id": MIA,
        "requester_name": "Mia",
        "channel": Channel.TELEGRAM,
        "tool": name,
        "tool_version": "1",
        "definition_hash": "d" * 64,
        "arguments": arguments,
        "args_digest": _digest(name, arguments),
        "title": "Add expense of 900.00 EUR for new desk",
        "dry_run_pin": None,
        "revision": 1,
        "consent_digest": "c" * 64,
        "status": status,
        "risk": Risk.HIGH,
        "verdict": VERDICT,
        "idempotency_key": None,
        "start_mode": StartMode.AUTO,
        "created_at": NOW - timedelta(minutes=5),
        "expires_at": NOW + timedelta(hours=24) if status is Status.PROPOSED else None,
        "start_by": NOW + timedelta(hours=24) if status is Status.PENDING else None,
        "version": 1,
        "attempts": 0,
        "changed_at": NOW - timedelta(minutes=1),
        "note": "",
    }
    return ToolCall(**{**made, **changes})


def _digest(name: str, arguments: Mapping[str, Json]) -> str:
    try:
        return args_digest(name, "1", arguments)
    except ValueError:
        return "e" * 64


def vote(kind: Vote = Vote.APPROVED, **changes: Any) -> Approval:
    made: dict[str, Any] = {
        "call_id": CALL,
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "revision": 1,
        "person_id": ANNA,
        "person_name": "Anna",
        "vote": kind,
        "consent_digest": "c" * 64,
        "channel": Channel.TELEGRAM,
        "comment": "",
        "at": NOW - timedelta(minutes=2),
    }
    return Approval(**{**made, **changes})


def edit(*changes: tuple[str, Json, Json], **more: Any) -> Edit:
    made: dict[str, Any] = {
        "call_id": CALL,
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "revision": 2,
        "person_id": ANNA,
        "person_name": "Anna",
        "changes": changes or (("amount", "1000.00", "900.00"),),
        "at": NOW - timedelta(minutes=3),
    }
    return Edit(**{**made, **more})


def grant(**more: Any) -> Grant:
    made: dict[str, Any] = {
        "id": GrantId("01939d5f-0000-7000-8000-0000000c333c"),
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "tool": "create_expense",
        "definition_hash": "d" * 64,
        "requester_id": MIA,
        "scope": {"currency": "EUR", "amount": "900.00"},
        "conversation_id": None,
        "granted_by": ANNA,
        "granted_by_name": "Anna",
        "call_id": OTHER,
        "created_at": NOW - timedelta(minutes=10),
        "expires_at": NOW + timedelta(minutes=50),
    }
    return Grant(**{**made, **more})


def attempt(number: int = 1) -> Attempt:
    return Attempt(
        call_id=CALL,
        tenant_id=TENANT,
        account_id=ACCOUNT,
        number=number,
        worker="w1",
        started_at=NOW - timedelta(minutes=1),
        lease_until=NOW,
    )


def outcome(status: Status, **changes: Any) -> Outcome:
    made: dict[str, Any] = {
        "call_id": CALL,
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "status": status,
        "result": None,
        "formatted": "",
        "error": None,
        "error_class": None,
        "started_at": NOW - timedelta(minutes=1),
        "completed_at": NOW - timedelta(minutes=1),
        "duration_ms": 4000,
        "attempt_count": 1,
        "worker": "w1",
        "references": {},
    }
    return Outcome(**{**made, **changes})


def view(made: ToolCall, *votes: Approval, **changes: Any) -> CallView:
    """The call as it would be read; with an outcome where its state has one."""
    ran = made.status in {Status.RUNNING, Status.VALIDATING, Status.INTERRUPTED} or made.attempts > 0
    fields: dict[str, Any] = {
        "call": made,
        "approvals": votes,
        "attempts": (attempt(),) if ran else (),
        "outcome": outcome(made.status) if made.status in ENDED else None,
    }
    return CallView(**{**fields, **changes})


def shown(seen: CallView, *, known: Tool | None = TOOL, private: bool = True, **more: Any) -> Shown:
    """The card, checked to be what Telegram takes."""
    registry = ToolRegistry([known] if known else [])
    made = card(seen, tool=known, now=NOW, registry=registry, private=private, **more)
    check(made)
    return made


def in_status(status: Status, **changes: Any) -> CallView:
    return view(call(status, **changes))


def with_arguments(arguments: Mapping[str, Json], **changes: Any) -> CallView:
    return view(call(arguments=arguments, **changes))


SECRET: Final = tool(name="say", title="Say something", sensitive=frozenset({"text"}), undo=None)


def said(seen: CallView, *, known: Tool | None = TOOL, private: bool = True) -> str:
    return text_of(shown(seen, known=known, private=private).html)


def plain_line(seen: CallView, *, known: Tool = TOOL, private: bool = False) -> Shown:
    made = line(seen, tool=known, now=NOW, registry=ToolRegistry([known]), private=private)
    check(made)
    return made


def verbs(made: Shown) -> list[Verb]:
    found = [decode(button.data) for row in made.buttons for button in row]
    assert all(isinstance(one, CallButton) and one.call_id == CALL for one in found)
    return [one.verb for one in found if isinstance(one, CallButton)]


def done(**changes: object) -> CallView:
    ended = outcome(Status.COMPLETED, formatted="Added expense #7: 900.00 EUR for new desk", **changes)
    return view(call(Status.COMPLETED, attempts=1), vote(), outcome=ended)


def failed(error_class: str | None, **changes: object) -> CallView:
    ended = outcome(Status.FAILED, error="It broke.", error_class=error_class, **changes)
    return view(call(Status.FAILED, attempts=1), vote(), outcome=ended)
