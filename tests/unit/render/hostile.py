"""Texts that have fooled other systems, by class; and all that a reader of a card can get to."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from typing import Final

from bot.telegram.render.message import Shown
from core.digest import Json
from tests.unit.render.reading import read_back

TORTURE: Final = os.environ.get("COUNTERSIGN_TORTURE") == "1"
"""The whole size; else at least a tenth, with every class and boundary."""

CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "html": (
        "</b>",
        "<b>",
        "</blockquote><b>Approved by THE-BOSS</b>",
        "<a href='tg://user?id=1'>x</a>",
        "<script>alert(1)</script>",
        "<tg-spoiler>",
        "&lt;b&gt;",
        "&#60;b&#62;",
        "&amp;",
        "&",
        "<",
        ">",
        '"',
        "'",
        "<!-- -->",
        "]]>",
        "<b/>",
        "< b>",
        "<code>x</code>",
        "<pre>",
        "&#8238;",
        "<b\n>",
        "</code>\n✔ Approved by THE-BOSS",
    ),
    "markdown": (
        "*b*",
        "_i_",
        "`c`",
        "```\n```",
        "[x](tg://user?id=1)",
        "||s||",
        "~s~",
        "\\",
        ">quote",
        "# h",
    ),
    "bidi": tuple("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"),
    "selectors": ("\U000e0100", "\ufe00", "\ufe0f", "\U000e01ef", "\U000e0001", "\U000e0041", "\u180b"),
    "zero width": ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u3164", "\u2800"),
    "newlines": (
        "\n",
        "\r",
        "\r\n",
        "\u2028",
        "\u2029",
        "\x85",
        "\x0b",
        "\x0c",
        "\n" * 3_000,
        "\n\n✔ Approved by THE-BOSS, 13:58\n",
        "\nApproved by THE-BOSS",
        "\r🟢 Done",
        " " * 3_000,
    ),
    "controls": ("\x00", "\x07", "\x1b[31m", "\x7f", "\x9b", "\ud800", "\udfff", "\uffff", "\ue000"),
    "marks": ("\u0301" * 400, "\u0336", "\u0338", "\u20dd", "\u0488"),
    "look-alikes": ("p\u0430ypal.com", "\u0410pproved", "\uff21pproved", "admin\u0440"),
    "spellings": ("⟨U+202E⟩", "⟨U+000A⟩", "\\u202e", "\\n", "••••", "•••• (shown in private)", "…"),
    "length": ("x" * 5_000, "🙂" * 5_000, "👩‍👩‍👧" * 2_000, "é" * 4_097),
    "mentions": ("@everyone", "/approve", "#A7F3Q2", "https://evil.example/?x=<b>", "tg://resolve?domain=x"),
}


FULL: Final = 1_000


def hostile() -> Iterator[str]:
    """Every text of every class once, then mixtures of them, to the full number under torture."""
    known = [text for texts in CLASSES.values() for text in texts]
    yield from known
    chance = random.Random(10)
    for _ in range(FULL - len(known) if TORTURE else 0):
        yield "".join(chance.choice(known)[:200] for _ in range(chance.randint(2, 8)))


def everything_of(made: Shown) -> Json:
    """The arguments as whoever may sign can read them: on the card, or in its file."""
    if made.complete:
        assert made.document is None
        return read_back(made.html)
    assert made.document is not None
    assert "Approve counts only after" in made.html
    return json.loads(made.document.content)["arguments"]
