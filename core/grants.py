"""What a grant covers, who may make one, and why one does not count. Says nothing of storage or doors."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from core.digest import Json, canonical
from core.ids import PersonId
from core.lifecycle import Status
from core.model import Grant, PolicyDecision, Risk, Role, ToolCall, Verdict
from core.policy.evaluate import eligible
from core.tool import Tool

AMOUNT: Final = "amount"
"""A field of this name is a ceiling: a grant lets through up to what was granted."""


def scope_fields(tool: Tool) -> tuple[str, ...] | None:
    """The fields whose values a grant is bound to; None where nothing would narrow it, so that there is no
    grant. An amount always belongs to them."""
    fields = tool.input.model_fields
    if not tool.scope:
        return None if fields else ()
    return tool.scope if AMOUNT not in fields or AMOUNT in tool.scope else (*tool.scope, AMOUNT)


def scope_of(tool: Tool, arguments: Mapping[str, Json]) -> dict[str, Json]:
    """What a grant made from these arguments is bound to."""
    return {name: arguments.get(name) for name in scope_fields(tool) or ()}


def grantable(verdict: Verdict, tool: Tool | None, *, risk: Risk) -> bool:
    """Whether a grant can stand for the signature that is asked for: one, of a call that is not critical,
    of a tool whose calls it can be narrowed to."""
    return (
        verdict.decision is PolicyDecision.REQUIRES_APPROVAL
        and verdict.count == 1
        and risk is not Risk.CRITICAL
        and tool is not None
        and scope_fields(tool) is not None
    )


def offer_of(call: ToolCall, tool: Tool | None, *, person: PersonId | None, role: Role | None) -> bool:
    """Whether this person may let calls like this one through for a while: who may sign it alone may.
    `person` None: whether anybody may, for a card that several read."""
    if call.status is not Status.PROPOSED or call.undo_of is not None:
        return False
    if not grantable(call.verdict, tool, risk=call.risk):
        return False
    return person is None or eligible(call.verdict, requester=call.requester_id, person=person, role=role)


def why_not(
    grant: Grant, call: ToolCall, tool: Tool, verdict: Verdict, *, risk: Risk, role: Role | None
) -> str:
    """Why this grant does not let the call through, as a sentence; "" where it does.

    `verdict` and `risk` are today's, `role` the granter's today. A grant counts for what was proposed while
    it was valid, and until it is revoked.
    """
    by = f"The grant by {grant.granted_by_name}"
    if grant.revoked_at is not None:
        return f"{by} that let it through was revoked."
    if not grant.created_at <= call.created_at < grant.expires_at:
        return f"{by} was not valid when this was asked for."
    if not _covers(grant, call, tool):
        return f"{by} does not cover this."
    if not grantable(verdict, tool, risk=risk):
        return f"{by} is not enough any more: {_asked(verdict, risk)}."
    if not eligible(verdict, requester=call.requester_id, person=grant.granted_by, role=role):
        return f"{grant.granted_by_name}, who granted this, may not sign it any more."
    return ""


def _asked(verdict: Verdict, risk: Risk) -> str:
    if risk is Risk.CRITICAL:
        return "it is of critical risk now"
    return f"policy asks for {verdict.count} signatures now"


def _covers(grant: Grant, call: ToolCall, tool: Tool) -> bool:
    """Whether the call is of the kind that was granted."""
    here = grant.conversation_id in (None, call.conversation_id)
    same = (grant.tenant_id, grant.tool, grant.definition_hash, grant.requester_id) == (
        call.tenant_id,
        call.tool,
        call.definition_hash,
        call.requester_id,
    )
    return here and same and call.undo_of is None and _within(grant.scope, scope_of(tool, call.arguments))


def _within(granted: Mapping[str, Json], asked: Mapping[str, Json]) -> bool:
    """Whether all values are the granted ones. Fields that were not scope then, or are not now, are none."""
    return granted.keys() == asked.keys() and all(
        canonical(value) == canonical(granted[name]) or (name == AMOUNT and _at_most(value, granted[name]))
        for name, value in asked.items()
    )


def _at_most(asked: Json, ceiling: Json) -> bool:
    amount, most = _number(asked), _number(ceiling)
    return amount is not None and most is not None and 0 <= amount <= most


def _number(value: Json) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return None
    return number if number.is_finite() else None
