"""Changing what was proposed before it is signed: a new revision, judged anew, that nobody has signed yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, cast

from msgspec.structs import replace

from core import guards
from core.approvals import consent_digest_of
from core.digest import Json
from core.engine.answers import Edited, Refused, refused
from core.engine.change import amend, end_unrun, reply_at_end, step
from core.engine.decide import check_open
from core.engine.env import Env
from core.engine.facts import acting, assessed, gather, judge
from core.engine.pins import preview_of
from core.engine.propose import digest_of
from core.engine.routing import route, with_reach
from core.errors import Code, InvalidInput, Refusal
from core.ids import CallId
from core.lifecycle import Status
from core.model import Conversation, Edit, PolicyDecision, Principal, Role, Tenant, ToolCall, Verdict
from core.policy.evaluate import eligible
from core.ports import Now, Records
from core.redaction import masked
from core.registry import validate
from core.tool import Tool, ToolInput

__all__ = ["UNCHANGED", "Edited", "edit", "may_edit"]

UNCHANGED: Final = "nothing was changed"
"""What an edit is refused with where every field has the value already."""

Changes = tuple[tuple[str, Json, Json], ...]
"""(field, before, after) for each argument that differs."""


def edit(
    records: Records,
    *,
    by: Principal,
    call_id: CallId,
    revision: int,
    changes: Mapping[str, Json],
    shown: bool = False,
    now: Now,
    env: Env,
) -> Edited | Refused:
    """Changes arguments of a call that waits for a signature: by its requester, or somebody who may sign it.

    What was signed so far counts no more, and policy judges what it is now: it asks again, lets it through or
    denies it. A field given as None or "" is taken out. Refusals: the entry guards, `not_found`,
    `already_decided`, `stale_revision`, `not_owner`, `tenant_mismatch`, `tool_not_found`, and `invalid_input`
    for an undo, for what does not fit, and where nothing would change.
    """
    facts = gather(records, by=by, call_id=call_id, env=env, shown=shown)
    try:
        guards.check(facts, guards.GUARDS[:6])
        call = facts.known_call
        check_open(records, call, revision, now=now)
        _check_may_edit(call, by, facts.role_in_call_tenant)
        tool, tenant, place = env.registry.get(call.tool), facts.tenant, facts.conversation
        if tenant is None or place is None:
            raise LookupError("a call that passed the guards has a tenant and a conversation")
        typed = validate(tool, _merged(tool, call, changes))
        differs = _differences(call.arguments, typed)
        draft = _renewed(records, call, tool, typed, tenant=tenant, env=env)
        after = _ask_anew(records, call, draft, tool, differs, place=place, by=by, now=now, env=env)
    except Refusal as refusal:
        return refused(records, refusal, verb="edit", by=by, now=now.wall, call=facts.call)
    recorded = _recorded(records, after, differs, by=by, now=now)
    return Edited(call=_settled(records, after, by=by, now=now, env=env), edit=recorded)


def may_edit(call: ToolCall, *, by: Principal, role: Role | None) -> bool:
    """Whether this person, with this role today, may change a call that waits for a signature."""
    if by.person is None or role is None or call.undo_of is not None:
        return False
    if by.person == call.requester_id:
        return True
    return eligible(call.verdict, requester=call.requester_id, person=by.person, role=role)


def _check_may_edit(call: ToolCall, by: Principal, role: Role | None) -> None:
    if call.undo_of is not None:
        raise Refusal(
            Code.INVALID_INPUT,
            "An undo takes back exactly what was done, so it cannot be changed. Deny or cancel it instead.",
        )
    if not may_edit(call, by=by, role=role):
        raise Refusal(
            Code.NOT_OWNER, f"Only {call.requester_name}, or somebody who may sign this, can change it."
        )
    if call.tenant_id != by.tenant:
        raise Refusal(Code.TENANT_MISMATCH, "This call belongs to another of your teams.")


def _merged(tool: Tool, call: ToolCall, changes: Mapping[str, Json]) -> dict[str, Json]:
    """The arguments with the changes in them. Raises InvalidInput for a field that is not there, or that is
    taken out and cannot be missing."""
    fields = tool.input.model_fields
    arguments = dict(call.arguments)
    for name, value in changes.items():
        if name not in fields:
            allowed = f"{tool.name} knows only {', '.join(fields)}"
            raise InvalidInput(field=name, given=str(value), allowed=allowed)
        if value is not None and value != "":
            arguments[name] = value
        elif fields[name].is_required():
            raise InvalidInput(
                field=name, given="nothing", allowed="it is required, so it cannot be left out"
            )
        else:
            arguments.pop(name, None)
    return arguments


def _differences(before: Mapping[str, Json], typed: ToolInput) -> Changes:
    after: dict[str, Json] = typed.model_dump(mode="json")
    found = tuple(
        (name, before.get(name), after.get(name))
        for name in dict.fromkeys([*after, *before])
        if before.get(name) != after.get(name)
    )
    if not found:
        raise InvalidInput(field="changes", given="what it is already", allowed=UNCHANGED)
    return found


def _renewed(
    records: Records, call: ToolCall, tool: Tool, typed: ToolInput, *, tenant: Tenant, env: Env
) -> ToolCall:
    """The call as people would be asked to sign it now, before policy has spoken."""
    arguments = typed.model_dump(mode="json")
    preview = preview_of(records, tool, typed, tenant_id=call.tenant_id, account_id=call.account_id)
    renewed = replace(
        call,
        arguments=arguments,
        args_digest=digest_of(tool, arguments),
        title=preview.title,
        dry_run_pin=preview.pin,
        risk=assessed(tool, typed, currency=tenant.currency),
        revision=call.revision + 1,
        tool_version=tool.version,
        definition_hash=env.registry.definition_hash(tool.name),
        note="",
    )
    return replace(renewed, consent_digest=consent_digest_of(renewed))


def _ask_anew(
    records: Records,
    call: ToolCall,
    draft: ToolCall,
    tool: Tool,
    differs: Changes,
    *,
    place: Conversation,
    by: Principal,
    now: Now,
    env: Env,
) -> ToolCall:
    """Writes the new revision with today's verdict on it. Its time begins anew, and so does whom it asks."""
    judged = judge(records, tool=tool, risk=draft.risk, call=draft, conversation=place, now=now.wall, env=env)
    verdict = replace(judged, escalated=False)
    reached = with_reach(records, replace(draft, verdict=verdict), place, now=now.wall, env=env)
    return amend(
        records,
        call,
        "edited",
        by=by,
        now=now.wall,
        content=_told(differs, tool, reached.verdict),
        expires_at=now.wall + timedelta(seconds=verdict.expires_after_s),
        **{name: getattr(reached, name) for name in _RENEWED},
    )


