"""The bot's own place in chats: blocked, added, kicked; and groups that get a new id."""

from __future__ import annotations

from telegram import ChatMemberUpdated, Message
from telegram.constants import ChatMemberStatus

from bot.telegram.render import texts
from bot.telegram.replies import reply
from bot.telegram.turn import Turn, settle
from core.engine.routing import follow_chat, reach
from core.model import Channel
from core.ports import Records

_THERE = {ChatMemberStatus.MEMBER, ChatMemberStatus.ADMINISTRATOR, ChatMemberStatus.OWNER}


async def changed(turn: Turn, change: ChatMemberUpdated) -> None:
    """A person blocked or unblocked the bot; a group added or removed it."""
    here = change.new_chat_member.status in _THERE
    was_here = change.old_chat_member.status in _THERE

    def work(records: Records) -> None:
        if turn.private:
            chat = turn.chat.id if here else None
            records.people.set_private_chat(Channel.TELEGRAM, str(turn.user.id), chat)
            known = records.people.identity(Channel.TELEGRAM, str(turn.user.id))
            if known is not None:
                reach(records, known.person_id, now=turn.now, env=turn.front.env)
        elif here and not was_here:
            settle(records, turn)  # the team's of whoever brought the bot
            shown = texts.hello_group(turn.front.bot_username)
            reply(records, turn.tenant(records), turn.chat.id, shown, now=turn.now.wall)

    await turn.effect("membership", work)


async def migrated(turn: Turn, message: Message) -> None:
    """A group became a supergroup: conversations, cards and what waits follow it."""
    new = message.migrate_to_chat_id

    def work(records: Records) -> None:
        if new is not None:
            follow_chat(records, old=turn.chat.id, new=new, now=turn.now.wall)

    await turn.effect("migrated", work)
    if new is not None:
        turn.front.relay.wake(new)
