"""Finding a button by what a person would say is on it."""

import unicodedata

from bot.sandbox.keyboards import Button, Rows


def _plain(label: str) -> str:
    """Return a label without emoji and case."""
    kept = (char for char in label if unicodedata.category(char) not in {"So", "Sk", "Cf", "Mn", "Me"})
    return " ".join("".join(kept).casefold().split())


def pick(keyboard: Rows, text: str) -> Button | None:
    """Return the button with this label, else the first that contains it; emoji and case do not count."""
    buttons = [button for row in keyboard for button in row]
    wanted = _plain(text)
    if not wanted:
        return next((one for one in buttons if text and text in one["text"]), None)
    exact = [one for one in buttons if _plain(one["text"]) == wanted]
    within = [one for one in buttons if wanted in _plain(one["text"])]
    return next(iter(exact + within), None)


def labels(keyboard: Rows) -> str:
    """Return the labels of a keyboard for an error text."""
    return ", ".join(f"'{button['text']}'" for row in keyboard for button in row) or "none"
