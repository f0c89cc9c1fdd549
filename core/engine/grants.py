"""Grants: letting later calls like one that is signed through without asking, for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from core import guards
from core.approvals import consent_digest_of, refuse_decider
from core.digest import Json
from core.engine.answers import Refused, refused
from core.engine.decide import already_decided, decide, signers_of
from core.engine.env import Env
from core.engine.facts import acting, caller, gather
from core.engine.readable import live_grants
from core.errors import Code, Refusal
from core.grants import offer_of, scope_of
from core.ids import CallId, GrantId
from core.lifecycle import Status
from core.model import Grant, Principal, Role, ToolCall, Vote
from core.ports import Now, Records
from core.redaction import masked
from core.tool import Tool

__all__ = ["Granted", "Revoked", "Span", "grant", "listed", "offer_of", "revoke"]

Span = Literal["hour", "today", "chat"]
"""An hour; until midnight where the granter is; a week in this conversation only."""
_HOUR: Final = timedelta(hours=1)
_CHAT: Final = timedelta(days=7)


class Granted(Struct, frozen=True, kw_only=True):
    """The call as it was approved, and what lets the next ones through. `repeated` says that it was there
    already."""

    call: ToolCall
    grant: Grant
    repeated: bool = False


class Revoked(Struct, frozen=True, kw_only=True):
    """A grant that lets nothing through any more. `repeated` says that it was revoked before."""

    grant: Grant
    repeated: bool = False


def grant(
    records: Records,
    *,
    by: Principal,
    call_id: CallId,
    revision: int,
    span: Span,
    shown: bool = False,
    now: Now,
    env: Env,
) -> Granted | Refused:
    """Signs the call as `decide` does, and lets later ones like it through for a while. The same once more
    is one grant.

    Refusals: those of `decide`, and `not_grantable` where each such call must be asked for.
    """
    facts = gather(records, by=by, call_id=call_id, env=env, shown=shown)
    try:
        guards.check(facts, guards.GUARDS[:6])
        call = facts.known_call
        known = _known(records, call, by=by, now=now)
        if known is not None:
            return Granted(call=call, grant=known, repeated=True)
        tool = _grantable(records, facts)
    except Refusal as refusal:
        return refused(records, refusal, verb="grant", by=by, now=now.wall, call=facts.call)
    decided = decide(
        records,
        by=by,
        call_id=call_id,
        revision=revision,
        vote=Vote.APPROVED,
        shown=shown,
        now=now,
        env=env,
    )
    if isinstance(decided, Refused):
        return decided
    made = _made(records, call, tool, by=by, span=span, now=now.wall, env=env)
    return Granted(call=decided.call, grant=made)


def _known(records: Records, call: ToolCall, *, by: Principal, now: Now) -> Grant | None:
    """The grant that this person made from this call before. None is looked for while it is unsigned."""
    if call.status is Status.PROPOSED:
        return None
    live = live_grants(records, call.tenant_id, now=now.wall, tool=call.tool, requester=call.requester_id)
    return next((each for each in live if each.call_id == call.id and each.granted_by == by.person), None)


def _grantable(records: Records, facts: guards.Facts) -> Tool:
    """The call's tool, where this person may make a grant from the call. Raises Refusal."""
    call, tool, role = facts.known_call, facts.tool, facts.role_in_call_tenant
    if call.status is not Status.PROPOSED:
        raise already_decided(records, call)
    refusal = refuse_decider(
        call, call.verdict, by=facts.by, role=role, members=lambda: signers_of(records, call)
    )
    if refusal is not None:
        raise refusal
    if tool is None or not offer_of(call, tool, person=facts.by.person, role=role):
        raise Refusal(Code.NOT_GRANTABLE, "Each call like this must be asked for. You can approve this one.")
    if call.consent_digest != consent_digest_of(call):
        raise Refusal(Code.APPROVAL_INVALID, "The call was changed after it was recorded.")
    return tool


