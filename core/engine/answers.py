"""What verbs answer, and how a refusal is recorded."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from core.errors import Code, Refusal
from core.ids import TenantId
from core.model import Approval, Edit, Outcome, Principal, ToolCall
from core.ports import Records


class Refused(Struct, frozen=True, kw_only=True):
    """A guard or a rule said no. It is in the audit; nothing else changed."""

    refusal: Refusal
    call: ToolCall | None = None


class Proposed(Struct, frozen=True, kw_only=True):
    """The call as recorded. `repeated` says that it was there already, from the same message or key."""

    call: ToolCall
    repeated: bool = False


class Decided(Struct, frozen=True, kw_only=True):
    """The call after a vote. `repeated` says that this vote had been given before and changed nothing."""

    call: ToolCall
    approval: Approval
    repeated: bool = False


class Edited(Struct, frozen=True, kw_only=True):
    """The call with other arguments, judged anew, and what was changed."""

    call: ToolCall
    edit: Edit


class Marked(Struct, frozen=True, kw_only=True):
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
    """Records the refusal in the call's chain (or the caller's, or the system's) and gives it back; a call
    that the caller may not know of is recorded and not given back."""
    records.audit.append(
        "refused",
        tenant_id=call.tenant_id if call else _known_tenant(records, by),
        account_id=call.account_id if call else None,
        actor=by.actor,
        call_id=call.id if call else None,
        content={"verb": verb, "code": refusal.code.value, "channel": by.channel.value},
        now=now,
    )
    return Refused(refusal=refusal, call=None if refusal.code is Code.NOT_FOUND else call)


def _known_tenant(records: Records, by: Principal) -> TenantId | None:
    """The caller's tenant, if there is one of that id: a made-up one opens no chain."""
    return by.tenant if by.tenant is not None and records.people.tenant(by.tenant) else None
