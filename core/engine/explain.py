"""Asking policy without proposing anything: why a call was or would be decided as it is. Nothing changes."""

from __future__ import annotations

from collections.abc import Mapping

from core.digest import Json, args_digest
from core.engine.env import Env
from core.engine.facts import assessed, policy_facts, risk_today
from core.errors import Code, Refusal
from core.ids import PersonId
from core.model import Conversation, ToolCall
from core.policy.explain import Explanation, explain
from core.ports import Now, Records
from core.registry import validate


def explain_call(records: Records, call: ToolCall, *, now: Now, env: Env) -> Explanation:
    """How today's policy decides a recorded call, for the requester's role of today.

    Raises Refusal `tool_not_found` where its tool is gone, `not_found` where its conversation is.
    """
    tool = env.registry.get(call.tool)
    conversation = records.people.conversation(call.conversation_id)
    if conversation is None:
        raise Refusal(Code.NOT_FOUND, f"Where call #{call.short_id} was asked for is not known any more.")
    digest = args_digest(call.tool, call.tool_version, call.arguments)
    facts = policy_facts(
        records,
        tool=tool,
        risk=risk_today(records, call, tool, digest=digest, env=env),
        tenant_id=call.tenant_id,
        requester=call.requester_id,
        arguments=call.arguments,
        title=call.title,
        conversation=conversation,
        now=now.wall,
        env=env,
    )
    return explain(env.policy(), facts)


def explain_wish(
    records: Records,
    *,
    tool: str,
    arguments: Mapping[str, Json],
    requester: PersonId,
    conversation: Conversation,
    now: Now,
    env: Env,
) -> Explanation:
    """How today's policy would decide this, if the requester asked for it there.

    Raises Refusal `tool_not_found`, `invalid_input`, `tenant_unknown`.
    """
    wanted = env.registry.get(tool)
    typed = validate(wanted, arguments)
    tenant = records.people.tenant(conversation.tenant_id)
    if tenant is None:
        raise Refusal(Code.TENANT_UNKNOWN, "There is no such team.")
    facts = policy_facts(
        records,
        tool=wanted,
        risk=assessed(wanted, typed, currency=tenant.currency),
        tenant_id=tenant.id,
        requester=requester,
        arguments=typed.model_dump(mode="json"),
        title=wanted.preview(typed).title,
        conversation=conversation,
        now=now.wall,
        env=env,
    )
    return explain(env.policy(), facts)
