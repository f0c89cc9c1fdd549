"""Proposing over HTTP: the place that such calls belong to, texts, and a client's own key."""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct

from bot.http.bodies import ProposalBody
from bot.http.callers import Caller
from bot.http.door import Door
from core import guards
from core.digest import Json, sha256_hex
from core.engine import Proposal, Proposed, Refused, propose
from core.engine.answers import refused
from core.engine.facts import caller as facts_of
from core.engine.propose import client_key
from core.errors import Code, InvalidInput, Refusal
from core.ids import ConversationId
from core.model import Channel, Conversation, StartMode, ToolCall
from core.parsing import ParseContext, Reading, Understood, understand
from core.ports import Now, Records

_REQUESTED = "call.requested"


class Wanted(Struct, frozen=True, kw_only=True):
    """What a request asks for: a tool and its arguments, or why it cannot be told."""

    tool: str = ""
    arguments: Mapping[str, Json] | None = None
    problem: Refusal | None = None


async def proposed(
    door: Door, caller: Caller, body: ProposalBody, *, key: str | None, sent: Mapping[str, object]
) -> Proposed | Refused:
    """Records the call, or gives back the one that the same key brought before. `sent` is the whole body: the
    same key with another one is a conflict."""
    now = door.clock.both()
    own_key = None if key is None else f"http:{key}"  # the engine has keys of its own
    wanted = await _wanted(door, caller, body, now=now)
    digest = sha256_hex(json.dumps(sent, sort_keys=True, ensure_ascii=False).encode())

    def work(records: Records) -> Proposed | Refused:
        by = caller.by
        try:
            guards.check(facts_of(records, by=by), guards.ENTRY)
            conversation = _place(records, door, caller, now=now)
            known = None if own_key is None else _known(records, conversation, own_key, digest)
            if known is None and wanted.problem is not None:
                raise wanted.problem
        except Refusal as refusal:
            return refused(records, refusal, verb="propose", by=by, now=now.wall)
        if known is not None:
            return Proposed(call=known, repeated=True)
        proposal = Proposal(
            tool=wanted.tool,
            arguments=wanted.arguments or {},
            conversation=conversation,
            key=own_key,
            start_mode=StartMode(body.start_mode),
        )
        answer = propose(records, proposal, by=by, now=now, env=door.env)
        if isinstance(answer, Proposed) and key is not None:
            _remember(records, answer.call, digest, caller, now=now)
        return answer

    return await door.uow.run("http.propose", work)


async def _wanted(door: Door, caller: Caller, body: ProposalBody, *, now: Now) -> Wanted:
    if (body.text is None) == (body.tool is None) or (body.args is not None and body.tool is None):
        given = ", ".join(sorted(body.model_fields_set)) or "nothing"
        return Wanted(
            problem=InvalidInput(field="text", given=given, allowed="give either text, or tool and args")
        )
    if body.text is None:
        return Wanted(tool=body.tool or "", arguments=body.args or {})
    context = await door.reader.read(lambda records: _context(records, caller, now=now))
    understood = understand(body.text, registry=door.env.registry, context=context)
    if understood.reading is not Reading.PROPOSE:
        return Wanted(problem=_not_clear(body.text, understood))
    best = understood.candidates[0]
    return Wanted(tool=best.tool, arguments=best.arguments)


def _context(records: Records, caller: Caller, *, now: Now) -> ParseContext:
    """What words mean for this person; a tenant that is not there is refused by the guards."""
    tenant = records.people.tenant(caller.claims.tenant)
    person = records.people.person(caller.claims.person)
    return ParseContext(
        now=now.wall,
        timezone=(person and person.timezone) or (tenant.timezone if tenant else "UTC"),
        currency=(person and person.currency) or (tenant.currency if tenant else "EUR"),
    )


def _not_clear(text: str, understood: Understood) -> Refusal:
    """Nobody is there to be asked: what a chat would ask back is told, and nothing is guessed."""
    if understood.problem is not None:
        return understood.problem
    if understood.reading is Reading.ASK:
        best = understood.candidates[0]
        return InvalidInput(field=best.missing[0], given="nothing", allowed=f"{best.tool} needs it")
    named = [each.tool for each in understood.candidates] or list(understood.nearest)
    hint = f"; nearest: {', '.join(dict.fromkeys(named))}" if named else ""
    return InvalidInput(
        field="text", given=text, allowed=f"it must say one thing clearly, or give tool and args{hint}"
    )


def _place(records: Records, door: Door, caller: Caller, *, now: Now) -> Conversation:
    """The conversation of this person with this door, made on first sight: one an account.

    An account's id begins with its tenant's, so that no claim reaches into another tenant.
    """
    claims, account = caller.claims, caller.account
    if not account.startswith(f"{claims.tenant}:"):
        raise Refusal(
            Code.ACCOUNT_FORBIDDEN, f"Accounts of this team have ids that begin with {claims.tenant}:."
        )
    chat = f"{claims.person} {account}"
    found = records.people.conversation_at(claims.tenant, Channel.API, chat, None)
    if found is not None:
        return found
    fresh = Conversation(
        id=ConversationId(door.env.new_id()),
        tenant_id=claims.tenant,
        account_id=account,
        channel=Channel.API,
        chat=chat,
        thread=None,
        private=True,
        owner_id=claims.person,
    )
    records.people.add_conversation(fresh, account_name=account, now=now.wall)
    return fresh


def _known(records: Records, conversation: Conversation, key: str, digest: str) -> ToolCall | None:
    known = records.calls.by_key(conversation.tenant_id, client_key(conversation, key))
    if known is None:
        return None
    for event in records.audit.of_call(known.id):
        if event.kind == _REQUESTED and json.loads(event.content).get("body") == digest:
            return known
    raise Refusal(
        Code.IDEMPOTENCY_CONFLICT,
        "This Idempotency-Key was used with another body. Use a new key for a new call.",
    )


def _remember(records: Records, call: ToolCall, digest: str, caller: Caller, *, now: Now) -> None:
    """What was sent with the key, so that the same can be told from another."""
    records.audit.append(
        _REQUESTED,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        actor=caller.by.actor,
        call_id=call.id,
        content={"body": digest, "channel": caller.by.channel.value},
        now=now.wall,
    )
