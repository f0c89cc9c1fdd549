"""The keyboards under messages: checked as Telegram checks them, and cut down to what it knows."""

from collections.abc import Callable
from typing import Any, NamedTuple

from bot.sandbox.errors import bad_request

MAX_BUTTONS = 100
MAX_ROW = 8
STYLES = frozenset({"primary", "success", "danger"})

Button = dict[str, Any]
Rows = list[list[Button]]


class Markup(NamedTuple):
    """What a `reply_markup` asks for: an inline keyboard, or a prompt (reply keyboard, ForceReply)."""

    keyboard: Rows
    prompt: dict[str, Any]


NOTHING = Markup([], {})


def read_markup(given: object, *, private: bool) -> Markup:
    """Return a bot's `reply_markup`, or Telegram's 400 for what is wrong with it."""
    if given is None or given == "":
        return NOTHING
    if not isinstance(given, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" in given:
        return Markup(_inline(given["inline_keyboard"], private=private), {})
    if "keyboard" in given:
        return Markup([], _reply_keyboard(given))
    if given.get("force_reply") is True:
        return Markup([], {"force_reply": True, **_prompt_extras(given)})
    if given.get("remove_keyboard") is True:
        return Markup([], {"remove_keyboard": True})
    return NOTHING


def _prompt_extras(given: dict[str, Any]) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    placeholder = given.get("input_field_placeholder")
    if isinstance(placeholder, str) and placeholder:
        if len(placeholder) > 64:
            raise bad_request("reply markup input field placeholder is too long")
        extras["input_field_placeholder"] = placeholder
    if given.get("selective") is True:
        extras["selective"] = True
    return extras


def _reply_keyboard(given: dict[str, Any]) -> dict[str, Any]:
    rows = [[_label(button) for button in row] for row in _rows(given["keyboard"])]
    return {"keyboard": rows, **_prompt_extras(given)}


def _label(button: object) -> dict[str, str]:
    text = button.get("text") if isinstance(button, dict) else button
    if not isinstance(text, str) or not text:
        raise bad_request("can't parse keyboard button: Text must be non-empty")
    return {"text": text}


def _rows(given: object) -> list[list[object]]:
    if not isinstance(given, list) or not all(isinstance(row, list) for row in given):
        raise bad_request(
            'can\'t parse reply keyboard markup JSON object: Field "keyboard" must be of type Array'
        )
    return given


def _inline(given: object, *, private: bool) -> Rows:
    rows = [[_button(button, private=private) for button in row] for row in _rows(given)]
    if sum(map(len, rows)) > MAX_BUTTONS or any(len(row) > MAX_ROW for row in rows):
        raise bad_request("reply markup is too long")
    return [row for row in rows if row]


def _button(given: object, *, private: bool) -> Button:
    if not isinstance(given, dict):
        raise _unreadable("expected an Object")
    text = given.get("text")
    if not isinstance(text, str):
        raise _unreadable('Field "text" must be of type String')
    if not text.strip():
        raise _unreadable("Button text must be non-empty")
    action = next((name for name in _ACTIONS if given.get(name) is not None), None)
    if action is None:
        raise _unreadable("Text buttons are unallowed in the inline keyboard")
    if action == "web_app" and not private:
        raise bad_request("BUTTON_TYPE_INVALID")
    button = {"text": text, action: _ACTIONS[action](given[action])}
    style = given.get("style")
    if style is not None:
        if not isinstance(style, str) or style not in STYLES:
            raise _unreadable("Invalid button style")
        button["style"] = style
    icon = given.get("icon_custom_emoji_id")
    return button | ({"icon_custom_emoji_id": icon} if isinstance(icon, str) and icon else {})


def _data(given: object) -> str:
    if not isinstance(given, str) or not 1 <= len(given.encode()) <= 64:
        raise bad_request("BUTTON_DATA_INVALID")
    return given


def _url(given: object) -> str:
    if not isinstance(given, str) or not given.startswith(("http://", "https://", "tg://")):
        raise bad_request(f"inline keyboard button URL '{given}' is invalid: Wrong HTTP URL")
    return given


def _copy(given: object) -> dict[str, str]:
    text = given.get("text") if isinstance(given, dict) else None
    if not isinstance(text, str) or not 1 <= len(text) <= 256:
        raise bad_request("BUTTON_COPY_TEXT_INVALID")
    return {"text": text}


def _web_app(given: object) -> dict[str, str]:
    url = given.get("url") if isinstance(given, dict) else None
    # The real Telegram takes https only; a Mini App under development is on loopback.
    loopback = ("http://127.0.0.1", "http://localhost", "http://[::1]")
    if not isinstance(url, str) or not url.startswith(("https://", *loopback)):
        raise bad_request(
            f"inline keyboard button Web App URL '{url}' is invalid: Only HTTPS links are allowed"
        )
    return {"url": url}


def _login(given: object) -> dict[str, str]:
    return {"url": _url(given.get("url") if isinstance(given, dict) else None)}


def _query(given: object) -> str:
    if not isinstance(given, str):
        raise _unreadable('Field "switch_inline_query" must be of type String')
    return given


_ACTIONS: dict[str, Callable[[object], Any]] = {
    "callback_data": _data,
    "url": _url,
    "copy_text": _copy,
    "web_app": _web_app,
    "login_url": _login,
    "switch_inline_query": _query,
    "switch_inline_query_current_chat": _query,
}


def _unreadable(text: str) -> Exception:
    return bad_request(f"can't parse inline keyboard button: {text}")
