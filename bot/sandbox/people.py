"""What people do: say, edit, react, tap, block, come and go. Bots are told what Telegram would tell."""

import hashlib
import re
import secrets
from itertools import takewhile

from msgspec.structs import replace

from bot.sandbox.entities import Formatted, finish, utf16_length
from bot.sandbox.errors import ControlError, not_found
from bot.sandbox.files import Upload, document_json, image_of, keep_file, mime_of, photo_json
from bot.sandbox.methods.chats import member_json
from bot.sandbox.posting import change, deliver, post
from bot.sandbox.reactions import ALLOWED, bare
from bot.sandbox.records import Bot, Callback, Chat, Json, Message, Person
from bot.sandbox.rules import CAPTION_LIMIT, TEXT_LIMIT
from bot.sandbox.views import chat_json, inaccessible_json, message_json, user_json
from bot.sandbox.world import World

_FORWARDED = ("document", "photo", "forward_origin")


def say(
    world: World,
    person: Person,
    chat: Chat,
    text: Formatted,
    *,
    reply_to: int | None = None,
    thread: int | None = None,
    file: Upload | None = None,
    forward: Message | None = None,
) -> Message:
    """Send a message as a person; the first one in a private chat opens it for the bot."""
    _check_presence(world, person, chat)
    content: Json = {}
    if forward is not None:
        if not world.chats[forward.chat].has(person.id):
            raise ControlError(f"{person.key} is not in the chat that this is forwarded from")
        content = _forwarded(world, forward)
        text = Formatted(forward.text, forward.entities)
    elif file is not None:
        # What a phone sends as a picture arrives as a photo; any other file as a document.
        photo = mime_of(file).startswith("image/") and image_of(file.content) is not None
        kept = keep_file(world, file, photo=photo)
        content = photo_json(kept) if photo else document_json(kept)
    text = checked_text(text, caption=bool(content))
    target = world.message_in(chat, reply_to)
    if reply_to is not None and target is None:
        raise not_found(f"there is no message {reply_to} to reply to")
    if thread is not None and str(thread) not in chat.topics:
        raise not_found(f"there is no topic {thread}; there are: {', '.join(chat.topics) or 'none'}")
    if thread is None and target is not None:
        thread = target.thread
    if chat.private and not chat.opened:
        chat = world.save_chat(replace(chat, opened=True))
    message = post(
        world,
        chat,
        person.id,
        text=text.text,
        entities=text.entities,
        content=content,
        reply_to=reply_to,
        thread=thread,
    )
    deliver(world, message)
    return message


def _forwarded(world: World, original: Message) -> Json:
    if original.service or original.content.get("has_protected_content"):
        raise ControlError("this message cannot be forwarded: it is a service message, or protected")
    content = {name: original.content[name] for name in _FORWARDED if name in original.content}
    origin = {
        "type": "user",
        "date": original.date,
        "sender_user": user_json(world, original.sender),
    }
    return {"forward_origin": origin} | content


def checked_text(text: Formatted, *, caption: bool) -> Formatted:
    """Return a person's text as it is sent, or refuse an empty or too long one."""
    text = finish(text)
    if not text.text and not caption:
        raise ControlError("text is empty")
    limit = CAPTION_LIMIT if caption else TEXT_LIMIT
    if utf16_length(text.text) > limit:
        raise ControlError(f"text is longer than {limit} characters")
    return text


def _check_presence(world: World, person: Person, chat: Chat) -> None:
    if not chat.has(person.id):
        raise ControlError(f"{person.key} is not in this chat")
    if chat.migrated_to is not None:
        raise ControlError(f"the group has moved to {chat.migrated_to}")
    if chat.bot is not None and chat.bot in person.blocked:
        raise ControlError(f"{person.key} has blocked the bot; unblock it first")


def edit(world: World, person: Person, message: Message, text: Formatted) -> Message:
    """Change a person's own message."""
    _check_presence(world, person, world.chats[message.chat])
    if message.sender != person.id or message.service:
        raise ControlError(f"message {message.message_id} is not a message of {person.key}")
    text = checked_text(text, caption=message.has_file)
    edited = change(world, message, text=text.text, entities=text.entities, edit_date=world.date())
    deliver(world, edited, "edited_message")
    return edited


def react(world: World, person: Person, message: Message, emoji: str) -> Message:
    """Set a person's one reaction to a message; an empty one takes it back."""
    chat = world.chats[message.chat]
    _check_presence(world, person, chat)
    if emoji and bare(emoji) not in ALLOWED:
        raise ControlError(f"{emoji} is no reaction; Telegram has: {' '.join(sorted(ALLOWED))}")
    old, new = message.reactions.get(str(person.id), ""), bare(emoji)
    if old == new:
        return message
    others = {who: what for who, what in message.reactions.items() if who != str(person.id)}
    reacted = change(world, message, reactions=others | ({str(person.id): new} if new else {}))
    update = {
        "chat": chat_json(world, chat),
        "message_id": message.message_id,
        "user": user_json(world, person.id),
        "date": world.date(),
        "old_reaction": [{"type": "emoji", "emoji": old}] if old else [],
        "new_reaction": [{"type": "emoji", "emoji": new}] if new else [],
    }
    for bot in _bots_in(world, chat):
        world.updates.offer(bot, "message_reaction", update)
    return reacted


def _bots_in(world: World, chat: Chat) -> list[Bot]:
    return [world.bots[bot] for bot in ([chat.bot] if chat.bot is not None else chat.bots)]


