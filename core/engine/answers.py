"""What verbs answer, and how a refusal is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.errors import Refusal
from core.model import Approval, Outcome, Principal, ToolCall
from core.ports import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A guard or a rule said no. It is in the audit; nothing else changed."""

    refusal: Refusal
    call: ToolCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """The call as recorded. `repeated` says that it was there already, from the same message or key."""

    call: ToolCall
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The call after a vote. `repeated` says that this vote had been given before and changed nothing."""

    call: ToolCall
    approval: Approval
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """An interrupted call that a person settled; `again` is the new call, where one was asked for."""

    call: ToolCall
    outcome: Outcome
    again: Proposed | Refused | None = None


def refused(
    records: Records,
    refusal: Refusal,
    *,
    verb: str,
    by: Principal,
    now: datetime,
    call: ToolCall | None = None,
) -> Refused:
    """Records the refusal in the call's chain (or the caller's, or the system's) and gives it back."""
    records.audit.append(
        "refused",
        tenant_id=call.tenant_id if call else by.tenant,
        account_id=call.account_id if call else None,
        actor=by.actor,
        call_id=call.id if call else None,
        content={"verb": verb, "code": refusal.code.value, "channel": by.channel.value},
        now=now,
    )
    return Refused(refusal=refusal, call=call)
