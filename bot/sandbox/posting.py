"""Putting messages into chats, and telling bots and listeners about them."""

from typing import Any

from msgspec.structs import replace

from bot.sandbox.entities import utf16_slice
from bot.sandbox.records import Bot, Chat, Message
from bot.sandbox.views import message_json, seen_json
from bot.sandbox.world import World


def post(world: World, chat: Chat, sender: int, **fields: Any) -> Message:
    """Put a new message into a chat, shown to whoever watches; bots are told by `deliver`."""
    message = world.save_message(
        Message(
            chat=chat.key,
            message_id=world.next_message_id(chat),
            sender=sender,
            date=world.date(),
            **fields,
        )
    )
    show(world, message)
    return message


def change(world: World, message: Message, **fields: Any) -> Message:
    """Change a message, shown to whoever watches."""
    message = world.save_message(replace(message, **fields))
    show(world, message)
    return message


def show(world: World, message: Message) -> None:
    """Tell the listeners of the event stream."""
    if not world.events.wanted():
        return
    chat = world.chats[message.chat]
    data = {"change": message.change, "chat_id": chat.id, "message": seen_json(world, message)}
    if chat.bot is not None:
        data["bot"] = chat.bot
    world.events.publish("change", message.change, data)


def deliver(world: World, message: Message, kind: str = "message") -> None:
    """Queue a person's message for every bot that may see it; bots never see each other."""
    chat = world.chats[message.chat]
    body = message_json(world, message)
    if chat.bot is not None:
        world.updates.offer(world.bots[chat.bot], kind, body)
        return
    for bot_id in chat.bots:
        if sees(world, world.bots[bot_id], message):
            world.updates.offer(world.bots[bot_id], kind, body)


def sees(world: World, bot: Bot, message: Message) -> bool:
    """Return whether a message in a group passes a bot's privacy mode."""
    if message.service:
        return True
    target = world.message_in(world.chats[message.chat], message.reply_to)
    if target is not None and target.sender == bot.id:
        return True
    return any(_addresses(bot, entity, message.text) for entity in message.entities)


def _addresses(bot: Bot, entity: dict[str, Any], text: str) -> bool:
    word = utf16_slice(text, entity["offset"], entity["length"]).lower()
    if entity["type"] == "bot_command":
        command, _, name = word.partition("@")
        return name == bot.username.lower() if name else entity["offset"] == 0 and bool(command)
    if entity["type"] == "text_mention":
        return bool(entity["user"]["id"] == bot.id)
    return entity["type"] == "mention" and word == f"@{bot.username.lower()}"