def _made(
    records: Records, call: ToolCall, tool: Tool, *, by: Principal, span: Span, now: datetime, env: Env
) -> Grant:
    person = acting(records, by)
    # Who may act in some accounts only cannot let through what comes from others.
    here = span == "chat" or by.account_ids is not None
    made = Grant(
        id=GrantId(env.new_id()),
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        tool=call.tool,
        definition_hash=call.definition_hash,
        requester_id=call.requester_id,
        scope=scope_of(tool, call.arguments),
        conversation_id=call.conversation_id if here else None,
        granted_by=person.id,
        granted_by_name=person.name,
        call_id=call.id,
        created_at=now,
        expires_at=_until(span, now=now, zone=person.timezone or _zone(records, call)),
    )
    records.grants.add(made)
    told: dict[str, Json] = {
        "scope": masked(made.scope, tool.sensitive),
        "conversation": made.conversation_id,
        "span": span,
        "expires_at": made.expires_at.isoformat(),
    }
    _tell(records, made, "made", by=by, now=now, content=told)
    return made


def _zone(records: Records, call: ToolCall) -> str:
    tenant = records.people.tenant(call.tenant_id)
    return "UTC" if tenant is None else tenant.timezone


def _until(span: Span, *, now: datetime, zone: str) -> datetime:
    if span == "hour":
        return now + _HOUR
    if span == "chat":
        return now + _CHAT
    tomorrow = now.astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=ZoneInfo(zone))
    return midnight.astimezone(now.tzinfo)


def revoke(records: Records, *, by: Principal, grant_id: GrantId, now: Now) -> Revoked | Refused:
    """Ends a grant: by who made it, an approver or an admin. What it let through and has not started is
    asked for when it starts.

    Refusals: the entry guards, `not_found`, `not_owner`.
    """
    facts = caller(records, by=by)
    try:
        guards.check(facts, guards.ENTRY)
        found = records.grants.get(grant_id)
        if found is None or not _visible(found, facts):
            raise Refusal(Code.NOT_FOUND, "There is no such grant here.")
        if by.person is None or not (found.granted_by == by.person or _approver(facts)):
            raise Refusal(Code.NOT_OWNER, "Only who made this grant, an approver or an admin may revoke it.")
    except Refusal as refusal:
        return refused(records, refusal, verb="revoke", by=by, now=now.wall)
    if not records.grants.revoke(grant_id, by=by.person, now=now.wall):
        return Revoked(grant=found, repeated=True)
    _tell(records, found, "revoked", by=by, now=now.wall, content={})
    return Revoked(grant=records.grants.get(grant_id) or found)


def listed(records: Records, *, by: Principal, now: Now) -> Sequence[Grant]:
    """The valid grants that this person may know of: a member those that are for their calls or made by
    them, an approver or admin all of the team, each within their accounts."""
    facts = caller(records, by=by)
    if facts.tenant is None or facts.role is None:
        return ()
    live = live_grants(records, facts.tenant.id, now=now.wall)
    return [each for each in live if _visible(each, facts)]


def _visible(found: Grant, facts: guards.Facts) -> bool:
    by = facts.by
    if found.tenant_id != by.tenant:
        return False
    if by.account_ids is not None and found.account_id not in by.account_ids:
        return False
    return _approver(facts) or by.person in (found.requester_id, found.granted_by)


def _approver(facts: guards.Facts) -> bool:
    return facts.role is not None and facts.role.includes(Role.APPROVER)


def _tell(
    records: Records,
    made: Grant,
    kind: str,
    *,
    by: Principal,
    now: datetime,
    content: Mapping[str, Json],
) -> None:
    records.audit.append(
        f"grant.{kind}",
        tenant_id=made.tenant_id,
        account_id=made.account_id,
        actor=by.actor,
        call_id=made.call_id,
        content={
            "grant": made.id,
            "tool": made.tool,
            "requester": made.requester_id,
            "channel": by.channel.value,
            **content,
        },
        now=now,
    )
