"""Reading what guards and policy look at, inside the transaction that acts on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from core import guards
from core.adapters import Carrier
from core.approvals import Tally, consent_digest_of, tally
from core.digest import Json, args_digest
from core.engine.breakers import choose
from core.engine.env import Env
from core.engine.readable import skipping
from core.errors import InvalidInput
from core.grants import why_not
from core.ids import CallId, PersonId, TenantId
from core.limits import Window, limited_by, windows_of
from core.model import Conversation, Person, PolicyDecision, Principal, Risk, Role, Switch, ToolCall, Verdict
from core.policy import Facts as PolicyFacts
from core.policy import evaluate
from core.policy.limits import money_of
from core.ports import Records
from core.registry import validate
from core.switches import as_seen, holding
from core.tool import AssessContext, Tool, ToolInput


def gather(
    records: Records,
    *,
    by: Principal,
    call_id: CallId,
    env: Env,
    shown: bool = False,
    judged: datetime | None = None,
    real: datetime | None = None,
) -> guards.Facts:
    """The facts of one attempt to do something with a call. `judged`: also what policy and the votes say of
    it at this time, which the guards from the eleventh on look at. `real`: also what would carry it then."""
    call = records.calls.get(call_id)
    tenant_id = call.tenant_id if by.is_system and call else by.tenant
    tool = None if call is None else env.registry.find(call.tool)
    today = digest = votes = fault = held = limited = carrier = None
    windows: tuple[Window, ...] = ()
    if judged is not None and call is not None and tool is not None:
        today, digest, votes = _judged(records, call, tool, now=judged, env=env)
        fault = _grant_fault(records, call, tool, today, now=judged, env=env)
        carrier = None if real is None else choose(records, call, tool, real=real, env=env)
        by_adapter = carrier.adapter if isinstance(carrier, Carrier) else tool.adapter
        held = held_by(records, call, tool, adapter=by_adapter, now=judged, env=env)
        windows = windows_for(call, tool, env=env)
        limited = limited_by(records.rates, windows, now=judged)
    return guards.Facts(
        by=by,
        tenant=None if tenant_id is None else records.people.tenant(tenant_id),
        role=_role(records, by),
        call=call,
        role_in_call_tenant=_role_in(records, by, call),
        conversation=None if call is None else records.people.conversation(call.conversation_id),
        tool=tool,
        definition_hash=None if tool is None else env.registry.definition_hash(tool.name),
        today=today,
        digest=digest,
        tally=votes,
        grant_fault=fault,
        shown=shown,
        at=judged,
        held=held,
        windows=windows,
        limited=limited,
        carrier=carrier,
    )


def held_by(
    records: Records, call: ToolCall, tool: Tool, *, adapter: str, now: datetime, env: Env
) -> Switch | None:
    """The kill switch that stops this call on this adapter, as its team may see it. Read once a
    transaction, in which nobody else can pause anything."""
    live = records.switches.live(now=now)
    if not live:
        return None
    found = holding(live, tenant_id=call.tenant_id, tool=tool.name, adapter=adapter)
    return None if found is None else as_seen(found, tenant_id=call.tenant_id, home=env.home)


def windows_for(call: ToolCall, tool: Tool, *, env: Env) -> tuple[Window, ...]:
    """The rate limits that a start of this call counts for."""
    return windows_of(
        env.rates, tenant_id=call.tenant_id, person_id=call.requester_id, tool=tool.name, own=tool.limit
    )


def caller(records: Records, *, by: Principal) -> guards.Facts:
    """The facts of who acts, for what is about no call."""
    return guards.Facts(
        by=by,
        tenant=None if by.tenant is None else records.people.tenant(by.tenant),
        role=_role(records, by),
        call=None,
        role_in_call_tenant=None,
        conversation=None,
        tool=None,
        definition_hash=None,
        today=None,
        tally=None,
    )


def _judged(
    records: Records, call: ToolCall, tool: Tool, *, now: datetime, env: Env
) -> tuple[Verdict, str, Tally]:
    """Today's verdict, the consent digest of the call as it is, the votes that count."""
    as_it_is = args_digest(call.tool, call.tool_version, call.arguments)
    today = verdict_today(records, call, tool, digest=as_it_is, now=now, env=env)
    digest = consent_digest_of(call, as_it_is)
    return today, digest, _tally(records, call, today, digest)


def _grant_fault(
    records: Records, call: ToolCall, tool: Tool, today: Verdict, *, now: datetime, env: Env
) -> str | None:
    """Why the grant that let the call through does not count today; "" where it does, None without one."""
    if call.verdict.grant is None:
        return None
    grant = None
    with skipping(records, now=now):
        grant = records.grants.get(call.verdict.grant)
    if grant is None:
        return "The grant that let it through is not there any more."
    digest = args_digest(call.tool, call.tool_version, call.arguments)
    return why_not(
        grant,
        call,
        tool,
        today,
        risk=risk_today(records, call, tool, digest=digest, env=env),
        role=records.people.role(call.tenant_id, grant.granted_by),
    )


