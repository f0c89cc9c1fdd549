"""Where a call's cards go: the requester's chat, and the people who are asked to sign."""

from __future__ import annotations

from datetime import datetime

from core.digest import canonical
from core.engine.env import Env
from core.engine.readable import readable
from core.ids import CardId
from core.lifecycle import ENDS, Status
from core.model import Card, Channel, Conversation, ToolCall
from core.policy.evaluate import eligible
from core.ports import Records

_SURELY_SHOWN_BYTES = 1500
"""Arguments up to this size stand on a card in full, however they are spelt out there."""


def route(records: Records, call: ToolCall, conversation: Conversation, *, env: Env) -> None:
    """Adds the cards of a new call, or those still missing. They are queued as soon as the call is told of.

    A call that needs no signature is one line in the requester's chat. One that does is a card there, with
    copies to those who may sign: none are sent where the requester may sign alone, so that nobody is asked
    for trifles. What a group's card does not show whole goes to each signer in private besides.
    """
    line = call.status in {Status.PENDING, Status.DENIED}
    if conversation.channel is Channel.TELEGRAM:
        _add(
            records,
            call,
            env=env,
            chat=int(conversation.chat),
            thread=conversation.thread,
            reply_to=call.source_message,
            private=conversation.private,
            line=line,
        )
    if call.status is Status.PROPOSED:
        for chat in _copies(records, call, conversation, env=env):
            private = chat != env.approvers_chat
            _add(records, call, env=env, chat=chat, thread=None, reply_to=None, private=private, line=False)


def _copies(records: Records, call: ToolCall, conversation: Conversation, *, env: Env) -> list[int]:
    """The chats, besides the requester's, that this call's card goes to."""
    chats = [] if call.verdict.self_approval else signers_chats(records, call, env=env)
    in_groups = not conversation.private or env.approvers_chat in chats
    if in_groups and not _shown_whole_in_groups(call, env=env):
        chats += [chat for chat in _private_chats(records, call) if chat not in chats]
    return chats


def _shown_whole_in_groups(call: ToolCall, *, env: Env) -> bool:
    tool = env.registry.find(call.tool)
    masked = tool is None or bool(tool.sensitive)
    return not masked and len(canonical(dict(call.arguments))) <= _SURELY_SHOWN_BYTES


def show_here(
    records: Records, call: ToolCall, *, chat: int, thread: int | None, private: bool, env: Env
) -> None:
    """Queues the call's card to be sent to this chat anew, at its end."""
    here = next((card for card in records.cards.of(call.id) if card.chat == chat), None)
    if here is None:
        _add(records, call, env=env, chat=chat, thread=thread, reply_to=None, private=private, line=False)
    else:
        records.cards.send_anew(here)
    records.outbox.card(call)


def follow_chat(records: Records, *, old: int, new: int, now: datetime) -> None:
    """A chat got a new id and left its messages behind: its open cards are sent anew there."""
    records.people.migrate_chat(Channel.TELEGRAM, str(old), str(new))
    for call_id in records.cards.unsent(new):
        call = readable(records, call_id, now=now)
        if call is not None and call.status not in ENDS:
            records.outbox.card(call)


def signers_chats(records: Records, call: ToolCall, *, env: Env) -> list[int]:
    """The chats in which somebody who may sign can be reached."""
    if env.approvers_chat is not None and not call.verdict.named:
        return [env.approvers_chat]
    return _private_chats(records, call)


def _private_chats(records: Records, call: ToolCall) -> list[int]:
    chats = []
    for member in records.people.members(call.tenant_id):
        if eligible(call.verdict, requester=call.requester_id, person=member.person_id, role=member.role):
            for identity in records.people.identities(member.person_id):
                if identity.channel is Channel.TELEGRAM and identity.private_chat is not None:
                    chats.append(identity.private_chat)
    return chats


def _add(
    records: Records,
    call: ToolCall,
    *,
    env: Env,
    chat: int,
    thread: int | None,
    reply_to: int | None,
    private: bool,
    line: bool,
) -> None:
    records.cards.add(
        Card(
            id=CardId(env.new_id()),
            call_id=call.id,
            tenant_id=call.tenant_id,
            account_id=call.account_id,
            chat=chat,
            thread=thread,
            reply_to=reply_to,
            message_id=None,
            private=private,
            line=line,
            shown_version=0,
            shown_digest=None,
        )
    )
