"""Putting a reply into the outbox, in the transaction of what it tells."""

from __future__ import annotations

from datetime import datetime

from bot.telegram.outgoing import DOCUMENT, SHOW, Outgoing
from bot.telegram.render.message import Document, Shown
from bot.telegram.turn import Turn
from core.ids import TenantId
from core.ports import Records


def say(
    records: Records,
    turn: Turn,
    shown: Shown,
    *,
    reply_to: int | None = None,
    edit: int | None = None,
    ask: str | None = None,
) -> None:
    """Queues one message of the turn's team to where the turn is; otherwise as `reply`. A card is never
    written over, and nothing is sent instead: a tap names the message that it is on, and may be forged."""
    if edit is not None and records.cards.at(turn.chat.id, edit) is not None:
        return  # what a card shows may be signed by a word, so it follows from what is recorded alone
    reply(
        records,
        turn.tenant(records),
        turn.chat.id,
        shown,
        now=turn.now.wall,
        thread=turn.thread,
        reply_to=reply_to,
        edit=edit,
        ask=ask,
    )


def reply(
    records: Records,
    tenant: TenantId,
    chat: int,
    shown: Shown,
    *,
    now: datetime,
    thread: int | None = None,
    reply_to: int | None = None,
    edit: int | None = None,
    ask: str | None = None,
) -> None:
    """Queues one message to a chat, and the file that goes with it. `edit` replaces that message; `ask`
    opens the reply field."""
    outgoing = Outgoing(shown=shown, thread=thread, reply_to=reply_to, edit=edit, ask=ask)
    records.outbox.message(
        tenant_id=tenant, account_id=None, chat=chat, kind=SHOW, payload=outgoing.payload(), now=now
    )
    if shown.document is not None:
        attach(records, tenant, chat, shown.document, now=now, thread=thread)


def attach(
    records: Records,
    tenant: TenantId,
    chat: int,
    file: Document,
    *,
    now: datetime,
    thread: int | None = None,
) -> None:
    """Queues a file to a chat."""
    records.outbox.message(
        tenant_id=tenant,
        account_id=None,
        chat=chat,
        kind=DOCUMENT,
        payload={
            "name": file.name,
            "content": file.content,
            "caption_html": file.caption_html,
            "thread": thread,
        },
        now=now,
    )
