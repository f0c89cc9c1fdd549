"""Records as JSON: the way a bot sees them, and the way a person does."""

from typing import Any

from bot.sandbox.entities import to_html
from bot.sandbox.records import Bot, Chat, Json, Message, Person
from bot.sandbox.world import World


def user_json(world: World, user_id: int) -> Json:
    """Return a person or bot as Telegram's User."""
    bot = world.bots.get(user_id)
    if bot is not None:
        return {"id": bot.id, "is_bot": True, "first_name": bot.name, "username": bot.username}
    person = world.people.get(user_id)
    if person is None or person.gone:
        return {"id": user_id, "is_bot": False, "first_name": ""}
    return {
        "id": person.id,
        "is_bot": False,
        **_names(person),
        "username": person.username,
        "language_code": person.language_code,
    }


def _names(person: Person) -> Json:
    first, _, last = person.name.partition(" ")
    return {"first_name": first, "last_name": last} if last else {"first_name": first}


def chat_json(world: World, chat: Chat) -> Json:
    """Return a chat as Telegram's Chat."""
    if chat.person is None:
        return {"id": chat.id, "type": "supergroup", "title": chat.title, "is_forum": True}
    person = world.people[chat.person]
    return {"id": chat.id, "type": "private", **_names(person), "username": person.username}


def message_json(world: World, message: Message, *, embed: bool = True) -> Json:
    """Return a message as Telegram's Message; what it replies to is embedded one level deep."""
    chat = world.chats[message.chat]
    body: Json = {
        "message_id": message.message_id,
        "from": user_json(world, message.sender),
        "chat": chat_json(world, chat),
        "date": message.date,
    }
    if message.edit_date is not None:
        body["edit_date"] = message.edit_date
    if message.thread is not None:
        body |= {"message_thread_id": message.thread, "is_topic_message": True}
    body |= message.content
    if message.text:
        text, entities = ("caption", "caption_entities") if message.has_file else ("text", "entities")
        body[text] = message.text
        if message.entities:
            body[entities] = [_entity_json(world, entity) for entity in message.entities]
    if message.keyboard:
        body["reply_markup"] = {"inline_keyboard": message.keyboard}
    target = world.message_in(chat, message.reply_to)
    if embed and target is not None:
        body["reply_to_message"] = message_json(world, target, embed=False)
    return body


def _entity_json(world: World, entity: Json) -> Json:
    if entity["type"] != "text_mention":
        return entity
    return {**entity, "user": user_json(world, entity["user"]["id"])}


def inaccessible_json(world: World, message: Message) -> Json:
    """Return what a bot gets of a message that is no longer there."""
    return {"message_id": message.message_id, "chat": chat_json(world, world.chats[message.chat]), "date": 0}


def seen_json(world: World, message: Message) -> Json:
    """Return a message as a person sees it."""
    chat = world.chats[message.chat]
    body: Json = {
        "message_id": message.message_id,
        "chat_id": chat.id,
        "from": _author(world, message.sender),
        "date": message.date,
        "text": "",
        "html": "",
        "entities": [],
        "buttons": [],
        "change": message.change,
    }
    if message.edit_date is not None:
        body["edit_date"] = message.edit_date
    if message.thread is not None:
        body["thread"] = message.thread
    if message.reply_to is not None:
        body["reply_to"] = message.reply_to
    if message.deleted:
        return body | {"deleted": True}
    text = service_text(message.content) if message.service else message.text
    body["text"] = text
    body["html"] = to_html(text, message.entities)
    body["entities"] = message.entities
    body["buttons"] = [[seen_button(button) for button in row] for row in message.keyboard]
    return body | _seen_extras(message)


def _author(world: World, user_id: int) -> Json:
    if user_id in world.bots:
        return {"id": user_id, "name": world.bots[user_id].name, "is_bot": True}
    person = world.people.get(user_id)
    if person is None or person.gone:
        return {"id": user_id, "name": "Deleted Account", "is_bot": False}
    return {"id": user_id, "name": person.name, "is_bot": False, "key": person.key}


