"""Proposing a call: validated, judged, recorded, shown. Nothing runs here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from core import guards
from core.approvals import bound_to
from core.digest import Json, args_digest, canonical, consent_digest, sha256_hex
from core.engine.answers import Proposed, Refused, refused
from core.engine.breakers import cut_off
from core.engine.change import reply_at_end, tell, write_unrun_outcome
from core.engine.env import Env
from core.engine.facts import assessed, caller, facts_of_today, judge
from core.engine.pins import preview_of
from core.engine.readable import live_grants
from core.engine.routing import route, with_reach
from core.errors import Code, InvalidInput, Refusal
from core.grants import grantable, why_not
from core.ids import CallId, RunId, fresh_id
from core.lifecycle import ENDS, Status
from core.model import (
    Conversation,
    Grant,
    PolicyDecision,
    Principal,
    Risk,
    StartMode,
    ToolCall,
    Verdict,
)
from core.ports import Now, Records
from core.registry import validate
from core.tool import Tool, ToolInput

_STATUS = {
    PolicyDecision.ALLOW: Status.PENDING,
    PolicyDecision.REQUIRES_APPROVAL: Status.PROPOSED,
    PolicyDecision.DENY: Status.DENIED,
}


class Proposal(Struct, frozen=True, kw_only=True):
    """What somebody wants done. `place` is the call's position in its message; `key` a client's own
    Idempotency-Key, where there is no message."""

    tool: str
    arguments: Mapping[str, Json]
    conversation: Conversation
    message: int | None = None
    place: int = 0
    key: str | None = None
    start_mode: StartMode = StartMode.AUTO
    retry_of: CallId | None = None
    undo_of: CallId | None = None
    risk: Risk | None = None  # an undo's own; None: the tool says
    title: str = ""  # an undo's own; "": the tool's preview says
    run_id: RunId | None = None  # the run that it is a step of, recorded before
    step: int | None = None


def propose(records: Records, proposal: Proposal, *, by: Principal, now: Now, env: Env) -> Proposed | Refused:
    """Records a call: allowed, waiting for a signature, or denied by policy, as today's policy says.

    Proposed again with the same key, gives the first call back. Refusals: the entry guards,
    `tool_not_found`, `invalid_input`, `idempotency_conflict`.
    """
    try:
        call, known = drafted(records, proposal, by=by, now=now, env=env)
    except Refusal as refusal:
        return refused(records, refusal, verb="propose", by=by, now=now.wall)
    if known is not None:
        return Proposed(call=known, repeated=True)
    tool = env.registry.get(proposal.tool)
    return Proposed(call=_record(records, call, proposal, tool, by=by, now=now, env=env))


def drafted(
    records: Records, proposal: Proposal, *, by: Principal, now: Now, env: Env
) -> tuple[ToolCall, ToolCall | None]:
    """The call as it would be recorded, and the one that was under the same key before, if any. Writes
    nothing. Raises the Refusal that `propose` answers with."""
    guards.check(caller(records, by=by), guards.ENTRY)
    tool = env.registry.get(proposal.tool)
    # An undo carries the original's arguments, which were valid when they were used.
    typed = None if proposal.undo_of else validate(tool, proposal.arguments)
    call = _draft(records, proposal, tool, typed, by=by, now=now, env=env)
    return call, _known(records, call)


def ask_again(records: Records, call: ToolCall, *, by: Principal, now: Now, env: Env) -> Proposed | Refused:
    """A new call with the arguments of one that ended; it goes through policy again. Only its requester asks
    again: the new call is theirs too.

    Refusals: `not_owner`, `not_pending` where the call has not ended, and those of `propose`.
    """
    if by.person != call.requester_id:
        refusal = Refusal(
            Code.NOT_OWNER,
            f"Only {call.requester_name} can ask for this again. You can ask for it in your own words.",
        )
        return refused(records, refusal, verb="ask_again", by=by, now=now.wall, call=call)
    conversation = records.people.conversation(call.conversation_id)
    if call.status not in ENDS or conversation is None or call.undo_of is not None:
        refusal = Refusal(
            Code.NOT_PENDING,
            f"Call #{call.short_id} cannot be asked for again.",
            current_status=call.status.value,
        )
        return refused(records, refusal, verb="ask_again", by=by, now=now.wall, call=call)
    proposal = Proposal(
        tool=call.tool,
        arguments=call.arguments,
        conversation=conversation,
        message=call.source_message,
        key=f"again:{call.id}",
        retry_of=call.id,
    )
    return propose(records, proposal, by=by, now=now, env=env)


def _draft(
    records: Records,
    proposal: Proposal,
    tool: Tool,
    typed: ToolInput | None,
    *,
    by: Principal,
    now: Now,
    env: Env,
) -> ToolCall:
    """The call as it would be recorded, before policy has spoken."""
    tenant = records.people.tenant(proposal.conversation.tenant_id)
    person = None if by.person is None else records.people.person(by.person)
    if tenant is None or person is None or tenant.id != by.tenant:
        raise Refusal(Code.TENANT_MISMATCH, "This conversation belongs to another team.")
    arguments = dict(proposal.arguments) if typed is None else typed.model_dump(mode="json")
    risk = proposal.risk or tool.risk
    if typed is not None:
        risk = assessed(tool, typed, currency=tenant.currency)
    place = proposal.conversation
    preview = (
        None
        if typed is None
        else preview_of(records, tool, typed, tenant_id=tenant.id, account_id=place.account_id)
    )
    call_id, named = _fresh_id(records, proposal, env)
    digest = digest_of(tool, arguments)
    pin = preview.pin if preview else None
    signed = consent_digest(
        call_id=call_id,
        revision=1,
        tenant_id=tenant.id,
        account_id=proposal.conversation.account_id,
        requester_id=person.id,
        conversation_id=proposal.conversation.id,
        args_digest=digest,
        definition_hash=env.registry.definition_hash(tool.name),
        dry_run_pin=bound_to(proposal.undo_of, pin),
    )
    return ToolCall(
        id=call_id,
        short_id=named,
        tenant_id=tenant.id,
        account_id=proposal.conversation.account_id,
        conversation_id=proposal.conversation.id,
        requester_id=person.id,
        requester_name=person.name,
        channel=by.channel,
        tool=tool.name,
        tool_version=tool.version,
        definition_hash=env.registry.definition_hash(tool.name),
        arguments=arguments,
        args_digest=digest,
        title=proposal.title or (preview.title if preview else tool.title),
        dry_run_pin=pin,
        revision=1,
        consent_digest=signed,
        status=Status.PROPOSED,
        risk=risk,
        verdict=Verdict(decision=PolicyDecision.DENY, rule="", reason=""),
        idempotency_key=_key(proposal, digest),
        start_mode=proposal.start_mode,
        created_at=now.wall,
        expires_at=None,
        start_by=None,
        version=1,
        attempts=0,
        changed_at=now.wall,
        note="",
        retry_of=proposal.retry_of,
        undo_of=proposal.undo_of,
        source_message=proposal.message,
        run_id=proposal.run_id,
        step=proposal.step,
    )


def digest_of(tool: Tool, arguments: Mapping[str, Json]) -> str:
    """The args digest. Raises InvalidInput for a value that has no canonical form."""
    try:
        return args_digest(tool.name, tool.version, arguments)
    except ValueError:
        raise InvalidInput(
            field="arguments",
            given="a value that has no canonical form",
            allowed="numbers are below 9007199254740992 in size, text is whole Unicode",
        ) from None


def _fresh_id(records: Records, proposal: Proposal, env: Env) -> tuple[CallId, str]:
    """An id, and a short form of it that is free in the tenant: longer where it is crowded."""
    tenant = proposal.conversation.tenant_id

    def taken(named: str) -> bool:
        return records.calls.by_short_id(tenant, named) is not None

    call_id, named = fresh_id(env.new_id, taken=taken)
    return CallId(call_id), named


def _key(proposal: Proposal, digest: str) -> str | None:
    """The idempotency key: of the message and the call's place in it, or the client's own."""
    if proposal.key is not None:
        return client_key(proposal.conversation, proposal.key)
    if proposal.message is None:
        return None
    told = {"message": str(proposal.message), "place": str(proposal.place), "args": digest}
    return _scoped_key(proposal.conversation, told)


def client_key(conversation: Conversation, key: str) -> str:
    """The idempotency key of what was proposed there under a client's own key."""
    return _scoped_key(conversation, {"client": key})


