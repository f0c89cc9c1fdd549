"""One call of a bot, with what every method needs of it."""

from collections.abc import Callable

from msgspec import Struct

from bot.sandbox.entities import Formatted, finish
from bot.sandbox.errors import bad_request
from bot.sandbox.formatting import format_text
from bot.sandbox.params import Params
from bot.sandbox.records import Bot, Chat, Message
from bot.sandbox.world import World


class Call(Struct, frozen=True):
    """Who calls, with what, on which world; `alive` tells whether the caller still listens."""

    world: World
    bot: Bot
    params: Params
    alive: Callable[[], bool] = lambda: True

    def chat(self) -> Chat:
        """Return the chat that `chat_id` names, or raise what Telegram says."""
        return self.world.chat_of(self.bot, self.params.raw("chat_id"))

    def message(self, chat: Chat, *, missing: str) -> Message:
        """Return the message that `message_id` names, or raise a 400 with the words for a missing one."""
        message = self.world.message_in(chat, self.params.integer("message_id"))
        if message is None:
            raise bad_request(missing)
        return message

    def formatted(self, name: str, *, entities: str) -> Formatted:
        """Return a text parameter without its markup."""
        given = format_text(
            self.params.text(name),
            parse_mode=self.params.text("parse_mode"),
            entities=self.params.tree(entities),
        )
        return finish(given)