def press(world: World, person: Person, message: Message, data: str) -> str:
    """Send a bot the callback query of a tap, also a forged one, and return its id.

    A message that is no longer there is told as inaccessible, as when a tap and its deletion cross.
    """
    chat = world.chats[message.chat]
    if not chat.has(person.id):
        raise ControlError(f"{person.key} is not in this chat")
    bot = world.bots.get(message.sender)
    if bot is None:
        raise ControlError(f"message {message.message_id} is not from a bot")
    _forget_old_callbacks(world)
    callback_id = str(secrets.randbits(62) + 1)
    world.save_callback(Callback(id=callback_id, bot=bot.id, at=world.clock.now()))
    world.answers.expect(callback_id)
    instance = int.from_bytes(hashlib.sha256(chat.key.encode()).digest()[:7])
    query = {
        "id": callback_id,
        "from": user_json(world, person.id),
        "message": inaccessible_json(world, message) if message.deleted else message_json(world, message),
        "chat_instance": str(instance),
        "data": data,
    }
    world.updates.offer(bot, "callback_query", query)
    return callback_id


def _forget_old_callbacks(world: World) -> None:
    limit = world.clock.now() - world.rules.answer_window
    # They lie in the order of their time, so the first young one ends the search.
    for old in [one.id for one in takewhile(lambda one: one.at < limit, world.callbacks.values())]:
        del world.callbacks[old]
        world.store.drop("callback", old)


def add_person(world: World, key: str, name: str) -> Person:
    """Let somebody new into the world; they are in no group yet."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,31}", key) or key == "group":
        raise ControlError("a key is 2 to 32 letters a-z, digits or _, and starts with a letter")
    if world.person_by(lambda one: one.key == key):
        raise ControlError(f"there is a person {key} already")
    name = " ".join((name or key.capitalize()).split())[:64]
    number = max(1000, *world.people) + 1
    while number in world.bots:
        number += 1
    username = f"{key}_{number}"
    person = world.save_person(Person(id=number, key=key, name=name, username=username))
    for bot in world.bots.values():
        world.private_chat(person, bot)
    return person


def remove_person(world: World, person: Person) -> Person:
    """Delete somebody's account: they leave the group without a word, and bots can no longer write."""
    group = world.group
    world.save_chat(replace(group, members=[one for one in group.members if one != person.id]))
    return world.save_person(replace(person, gone=True))


def block(world: World, person: Person, bot: Bot, *, blocked: bool) -> Person:
    """Block or unblock a bot, and tell it so."""
    if (bot.id in person.blocked) == blocked:
        return person
    left = [one for one in person.blocked if one != bot.id]
    person = world.save_person(replace(person, blocked=[*left, bot.id] if blocked else left))
    who = user_json(world, bot.id)
    member = {"status": "member", "user": who}
    kicked = {"status": "kicked", "user": who, "until_date": 0}
    old, new = (member, kicked) if blocked else (kicked, member)
    chat = world.private_chat(person, bot)
    world.updates.offer(bot, "my_chat_member", _member_update(world, chat, person.id, old, new))
    return person


def _member_update(world: World, chat: Chat, by: int, old: Json, new: Json) -> Json:
    return {
        "chat": chat_json(world, chat),
        "from": user_json(world, by),
        "date": world.date(),
        "old_chat_member": old,
        "new_chat_member": new,
    }


def join(world: World, chat: Chat, user: int) -> Chat:
    """Let the group's owner add a person or bot."""
    if chat.has(user):
        raise ControlError("they are in the group already")
    old = member_json(world, chat, user)
    kicked = [one for one in chat.kicked if one != user]
    if user in world.bots:
        chat = world.save_chat(replace(chat, bots=[*chat.bots, user], kicked=kicked))
    else:
        chat = world.save_chat(replace(chat, members=[*chat.members, user], kicked=kicked))
    _announce(world, chat, user, old, {"new_chat_members": [user_json(world, user)]})
    return chat


def leave(world: World, chat: Chat, user: int) -> Chat:
    """Let the group's owner remove a person or bot."""
    if not chat.has(user):
        raise ControlError("they are not in the group")
    old = member_json(world, chat, user)
    chat = world.save_chat(
        replace(
            chat,
            members=[one for one in chat.members if one != user],
            bots=[one for one in chat.bots if one != user],
            kicked=[*chat.kicked, user],
        )
    )
    _announce(world, chat, user, old, {"left_chat_member": user_json(world, user)})
    return chat


def _announce(world: World, chat: Chat, user: int, old: Json, content: Json) -> None:
    owner = chat.owner or user
    update = _member_update(world, chat, owner, old, member_json(world, chat, user))
    if user in world.bots:
        world.updates.offer(world.bots[user], "my_chat_member", update)
    for bot in _bots_in(world, chat):
        if bot.id != user:
            world.updates.offer(bot, "chat_member", update)
    deliver(world, post(world, chat, owner, content=content, service=True))


def migrate(world: World, chat: Chat) -> Chat:
    """Move the group to a new id, as when Telegram upgrades one; the old id is only good for an error."""
    new_id = min(one.id for one in world.chats.values()) - 1
    by = chat.owner or chat.members[0]
    new = world.save_chat(replace(chat, key=str(new_id), id=new_id))
    world.next(f"message:{new_id}")
    last = post(world, chat, by, content={"migrate_to_chat_id": new_id}, service=True)
    deliver(world, last)
    world.save_chat(replace(chat, migrated_to=new_id))
    deliver(world, post(world, new, by, content={"migrate_from_chat_id": chat.id}, service=True))
    return new
