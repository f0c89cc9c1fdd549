"""The limit that admins set by a button: amounts up to it run unasked, larger ones never do."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from core.digest import Json
from core.model import PolicyDecision, Risk, Verdict
from core.policy.facts import Facts
from core.policy.rules import Default, Policy
from core.tool import SlotKind, Tool

LIMIT_RULE: Final = "limit set in chat"


def money_of(tool: Tool, arguments: Json) -> tuple[str, str]:
    """The amount and the currency in a tool's arguments; "" for what it has no field for."""
    return _argument(tool, arguments, SlotKind.AMOUNT), _argument(tool, arguments, SlotKind.CURRENCY)


def limited(policy: Policy, facts: Facts) -> Verdict | None:
    """What the limit says of a call; None where there is none, or where it leaves the call to its risk.

    It never speaks of critical calls. What it cannot read, or what is in another currency, is above it.
    """
    tenant = facts.tenant
    if tenant is None or tenant.ask_above is None or not facts.amount or facts.risk is Risk.CRITICAL:
        return None
    default = policy.defaults[facts.risk]
    shown = f"{tenant.ask_above} {tenant.currency}"
    if _within(facts.amount, tenant.ask_above) and facts.currency in ("", tenant.currency):
        return _verdict(
            facts,
            default,
            PolicyDecision.ALLOW,
            f"amounts up to {shown} run at once, as an admin set under /policy",
        )
    if default.decision is not PolicyDecision.ALLOW:
        return None
    reason = f"only amounts up to {shown} run at once, as an admin set under /policy"
    return _verdict(facts, policy.defaults[Risk.MEDIUM], PolicyDecision.REQUIRES_APPROVAL, reason)


def _verdict(facts: Facts, default: Default, decision: PolicyDecision, reason: str) -> Verdict:
    return Verdict(
        decision=decision,
        rule=LIMIT_RULE,
        reason=reason,
        count=default.count,
        self_approval=default.self_approval,
        expires_after_s=facts.expires_after_s,
    )


def _within(amount: str, limit: str) -> bool:
    try:
        return 0 <= Decimal(amount) <= Decimal(limit)
    except InvalidOperation:
        return False


def _argument(tool: Tool, arguments: Json, kind: SlotKind) -> str:
    name = next((name for name, slot in tool.slots.items() if slot.kind is kind), "")
    value = arguments.get(name)
    return "" if value is None or isinstance(value, bool) else str(value)
