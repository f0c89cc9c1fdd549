"""The guards: one ordered list of checks before any execution, whatever the front door.

`gather` reads the facts once, inside the transaction that will act on them; each check is a plain function
over these facts. From the thirteenth on they are about the moment alone: what they refuse stays pending, and
is started once they let it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from core.adapters import Carrier, Unavailable
from core.approvals import Tally, why_unsigned
from core.errors import Code, Refusal
from core.lifecycle import Status, in_words
from core.limits import Limited, Window
from core.model import Conversation, PolicyDecision, Principal, Role, Switch, Tenant, ToolCall, Verdict
from core.policy.evaluate import eligible
from core.switches import seconds_left
from core.tool import Tool


class Facts(Struct, frozen=True, kw_only=True):
    """What the checks look at, all of it as it is now.

    `tenant` and `role` are of the caller's tenant; `role_in_call_tenant` is the caller's in the call's own.
    `today` is today's verdict, `digest` the consent digest of the call's fields as they are, `tally` the
    votes that count under both; None where there is no call, or nobody asked for them. `grant_fault` says
    why the grant that let the call through does not count today, "" where it does, None where there is none.
    `held` is the kill switch that stops it `at` this time, `windows` are the rate limits that it counts for,
    `limited` one of them that is full.
    """

    by: Principal
    tenant: Tenant | None
    role: Role | None
    call: ToolCall | None
    role_in_call_tenant: Role | None
    conversation: Conversation | None
    tool: Tool | None
    definition_hash: str | None
    today: Verdict | None
    tally: Tally | None
    digest: str | None = None
    grant_fault: str | None = None
    shown: bool = False  # the caller was shown this call in a chat they are in
    at: datetime | None = None
    held: Switch | None = None
    windows: tuple[Window, ...] = ()
    limited: Limited | None = None
    carrier: Carrier | Unavailable | None = None  # what would carry the call; None where nobody asked

    @property
    def known_call(self) -> ToolCall:
        """The call, for checks after the sixth."""
        if self.call is None:
            raise LookupError("checks from 7 on run only for a call that was found")
        return self.call


def _authenticated(facts: Facts) -> None:
    if facts.by.person is None and not facts.by.is_system:
        raise Refusal(Code.UNAUTHENTICATED, "I do not know who you are. Please sign in first.")


def _tenant_given(facts: Facts) -> None:
    if facts.by.tenant is None and not facts.by.is_system:
        raise Refusal(Code.TENANT_REQUIRED, "Please say for which team this is.")


def _tenant_known(facts: Facts) -> None:
    if facts.tenant is None:
        raise Refusal(Code.TENANT_UNKNOWN, "There is no such team here.")


def _tenant_active(facts: Facts) -> None:
    if facts.tenant is not None and not facts.tenant.active:
        raise Refusal(Code.TENANT_INACTIVE, "This team is switched off, so nothing runs for it.")


def _member(facts: Facts) -> None:
    if not facts.by.is_system and facts.role is None:
        raise Refusal(Code.NOT_A_MEMBER, "You have no access here. Ask an admin for an invite.")


def _found(facts: Facts) -> None:
    if facts.call is None:
        raise not_found()
    shown = facts.shown and facts.role_in_call_tenant is not None
    if not shown and not visible(facts.call, by=facts.by, role=facts.role_in_call_tenant):
        raise not_found()


def _pending(facts: Facts) -> None:
    call = facts.known_call
    if call.status is not Status.PENDING:
        raise Refusal(
            Code.NOT_PENDING,
            f"Call #{call.short_id} {in_words(call.status)}.",
            current_status=call.status.value,
        )


def _owner(facts: Facts) -> None:
    if facts.by.is_system:
        return
    owner = facts.conversation.owner_id if facts.conversation else None
    if facts.by.person in (owner, facts.known_call.requester_id):
        return
    if not (facts.role_in_call_tenant and facts.role_in_call_tenant.includes(Role.APPROVER)):
        raise Refusal(Code.NOT_OWNER, "Only the person who asked, an approver or an admin may start this.")


def _same_tenant(facts: Facts) -> None:
    call = facts.known_call
    if not call.tenant_id:
        raise Refusal(
            Code.PROPOSAL_MISSING_TENANT_CONTEXT, "This call does not say which team it belongs to."
        )
    if not facts.by.is_system and call.tenant_id != facts.by.tenant:
        raise Refusal(Code.TENANT_MISMATCH, "This call belongs to another of your teams. Switch to it first.")


def _tool_known(facts: Facts) -> None:
    call = facts.known_call
    if facts.tool is None:
        raise Refusal(
            Code.TOOL_NOT_FOUND, f"The tool {call.tool!r} does not exist here any more.", tool=call.tool
        )


def _policy_allows(facts: Facts) -> None:
    call, today = facts.known_call, facts.today
    if call.verdict.decision is PolicyDecision.DENY:
        raise Refusal(Code.POLICY_FORBIDS, f"Policy denied this: {call.verdict.reason}.")
    if today is None or today.decision is PolicyDecision.DENY:
        reason = "it cannot be evaluated" if today is None else f"{today.reason} ({today.rule})"
        raise Refusal(Code.POLICY_FORBIDS, f"Today's policy denies this: {reason}.")


def _approved(facts: Facts) -> None:
    call = facts.known_call
    if call.consent_digest != facts.digest:
        raise Refusal(Code.APPROVAL_INVALID, "The call was changed after it was recorded.")
    if facts.definition_hash != call.definition_hash:
        raise Refusal(Code.APPROVAL_INVALID, f"The tool {call.tool!r} has changed since this was signed.")
    today = facts.today
    if today is None:
        raise Refusal(Code.APPROVAL_INVALID, "Today's policy cannot be evaluated.")
    if today.decision is PolicyDecision.ALLOW or facts.grant_fault == "":
        return
    if facts.tally is None or not facts.tally.complete:
        why = facts.grant_fault or why_unsigned(call, today, facts.tally)
        raise Refusal(Code.APPROVAL_INVALID, why)


def _adapter_available(facts: Facts) -> None:
    if isinstance(facts.carrier, Unavailable):
        raise unavailable(facts.carrier)


def _not_paused(facts: Facts) -> None:
    switch = facts.held
    if switch is None:
        return
    raise Refusal(
        Code.PAUSED,
        f"Paused by {switch.by_name}: {switch.reason}. The call waits, and is taken once the pause ends.",
        retry_after_s=None if facts.at is None else seconds_left(switch, now=facts.at),
        reason=switch.reason,
        until=None if switch.until is None else switch.until.isoformat(),
    )


def _under_limits(facts: Facts) -> None:
    limited = facts.limited
    if limited is not None:
        seconds = math.ceil(limited.retry_after_s)
        window = limited.window
        raise Refusal(
            Code.RATE_LIMITED,
            f"The limit of {window.limit} for {window.whose} is reached. The call waits; the next one may "
            f"start in {seconds} s.",
            retry_after_s=limited.retry_after_s,
            limit=window.limit,
            limit_of=window.whose,
        )


GUARDS: Final[Sequence[Callable[[Facts], None]]] = (
    _authenticated,  # 1
    _tenant_given,  # 2
    _tenant_known,  # 3
    _tenant_active,  # 4
    _member,  # 5
    _found,  # 6
    _pending,  # 7
    _owner,  # 8
    _same_tenant,  # 9
    _tool_known,  # 10
    _policy_allows,  # 11
    _approved,  # 12
    _not_paused,  # 13
    _under_limits,  # 14
    _adapter_available,  # 15
)
ENTRY: Final = GUARDS[:5]
"""The checks of who is there at all, for every verb that is not an execution."""


def check(facts: Facts, guards: Sequence[Callable[[Facts], None]] = GUARDS) -> None:
    """Runs the guards in their order. Raises the first one's Refusal."""
    for guard in guards:
        guard(facts)


def visible(call: ToolCall, *, by: Principal, role: Role | None) -> bool:
    """Whether this principal, with this role in the call's tenant, may know of the call: a member of their
    own calls, an approver also of those they may decide, an admin of the tenant's, each within their
    accounts."""
    if by.is_system:
        return True
    if role is None or (by.account_ids is not None and call.account_id not in by.account_ids):
        return False
    if call.requester_id == by.person or role.includes(Role.ADMIN):
        return True
    asks = call.verdict.decision is PolicyDecision.REQUIRES_APPROVAL
    return (
        asks
        and by.person is not None
        and eligible(call.verdict, requester=call.requester_id, person=by.person, role=role)
    )


def unavailable(found: Unavailable) -> Refusal:
    """All adapters of a call are cut off."""
    return Refusal(
        Code.ADAPTER_UNAVAILABLE,
        f"{found.adapter} does not answer at the moment. It is tried again by itself, and then this runs.",
        retry_after_s=found.retry_after_s,
        adapter=found.adapter,
    )


def not_found() -> Refusal:
    """The one answer for calls that do not exist and for those the caller may not know of."""
    return Refusal(Code.NOT_FOUND, "There is no such call here.")
