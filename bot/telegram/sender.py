"""One message to Telegram, and what its answer means for us."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import Struct
from telegram import Bot, ReplyParameters
from telegram.constants import ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, NetworkError, RetryAfter, TelegramError

from bot.telegram.api import Api
from bot.telegram.outgoing import Outgoing, keyboard, markup, sent_anew
from bot.telegram.render.message import Document, Shown

_NO_PREVIEW: Final = {"is_disabled": True}
_TAG: Final = re.compile(r"<[^>]*>")


class Delivered(Struct, frozen=True):
    """The message is there (or was as it should be already)."""

    message_id: int


class Later(Struct, frozen=True):
    """Not now: try again after so many seconds. `throttled`: Telegram told us to write less."""

    seconds: float
    throttled: bool = False


class Moved(Struct, frozen=True):
    """The chat has a new id."""

    chat: int


class Gone(Struct, frozen=True):
    """It can never arrive: the chat is closed to us. `blocked`: by the person."""

    reason: str
    blocked: bool


Answer = Delivered | Later | Moved | Gone


class Sender:
    """Sends and edits. `retry_s` is the wait after an answer that says nothing of when to try again."""

    def __init__(self, bot: Bot, *, retry_s: float = 1.0) -> None:
        self._bot = bot
        self._api = Api(bot)
        self._retry_s = retry_s

    async def put(self, chat: int, outgoing: Outgoing, *, anew: bool = True) -> Answer:
        """Sends a message, or replaces the one it names; sends it `anew` where that one is gone, else it is
        `Gone`."""
        try:
            return await self._tried(lambda: self._put(chat, outgoing))
        except BadRequest as error:
            if outgoing.edit is not None and anew and _cannot_edit(error):
                return await self.put(chat, sent_anew(outgoing))
            if "not modified" in error.message.lower() and outgoing.edit is not None:
                return Delivered(outgoing.edit)
            return await self._plainly(chat, outgoing, error)

    async def document(
        self, chat: int, document: Document, *, thread: int | None, reply_to: int | None
    ) -> Answer:
        """Sends a file."""
        try:
            return await self._tried(lambda: self._document(chat, document, thread, reply_to))
        except BadRequest as error:
            return Gone(error.message, blocked=False)

    async def _document(self, chat: int, document: Document, thread: int | None, reply_to: int | None) -> int:
        sent = await self._bot.send_document(
            chat,
            document.content.encode(),
            filename=document.name,
            caption=document.caption_html,
            parse_mode=ParseMode.HTML,
            message_thread_id=thread,
            reply_parameters=None if reply_to is None else ReplyParameters(**_reply(reply_to)),
        )
        return sent.message_id

    async def _put(self, chat: int, outgoing: Outgoing) -> int:
        """The number of the message."""
        shown = outgoing.shown
        if outgoing.edit is None:
            sent = await self._api.call(
                "sendMessage",
                chat_id=chat,
                text=shown.html,
                parse_mode=ParseMode.HTML.value,
                link_preview_options=_NO_PREVIEW,
                message_thread_id=outgoing.thread,
                disable_notification=outgoing.silent or None,
                reply_parameters=None if outgoing.reply_to is None else _reply(outgoing.reply_to),
                reply_markup=markup(outgoing),
            )
            return _number(sent)
        edited = await self._api.call(
            "editMessageText",
            chat_id=chat,
            message_id=outgoing.edit,
            text=shown.html,
            parse_mode=ParseMode.HTML.value,
            link_preview_options=_NO_PREVIEW,
            reply_markup=keyboard(shown),
        )
        return _number(edited)

    async def _plainly(self, chat: int, outgoing: Outgoing, error: BadRequest) -> Answer:
        """A message whose formatting Telegram refuses is sent without it: better plain than never."""
        if "parse entities" not in error.message.lower():
            return _gone(error)
        shown = outgoing.shown
        text = html.unescape(_TAG.sub("", shown.html))
        plain = Outgoing(
            shown=Shown(html=html.escape(text, quote=False), buttons=shown.buttons),
            thread=outgoing.thread,
            reply_to=outgoing.reply_to,
            edit=outgoing.edit,
            silent=outgoing.silent,
        )
        try:
            return await self._tried(lambda: self._put(chat, plain))
        except BadRequest as again:
            return _gone(again)

    async def _tried(self, send: Callable[[], Awaitable[int]]) -> Answer:
        try:
            return Delivered(await send())
        except RetryAfter as error:
            after = error.retry_after
            seconds = after if isinstance(after, int | float) else after.total_seconds()
            return Later(float(seconds), throttled=True)
        except ChatMigrated as error:
            return Moved(error.new_chat_id)
        except Forbidden as error:
            return Gone(error.message, blocked=True)
        except BadRequest:
            raise
        except TelegramError:
            # A time-out may hide a delivery. A card shown twice is still one call; one never shown hangs.
            return Later(self._retry_s)


def _gone(error: BadRequest) -> Gone:
    return Gone(error.message, blocked="chat not found" in error.message.lower())


def _cannot_edit(error: BadRequest) -> bool:
    text = error.message.lower()
    return "to edit not found" in text or "can't be edited" in text


def _number(message: object) -> int:
    """The number of the message that the Bot API answered with."""
    number = message.get("message_id") if isinstance(message, dict) else None
    if not isinstance(number, int):
        raise NetworkError("Invalid server response")
    return number


def _reply(message_id: int) -> dict[str, Any]:
    return {"message_id": message_id, "allow_sending_without_reply": True}
