"""Where a call's cards go: the requester's chat, and the people who are asked to sign."""

from __future__ import annotations

from core.engine.env import Env
from core.ids import CardId
from core.lifecycle import Status
from core.model import Card, Channel, Conversation, ToolCall
from core.policy.evaluate import eligible
from core.ports import Records


def route(records: Records, call: ToolCall, conversation: Conversation, *, env: Env) -> None:
    """Adds the cards of a new call, or those still missing, and queues them.

    A call that needs no signature is one line in the requester's chat. One that does is a card there, with
    copies to those who may sign: none are sent where the requester may sign alone, so that nobody is asked
    for trifles.
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
    if call.status is Status.PROPOSED and not call.verdict.self_approval:
        for chat in signers_chats(records, call, env=env):
            _add(
                records,
                call,
                env=env,
                chat=chat,
                thread=None,
                reply_to=None,
                private=chat != env.approvers_chat,
                line=False,
            )
    records.outbox.card(call)


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


def signers_chats(records: Records, call: ToolCall, *, env: Env) -> list[int]:
    """The chats in which somebody who may sign can be reached."""
    if env.approvers_chat is not None and not call.verdict.named:
        return [env.approvers_chat]
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