def verdict_today(
    records: Records, call: ToolCall, tool: Tool, *, digest: str, now: datetime, env: Env
) -> Verdict:
    """What today's policy says of a recorded call, for the requester's role today. `digest` is that of the
    arguments as they are."""
    conversation = records.people.conversation(call.conversation_id)
    return judge(
        records,
        tool=tool,
        risk=risk_today(records, call, tool, digest=digest, env=env),
        call=call,
        conversation=conversation,
        now=now,
        env=env,
    )


def risk_today(records: Records, call: ToolCall, tool: Tool, *, digest: str, env: Env) -> Risk:
    """The risk of a recorded call today; critical where it cannot be told any more. It follows from the
    arguments (whose digest is `digest`) and the currency alone, so the registry remembers it."""
    if call.undo_of is not None:
        return _undo_risk(records, call.undo_of, tool, env=env)
    tenant = records.people.tenant(call.tenant_id)
    if tenant is None:
        return call.risk
    known = (tool.name, digest, tenant.currency)
    risk = env.registry.risks.get(known)
    if risk is None:
        risk = env.registry.risks[known] = _risk(tool, call, currency=tenant.currency)
    return risk


def _undo_risk(records: Records, undo_of: CallId, tool: Tool, *, env: Env) -> Risk:
    """What the tool declares, or else the risk of what is taken back: no signature covers what the undo's own
    row says of it."""
    original = records.calls.get(undo_of)
    if tool.undo is None or original is None or original.undo_of is not None:
        return Risk.CRITICAL
    digest = args_digest(original.tool, original.tool_version, original.arguments)
    return tool.undo.risk or risk_today(records, original, tool, digest=digest, env=env)


def _risk(tool: Tool, call: ToolCall, *, currency: str) -> Risk:
    try:
        typed = validate(tool, call.arguments)
    except InvalidInput:
        return Risk.CRITICAL
    return assessed(tool, typed, currency=currency)


def assessed(tool: Tool, typed: ToolInput, *, currency: str) -> Risk:
    """The risk of these arguments; critical where the tool's own assessment breaks: it must not loosen
    anything."""
    try:
        return tool.risk_of(typed, AssessContext(currency=currency))
    except Exception:  # noqa: BLE001 - whatever a tool's code raises
        return Risk.CRITICAL


def judge(
    records: Records,
    *,
    tool: Tool,
    risk: Risk,
    call: ToolCall,
    conversation: Conversation | None,
    now: datetime,
    env: Env,
) -> Verdict:
    """Evaluates the policy over the members and roles of today."""
    if conversation is None:
        return Verdict(
            decision=PolicyDecision.DENY, rule="conversation", reason="its conversation is not known"
        )
    facts = policy_facts(
        records,
        tool=tool,
        risk=risk,
        tenant_id=call.tenant_id,
        requester=call.requester_id,
        arguments=call.arguments,
        title=call.title,
        conversation=conversation,
        now=now,
        env=env,
    )
    verdict = evaluate(env.policy(), facts)
    # That others were asked besides has happened to the call; whom, is for today's policy to say.
    escalated = call.verdict.escalated and verdict.escalate_to is not None
    return replace(verdict, escalated=True) if escalated else verdict


def policy_facts(
    records: Records,
    *,
    tool: Tool,
    risk: Risk,
    tenant_id: TenantId,
    requester: PersonId,
    arguments: Mapping[str, Json],
    title: str,
    conversation: Conversation,
    now: datetime,
    env: Env,
) -> PolicyFacts:
    """What policy may look at, over the members and roles of today."""
    members = records.people.members(tenant_id)
    own = next((member for member in members if member.person_id == requester), None)
    amount, currency = money_of(tool, arguments)
    return PolicyFacts(
        tool=tool.name,
        risk=risk,
        requester=requester,
        role=None if own is None else own.role,
        chat=conversation.chat,
        private=conversation.private,
        members=members,
        channel=conversation.channel,
        arguments=arguments,
        title=title,
        requester_name="" if own is None else own.name,
        tenant=records.people.tenant(tenant_id),
        now=now,
        expires_after_s=int(env.limits.expires_after.total_seconds()),
        amount=amount,
        currency=currency,
    )


def facts_of_today(records: Records, call: ToolCall, conversation: Conversation) -> dict[str, Json]:
    """What policy looks at and the call's row does not keep, for the audit: a later policy is held against
    the facts as they were."""
    role = records.people.role(call.tenant_id, call.requester_id)
    return {
        "role": None if role is None else role.value,
        "members": len(records.people.members(call.tenant_id)),
        "chat": conversation.chat,
        "private": conversation.private,
    }


def acting(records: Records, by: Principal) -> Person:
    """Whoever acts, after the guards let them: there is somebody. Raises LookupError for the dispatcher."""
    person = None if by.person is None else records.people.person(by.person)
    if person is None:
        raise LookupError("only a person who passed the guards does this")
    return person


def _role(records: Records, by: Principal) -> Role | None:
    if by.person is None or by.tenant is None:
        return None
    return records.people.role(by.tenant, by.person)


def _role_in(records: Records, by: Principal, call: ToolCall | None) -> Role | None:
    if by.person is None or call is None:
        return None
    return records.people.role(call.tenant_id, by.person)


def _tally(records: Records, call: ToolCall, today: Verdict, digest: str) -> Tally:
    return tally(
        call,
        today,
        records.approvals.of(call.id),
        digest=digest,
        role_of=lambda person: records.people.role(call.tenant_id, person),
    )