_RENEWED = (
    "arguments",
    "args_digest",
    "title",
    "dry_run_pin",
    "risk",
    "revision",
    "tool_version",
    "definition_hash",
    "note",
    "consent_digest",
    "verdict",
)


def _told(differs: Changes, tool: Tool, verdict: Verdict) -> dict[str, Json]:
    """What the audit keeps: the changes, without what must not be read there."""
    changes: list[Json] = [
        [name, *(masked({name: value}, tool.sensitive)[name] for value in (before, after))]
        for name, before, after in differs
    ]
    return {"changes": changes, "decision": verdict.decision.value, "rule": verdict.rule}


def _recorded(records: Records, call: ToolCall, differs: Changes, *, by: Principal, now: Now) -> Edit:
    person = acting(records, by)
    recorded = Edit(
        call_id=call.id,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        revision=call.revision,
        person_id=person.id,
        person_name=person.name,
        changes=differs,
        at=now.wall,
    )
    records.edits.add(recorded)
    return recorded


def _settled(records: Records, call: ToolCall, *, by: Principal, now: Now, env: Env) -> ToolCall:
    """The call, asked of whoever may sign it now; or let through or ended, where policy says so."""
    verdict = call.verdict
    if verdict.decision is PolicyDecision.ALLOW:
        content: dict[str, Json] = {"decision": verdict.decision.value, "rule": verdict.rule}
        start_by = now.wall + env.limits.start_within
        return step(
            records,
            call,
            Status.PENDING,
            by=by,
            now=now.wall,
            content=content,
            expires_at=None,
            start_by=start_by,
        )
    if verdict.decision is PolicyDecision.DENY:
        return _denied(records, call, by=by, now=now, env=env)
    place = cast(Conversation, records.people.conversation(call.conversation_id))
    route(records, call, place, env=env)
    records.outbox.card(call)
    return call


def _denied(records: Records, call: ToolCall, *, by: Principal, now: Now, env: Env) -> ToolCall:
    after = end_unrun(
        records,
        call,
        Status.DENIED,
        by=by,
        now=now.wall,
        error=f"Policy denied this: {call.verdict.reason} ({call.verdict.rule}).",
        error_class="policy_denied",
    )
    reply_at_end(
        records, after, now=now.wall, after_s=env.limits.reply_after.total_seconds(), decided_by=by.person
    )
    return after