def _scoped_key(conversation: Conversation, told: Mapping[str, str]) -> str:
    scope = {"tenant": conversation.tenant_id, "conversation": conversation.id}
    return f"assistant:propose:v1:{sha256_hex(canonical({**scope, **told}))}"


def _known(records: Records, call: ToolCall) -> ToolCall | None:
    if call.idempotency_key is None:
        return None
    known = records.calls.by_key(call.tenant_id, call.idempotency_key)
    if known is not None and known.args_digest != call.args_digest:
        raise Refusal(
            Code.IDEMPOTENCY_CONFLICT,
            "This Idempotency-Key was used for another call. Use a new key for a new call.",
        )
    return known


def _grant_for(records: Records, call: ToolCall, tool: Tool, verdict: Verdict, *, now: Now) -> Grant | None:
    """The oldest valid grant that lets the call through; none is looked for where none could."""
    if call.undo_of is not None or not grantable(verdict, tool, risk=call.risk):
        return None
    live = live_grants(records, call.tenant_id, now=now.wall, tool=call.tool, requester=call.requester_id)
    return next((each for each in live if not _fault(records, each, call, tool, verdict)), None)


def _fault(records: Records, grant: Grant, call: ToolCall, tool: Tool, verdict: Verdict) -> str:
    role = records.people.role(call.tenant_id, grant.granted_by)
    return why_not(grant, call, tool, verdict, risk=call.risk, role=role)