def seen_button(button: Json) -> Json:
    """Return a button as a person sees it."""
    seen: Json = {"text": button["text"]}
    if "callback_data" in button:
        seen["data"] = button["callback_data"]
    links = [button[kind] for kind in ("web_app", "login_url") if kind in button]
    url = button.get("url") or (links[0]["url"] if links else None)
    if url:
        seen["url"] = url
    if "copy_text" in button:
        seen["copy_text"] = button["copy_text"]["text"]
    if "style" in button:
        seen["style"] = button["style"]
    return seen


def _seen_extras(message: Message) -> Json:
    extras: Json = {}
    document = message.content.get("document")
    if document:
        extras["document"] = {
            "name": document["file_name"],
            "size": document["file_size"],
            "url": f"/sandbox/files/{document['file_id']}",
        }
    photo = message.content.get("photo")
    if photo:
        extras["photo"] = {"url": f"/sandbox/files/{photo[-1]['file_id']}"}
    if message.prompt:
        extras |= _seen_prompt(message.prompt)
    if message.reactions:
        extras["reactions"] = _seen_reactions(message.reactions)
    origin = message.content.get("forward_origin")
    if origin:
        extras["forward_from"] = origin["sender_user"]
    if message.service:
        extras["service"] = True
    return extras


def _seen_reactions(reactions: dict[str, str]) -> list[Json]:
    people: dict[str, list[int]] = {}
    for who, emoji in reactions.items():
        people.setdefault(emoji, []).append(int(who))
    return [{"emoji": emoji, "count": len(ids), "from": ids} for emoji, ids in people.items()]


def _seen_prompt(prompt: Json) -> Json:
    asks = {new: prompt[old] for old, new in _PROMPT_NAMES.items() if old in prompt}
    if prompt.get("force_reply"):
        return {"force_reply": asks}
    if "keyboard" in prompt:
        return {"reply_keyboard": [[button["text"] for button in row] for row in prompt["keyboard"]]}
    return {"remove_keyboard": True}


_PROMPT_NAMES = {"input_field_placeholder": "placeholder", "selective": "selective"}


def service_text(content: Json) -> str:
    """Return a service message in words."""
    joined = content.get("new_chat_members")
    if joined:
        return f"{', '.join(map(_full_name, joined))} joined the group"
    if "left_chat_member" in content:
        return f"{_full_name(content['left_chat_member'])} left the group"
    if "migrate_to_chat_id" in content:
        return "The group moved to a new id"
    return "The group came from an old id"


def _full_name(user: Json) -> str:
    return f"{user['first_name']} {user.get('last_name', '')}".strip()


def person_state(person: Person) -> Json:
    """Return a person for the state."""
    return {
        "key": person.key,
        "id": person.id,
        "name": person.name,
        "username": person.username,
        "blocked": bool(person.blocked),
    }


def bot_state(bot: Bot) -> Json:
    """Return a bot for the state."""
    return {"id": bot.id, "username": bot.username, "name": bot.name}


def chat_state(world: World, chat: Chat) -> Json:
    """Return a chat for the state: `members` are people, `bots` or `bot` the bots in it."""
    if chat.person is None:
        topics = [{"message_thread_id": int(number), "name": name} for number, name in chat.topics.items()]
        return {
            "id": chat.id,
            "key": "group",
            "type": "supergroup",
            "title": chat.title,
            "members": chat.members,
            "bots": chat.bots,
            "topics": topics,
        }
    person = world.people[chat.person]
    return {
        "id": chat.id,
        "key": person.key,
        "type": "private",
        "title": world.bots[chat.bot].name if chat.bot in world.bots else "",
        "members": [person.id],
        "bot": chat.bot,
    }


def state(world: World) -> dict[str, Any]:
    """Return what there is: people, bots, chats and the commands that bots have registered."""
    alive = {person.id for person in world.people.values() if not person.gone}
    chats = [c for c in world.chats.values() if c.migrated_to is None and c.person in {None, *alive}]
    return {
        "people": [person_state(person) for person in world.people.values() if person.id in alive],
        "bots": [bot_state(bot) for bot in world.bots.values()],
        "chats": [chat_state(world, chat) for chat in sorted(chats, key=lambda one: not one.private)],
        "commands": {str(bot.id): list(bot.commands.values()) for bot in world.bots.values()},
        "change": world.change,
        "now": world.clock.now(),
    }
