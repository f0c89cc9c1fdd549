"""The command menu: what Telegram offers to whom. Cosmetic; every command checks its caller itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
)
from telegram.error import TelegramError

from bot.logs import get_logger
from core.model import Role
from core.registry import ToolRegistry

log = get_logger(__name__)

DESCRIPTIONS: Final = {
    "start": "begin here",
    "help": "what I understand",
    "tools": "everything I can do",
    "pending": "what waits for a signature",
    "history": "what was done",
    "grants": "what passes unasked for a while",
    "schedules": "what is done later, or again and again",
    "policy": "what asks, and whom",
    "call": "one call in full: /call A7F3Q2",
    "audit": "the audit trail: /audit A7F3Q2",
    "webhooks": "which other programs are told",
    "invite": "bring somebody in: /invite approver",
    "members": "who is here",
    "status": "how everything is",
    "pause": "stop what would start: /pause for 1h deploy freeze",
    "resume": "let it start again",
    "whoami": "who you are here",
    "settings": "time zone, currency, replies",
    "team": "for which team you speak",
    "cancel": "leave a question, withdraw or stop: /cancel A7F3Q2",
}
_PRIVATE: Final = (
    "start",
    "help",
    "tools",
    "pending",
    "history",
    "call",
    "grants",
    "schedules",
    "policy",
    "whoami",
    "settings",
    "team",
    "cancel",
)
_GROUP: Final = ("tools", "pending", "help", "cancel")
_ADMIN: Final = (
    *_PRIVATE[:7],
    "audit",
    "status",
    "pause",
    "resume",
    "members",
    "invite",
    "webhooks",
    *_PRIVATE[7:],
)


async def set_general(bot: Bot, registry: ToolRegistry) -> None:
    """Registers the menus that do not depend on the person. Without them the bot works all the same."""
    tools = [BotCommand(tool.command, tool.title[:256]) for tool in registry if tool.command]
    try:
        await bot.set_my_commands([*tools, *_listed(_PRIVATE)], scope=BotCommandScopeAllPrivateChats())
        await bot.set_my_commands([*tools, *_listed(_GROUP)], scope=BotCommandScopeAllGroupChats())
        await bot.set_my_commands(
            [*tools, *_listed((*_GROUP, "history"))], scope=BotCommandScopeAllChatAdministrators()
        )
    except TelegramError as error:
        log.warning("the command menu could not be set", error=str(error))


async def set_for(bot: Bot, registry: ToolRegistry, chat: int, role: Role | None) -> None:
    """The menu of one private chat: admins get theirs, for whoever is none (any more) it is the general one.
    Fails before the person has opened the bot."""
    scope = BotCommandScopeChat(chat)
    try:
        if role is not Role.ADMIN:
            await bot.delete_my_commands(scope=scope)
            return
        tools = [BotCommand(tool.command, tool.title[:256]) for tool in registry if tool.command]
        await bot.set_my_commands([*tools, *_listed(_ADMIN)], scope=scope)
    except TelegramError as error:
        log.warning("the command menu of a chat could not be set", error=str(error))


def _listed(names: Sequence[str]) -> list[BotCommand]:
    return [BotCommand(name, DESCRIPTIONS[name]) for name in names]
