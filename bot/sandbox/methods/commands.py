"""The menu of commands that a bot registers."""

import re
from typing import Any

from msgspec.structs import replace

from bot.sandbox.errors import bad_request
from bot.sandbox.methods.call import Call
from bot.sandbox.records import Json

_WIDE = frozenset({"default", "all_private_chats", "all_group_chats", "all_chat_administrators"})
_NARROW = frozenset({"chat", "chat_administrators", "chat_member"})


def set_my_commands(call: Call) -> bool:
    """Register commands for a scope and language; an empty list removes them."""
    given = call.params.tree("commands")
    if given is None:
        given = []
    if not isinstance(given, list):
        raise bad_request("expected an Array of BotCommand")
    if len(given) > 100:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    read = [_command(one) for one in given]
    return _keep(call, read)


def delete_my_commands(call: Call) -> bool:
    """Remove the commands of a scope and language."""
    return _keep(call, [])


def get_my_commands(call: Call) -> list[Json]:
    """Return the commands of exactly this scope and language."""
    entry = _entry(call)
    found = call.bot.commands.get(_key(entry), {"commands": []})
    commands: list[Json] = found["commands"]
    return commands


def _keep(call: Call, commands: list[Json]) -> bool:
    entry = _entry(call)
    known = call.world.bots[call.bot.id]
    kept = {key: one for key, one in known.commands.items() if key != _key(entry)}
    if commands:
        kept[_key(entry)] = {**entry, "commands": commands}
    call.world.save_bot(replace(known, commands=kept))
    return True


def _command(given: object) -> Json:
    if not isinstance(given, dict):
        raise bad_request("expected an Object of type BotCommand")
    command, description = given.get("command"), given.get("description")
    if not isinstance(command, str) or not re.fullmatch(r"/?[a-z0-9_]{1,32}", command):
        raise bad_request("BOT_COMMAND_INVALID")
    if not isinstance(description, str) or not 1 <= len(description.strip()) <= 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": command.removeprefix("/"), "description": description.strip()}


def _entry(call: Call) -> Json:
    language = call.params.text("language_code")
    if language and not re.fullmatch(r"[a-z]{2}", language):
        raise bad_request("invalid language code specified")
    return {"scope": _scope(call), "language_code": language}


def _scope(call: Call) -> Json:
    given = call.params.tree("scope")
    if given is None:
        return {"type": "default"}
    if not isinstance(given, dict):
        raise bad_request("expected an Object of type BotCommandScope")
    kind = given.get("type")
    if not isinstance(kind, str):
        kind = ""
    if kind in _WIDE:
        return {"type": kind}
    if kind not in _NARROW:
        raise bad_request("can't parse BotCommandScope: Unknown type specified")
    chat = call.world.chat_of(call.bot, given.get("chat_id"))
    if chat.private and not chat.opened and not call.world.rules.bots_may_write_first:
        raise bad_request("chat not found")
    if kind != "chat" and chat.private:
        raise bad_request("can't change commands in this chat by this scope")
    scope: Json = {"type": kind, "chat_id": chat.id}
    if kind == "chat_member":
        user = given.get("user_id")
        if type(user) is not int or not chat.has(user):
            raise bad_request("user not found")
        scope["user_id"] = user
    return scope


def _key(entry: Json) -> str:
    scope: dict[str, Any] = entry["scope"]
    return "/".join(map(str, [*scope.values(), entry["language_code"]]))
