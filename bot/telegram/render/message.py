"""What rendering gives back: HTML that Telegram takes, buttons, and a file where a message is too small."""

from __future__ import annotations

from collections.abc import Sequence
from html import unescape
from re import compile as pattern
from typing import Final

from msgspec import Struct

from bot.telegram.buttons import CallButton, Verb
from core.model import ToolCall

MESSAGE_MOST: Final = 4096
"""UTF-16 units of a message after parsing; Telegram takes no more."""
ALERT_MOST: Final = 200
"""Characters of the answer to a tap."""

SUCCESS: Final = "success"
DANGER: Final = "danger"
PRIMARY: Final = "primary"

_TAG: Final = pattern(r"<[^>]*>")


class Button(Struct, frozen=True, kw_only=True):
    """A button under a message. Exactly one of `data`, `copy` (puts text on the clipboard) and `url` is set;
    `style` is "success", "danger", "primary" or ""."""

    text: str
    data: str = ""
    style: str = ""
    copy: str = ""
    url: str = ""


Rows = tuple[tuple[Button, ...], ...]


class Document(Struct, frozen=True, kw_only=True):
    """A file that goes with a message: `content` is text, `caption_html` is at most 1,024 after parsing.
    `about` is a digest of what it holds, by which it is sent once; "" where that is what is to be signed."""

    name: str
    content: str
    caption_html: str
    about: str = ""


class Shown(Struct, frozen=True, kw_only=True):
    """A message as it is to be sent, at most MESSAGE_MOST after parsing.

    `complete`: every argument of the call stands in `html`, in full. Where it does not, `document` carries
    them; it is None where they are nobody else's business there (a group), or where nothing is to be signed.
    """

    html: str
    buttons: Rows = ()
    complete: bool = True
    document: Document | None = None


def on_call(text: str, verb: Verb, call: ToolCall, *, style: str = "") -> Button:
    """A button about today's revision of a call."""
    return Button(text=text, data=CallButton(verb, call.id, call.revision).encode(), style=style)


def in_rows(buttons: Sequence[Button], *, per_row: int) -> Rows:
    """The buttons in their order, so many a row."""
    return tuple(tuple(buttons[at : at + per_row]) for at in range(0, len(buttons), per_row))


def units(text: str) -> int:
    """The length of plain text as Telegram counts it: in UTF-16 units."""
    return len(text) + sum(map(_ASTRAL.__lt__, text)) if not text.isascii() else len(text)


_ASTRAL: Final = "\uffff"


def parsed_units(html: str) -> int:
    """The length of HTML of ours after parsing, in UTF-16 units."""
    return units(unescape(_TAG.sub("", html)))
