"""Messages on their way out: how they are kept in the outbox, and what python-telegram-bot is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from telegram import CopyTextButton, ForceReply, InlineKeyboardButton, InlineKeyboardMarkup

from bot.telegram.render.message import Button, Shown
from core.digest import Json

SHOW = "show"
DOCUMENT = "document"
END_REPLY = "end_reply"
CARD = "card"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to a chat that is no card. `edit` names the message that it replaces; `ask` opens the
    reply field with this placeholder, for the person `reply_to` was from."""

    shown: Shown
    thread: int | None = None
    reply_to: int | None = None
    edit: int | None = None
    ask: str | None = None

    def payload(self) -> Mapping[str, Json]:
        """The JSON that the outbox keeps."""
        return {
            "html": self.shown.html,
            "buttons": [
                [
                    {"text": b.text, "data": b.data, "style": b.style, "copy": b.copy, "url": b.url}
                    for b in row
                ]
                for row in self.shown.buttons
            ],
            "thread": self.thread,
            "reply_to": self.reply_to,
            "edit": self.edit,
            "ask": self.ask,
        }


def from_payload(payload: Mapping[str, Any]) -> Outgoing:
    """The message that the outbox kept."""
    buttons = tuple(tuple(Button(**button) for button in row) for row in payload["buttons"])
    return Outgoing(
        shown=Shown(html=payload["html"], buttons=buttons),
        thread=payload["thread"],
        reply_to=payload["reply_to"],
        edit=payload["edit"],
        ask=payload["ask"],
    )


def sent_anew(outgoing: Outgoing) -> Outgoing:
    """The same as a new message, where the one to replace is gone."""
    return replace(outgoing, edit=None)


def keyboard(shown: Shown) -> InlineKeyboardMarkup | None:
    """The buttons as the library takes them; None where there are none."""
    if not shown.buttons:
        return None
    return InlineKeyboardMarkup([[_button(button) for button in row] for row in shown.buttons])


def markup(outgoing: Outgoing) -> InlineKeyboardMarkup | ForceReply | None:
    """The buttons, or the open reply field."""
    if outgoing.ask is not None:
        return ForceReply(selective=True, input_field_placeholder=outgoing.ask[:64] or None)
    return keyboard(outgoing.shown)


def _button(button: Button) -> InlineKeyboardButton:
    style = button.style or None
    if button.copy:
        return InlineKeyboardButton(button.text, copy_text=CopyTextButton(button.copy), style=style)
    if button.url:
        return InlineKeyboardButton(button.text, url=button.url, style=style)
    return InlineKeyboardButton(button.text, callback_data=button.data, style=style)
