"""Dry runs: what a call would do to its target as it is now, and that this is still so when it starts."""

from __future__ import annotations

from core.errors import Code, CorruptRecord, InvalidInput, Refusal
from core.ids import AccountId, TenantId
from core.model import PolicyDecision, ToolCall
from core.ports import Records
from core.registry import validate
from core.tool import InspectContext, Preview, Tool, ToolInput

_UNREADABLE = "unreadable"


def preview_of(
    records: Records, tool: Tool, typed: ToolInput, *, tenant_id: TenantId, account_id: AccountId
) -> Preview:
    """What a card says of the call, bound to the state of its target as this transaction sees it. A target
    that cannot be read is a state of its own: the tool will say so when it is run."""
    if tool.inspect is None:
        return tool.preview(typed)
    context = InspectContext(records=records, tenant_id=tenant_id, account_id=account_id)
    try:
        return tool.inspect(typed, context)
    except CorruptRecord:
        return Preview(title=tool.preview(typed).title, pin=_UNREADABLE)


def check(records: Records, call: ToolCall, tool: Tool) -> None:
    """Raises Refusal `approval_invalid` where the target is not what the people who signed were shown.

    What policy or a grant let through unseen has no such people: its tool compares the pin where it writes.
    An undo is bound to the call that it takes back.
    """
    unseen = call.verdict.decision is PolicyDecision.ALLOW or call.verdict.grant is not None
    if tool.inspect is None or unseen or call.undo_of is not None:
        return
    try:
        typed = validate(tool, call.arguments)
    except InvalidInput as invalid:
        raise Refusal(Code.APPROVAL_INVALID, invalid.message) from None
    seen = preview_of(records, tool, typed, tenant_id=call.tenant_id, account_id=call.account_id)
    if seen.pin != call.dry_run_pin:
        target = seen.target or "What this is about"
        raise Refusal(Code.APPROVAL_INVALID, f"{target} was changed after you looked at it.")
