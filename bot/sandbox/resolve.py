"""Who and which chat a request on `/sandbox/*` means, and typed access to its body."""

import math
import re
from typing import Any

from bot.sandbox.errors import ControlError, not_found
from bot.sandbox.records import Bot, Chat, Message, Person
from bot.sandbox.world import World

_NUMBER = re.compile(r"-?[0-9]{1,18}")


class Body:
    """The JSON object of a request; a field of a wrong type is a 400 that names it."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def raw(self, name: str) -> Any:
        """Return a field as it came; None if it did not."""
        return self._values.get(name)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; without a default it must be there."""
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise ControlError(f"{name} must be a text")
        return value

    def number(self, name: str, *, low: float, high: float) -> float | None:
        """Return a finite number between bounds, or None if it was not given."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ControlError(f"{name} must be a number from {low:g} to {high:g}")
        return value

    def integer(self, name: str, *, low: int = 1, high: int = 2**53) -> int | None:
        """Return a whole number between bounds, or None if it was not given."""
        value = self.number(name, low=low, high=high)
        if value is not None and math.floor(value) != value:
            raise ControlError(f"{name} must be a whole number")
        return None if value is None else int(value)

    def message_id(self) -> int:
        """Return `message_id`, which must be there."""
        number = self.integer("message_id")
        if number is None:
            raise ControlError("message_id must be given")
        return number


def reference(value: object, name: str) -> str:
    """Return a key or id as text."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ControlError(f"{name} must be a key or an id")
    return str(value)


def person_of(world: World, value: object, name: str = "from") -> Person:
    """Return the person that a key or id names; 404 where there is none."""
    ref = reference(value, name)
    found = world.person_by(lambda one: ref in (one.key, str(one.id)))
    if found is None:
        known = ", ".join(one.key for one in world.people.values() if not one.gone)
        raise not_found(f"there is no person {ref}; there are: {known}")
    return found


def bot_of(world: World, value: object) -> Bot:
    """Return the bot that an id or username names, by default the first one; 404 where there is none."""
    if not world.bots:
        raise not_found("no bot has been here yet: start one")
    if value is None:
        return next(iter(world.bots.values()))
    ref = reference(value, "bot").removeprefix("@")
    found = next((one for one in world.bots.values() if ref in (str(one.id), one.username)), None)
    if found is None:
        raise not_found(
            f"there is no bot {ref}; there are: {', '.join(b.username for b in world.bots.values())}"
        )
    return found


def chat_of(world: World, value: object, bot: object = None) -> Chat:
    """Return a chat: `group`, an id, or a person's key or id for their private chat with a bot."""
    ref = reference(value, "chat")
    if ref == "group":
        return world.group
    if ref.startswith("-"):
        chat = world.chats.get(ref)
        if chat is None:
            raise not_found(f"there is no chat {ref}")
        return chat
    person = world.person_by(lambda one: ref in (one.key, str(one.id)))
    if person is None:
        raise not_found(f"there is no chat {ref}")
    return world.private_chat(person, bot_of(world, bot))


def chat_id_of(world: World, value: object) -> int:
    """Return the id of a chat that need not be there yet."""
    ref = reference(value, "chat")
    if _NUMBER.fullmatch(ref):
        return int(ref)
    return world.group.id if ref == "group" else person_of(world, ref, "chat").id


def message_of(world: World, chat: Chat, number: int, *, deleted: bool = False) -> Message:
    """Return a message of a chat; 404 where there is none, or it was deleted and that is not wanted."""
    message = world.messages.get(chat.key, {}).get(number)
    if message is None or (message.deleted and not deleted):
        raise not_found(f"there is no message {number} in this chat")
    return message
