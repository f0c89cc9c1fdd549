"""Messages on their way out: how they are kept in the outbox, and what the Bot API is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from bot.telegram.render.message import Button, Shown
from core.digest import Json

SHOW = "show"
DOCUMENT = "document"
END_REPLY = "end_reply"
CARD = "card"
REMINDER = "reminder"
SWITCH = "switch"


class Outgoing(Struct, frozen=True, kw_only=True):
    """One message to a chat that is no card. `edit` names the message that it replaces; `ask` opens the
    reply field with this placeholder, for the person `reply_to` was from."""

    shown: Shown
    thread: int | None = None
    reply_to: int | None = None
    edit: int | None = None
    ask: str | None = None
    silent: bool = False  # it comes without a sound; kept of cards only, whose rows are rendered when sent

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


def keyboard(shown: Shown) -> Json:
    """The buttons as the Bot API takes them; None where there are none."""
    if not shown.buttons:
        return None
    return {"inline_keyboard": [[_button(button) for button in row] for row in shown.buttons]}


def markup(outgoing: Outgoing) -> Json:
    """The buttons, or the open reply field."""
    if outgoing.ask is None:
        return keyboard(outgoing.shown)
    placeholder = outgoing.ask[:64]
    return {
        "force_reply": True,
        "selective": True,
        **({"input_field_placeholder": placeholder} if placeholder else {}),
    }


def _button(button: Button) -> Json:
    style = {"style": button.style} if button.style else {}
    if button.copy:
        return {"text": button.text, "copy_text": {"text": button.copy}, **style}
    if button.url:
        return {"text": button.text, "url": button.url, **style}
    return {"text": button.text, "callback_data": button.data, **style}