def _spend(records: Records, call: ToolCall, grant: Grant, *, now: Now) -> None:
    """Counts the call, and says in its chain what it was let through by."""
    records.grants.spend(grant.id)
    records.audit.append(
        "grant.spent",
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        actor=grant.granted_by,
        call_id=call.id,
        content={
            "grant": grant.id,
            "granted_from": grant.call_id,
            "used": grant.used + 1,
            "digest": call.consent_digest,
        },
        now=now.wall,
    )


def _record(
    records: Records, call: ToolCall, proposal: Proposal, tool: Tool, *, by: Principal, now: Now, env: Env
) -> ToolCall:
    verdict = judge(
        records,
        tool=tool,
        risk=call.risk,
        call=call,
        conversation=proposal.conversation,
        now=now.wall,
        env=env,
    )
    grant = _grant_for(records, call, tool, verdict, now=now)
    if grant is not None:
        verdict = replace(verdict, grant=grant.id)
    status = _STATUS[verdict.decision] if grant is None else Status.PENDING
    waits = timedelta(seconds=verdict.expires_after_s)
    call = replace(
        call,
        status=status,
        verdict=verdict,
        expires_at=now.wall + waits if status is Status.PROPOSED else None,
        start_by=now.wall + env.limits.start_within if status is Status.PENDING else None,
    )
    call = with_reach(records, call, proposal.conversation, now=now.wall, env=env)
    records.calls.insert(call)
    route(records, call, proposal.conversation, env=env)
    content: dict[str, Json] = {
        "tool": call.tool,
        "risk": call.risk.value,
        "args_digest": call.args_digest,
        "decision": verdict.decision.value,
        "rule": verdict.rule,
        "facts": facts_of_today(records, call, proposal.conversation),
    }
    if call.undo_of or call.retry_of:
        content |= {"undo_of": call.undo_of, "retry_of": call.retry_of}
    tell(records, call, status.value, by=by, now=now.wall, content=content)
    if status is Status.PENDING and cut_off(records, call, tool) is not None:
        records.outbox.card(call, held=True)  # a plain line waits for a result, which is not soon
    if grant is not None:
        _spend(records, call, grant, now=now)
    if status is Status.DENIED:
        error = f"Policy denied this: {verdict.reason} ({verdict.rule})."
        write_unrun_outcome(records, call, now=now.wall, error=error, error_class="policy_denied")
        reply_at_end(
            records,
            call,
            now=now.wall,
            after_s=env.limits.reply_after.total_seconds(),
            decided_by=call.requester_id,
        )
    return call
