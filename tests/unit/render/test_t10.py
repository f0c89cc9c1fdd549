"""T10 as far as it is rendering: text that somebody wrote breaks nothing, hides nothing, forges nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest
from msgspec.structs import replace

from bot.telegram.render.card import end_reply, line
from bot.telegram.render.lists import call_details
from bot.telegram.render.message import Shown
from core.lifecycle import Status
from core.live import Progress
from core.model import CallView, Vote
from core.registry import ToolRegistry
from tests.unit.render.hostile import FULL, hostile
from tests.unit.render.kit import (
    ENDED,
    NOW,
    OTHER,
    TOOL,
    VERDICT,
    call,
    edit,
    grant,
    outcome,
    shown,
    view,
    vote,
)
from tests.unit.render.reading import BadHtml, Piece, check, pieces

LONGEST = 5_000
"""Of a text; more than any message holds, in whatever script."""
_BY_GRANT = (Status.PENDING, Status.COMPLETED, Status.FAILED)


def views_of(text: str) -> Iterator[CallView]:
    """Calls in every state in which everything that anybody may write is this text."""
    common: dict[str, Any] = {
        "title": f"Add task: {text}",
        "requester_name": text,
        "note": text,
        "tool": text or "t",
        "tool_version": text,
        "args_digest": "a" * 64,
        "verdict": replace(VERDICT, note=text, reason=text, rule=text),
        "arguments": {text: text, "text": text, "list": [text, {text: text}]},
    }
    votes = [vote(kind, person_name=text, comment=text) for kind in Vote]
    around: dict[str, Any] = {
        "edits": (
            *(edit(("n", None, text), person_name=text) for _ in "ab"),
            edit((text or "f", text, [text]), ("n", None, text), person_name=text),
        ),
        "signers": (text,) * 5,
        "grant": grant(granted_by_name=text),
    }
    for status in Status:
        made = call(status, attempts=1, **common)
        ended = outcome(status, formatted=f"Added: {text}", error=f"No: {text}", error_class=text[:40])
        yield view(made, *votes, outcome=ended if status in ENDED else None, **around)
        if status in _BY_GRANT:
            let_through = replace(made, verdict=replace(made.verdict, grant=grant().id))
            yield view(let_through, outcome=ended if status in ENDED else None, **around)
    yield view(call(Status.COMPLETED, undo_of=OTHER, **common), outcome=outcome(Status.COMPLETED, error=text))


def test_t10_hostile_text_is_harmless_on_every_card() -> None:
    registry = ToolRegistry([TOOL])
    tried = 0
    for text in (text[:LONGEST] for text in hostile()):
        cards, others = set[Shown](), set[Shown]()
        for seen in views_of(text):
            cards |= {
                shown(seen, private=True, progress=Progress(0.5, text, (text,))),
                shown(seen, private=False),
            }
            others |= {
                line(seen, tool=TOOL, now=NOW, registry=registry, private=True),
                end_reply(seen),
                call_details(seen, tool=TOOL, now=NOW, registry=registry, private=True),
            }
        for one in others:
            check(one)  # as the cards were when they were made
        for one in cards | others:
            no_forged_line(one)
            nothing_hidden(one)
        tried += 1
    print(f"T10: {tried}/{FULL} texts, on every card in every state, 0 forged lines, 0 hidden characters")


_OURS = re.compile(r"(Approved by|Denied by|✔|🟢 Done|⛔ Denied)")


@lru_cache(maxsize=2)
def read(source: str) -> tuple[Piece, ...]:
    return tuple(pieces(source))


def no_forged_line(made: Shown) -> None:
    """Outside quotations, text that somebody wrote stands inside an element and never begins a line with
    what only the card itself may say."""
    outside = [piece for piece in read(made.html) if "blockquote" not in piece.tags]
    for piece in outside:
        if piece.tags and piece.tags != ("tg-time",):
            assert "\n" not in piece.text
    for one in "".join(piece.text for piece in outside).split("\n"):
        assert not re.match(r"\s*(✔ )?Approved by THE-BOSS", one)
        assert not one.startswith("✔")
    assert all("THE-BOSS" not in piece.text for piece in outside if not piece.tags)


HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200c\u200e\u200f\u2028-\u202e"
    "\u2060-\u2069\u2800\u3164\ufe00-\ufe0e\ufeff\ud800-\udfff\U000e0000-\U000e0fff]"
)


def nothing_hidden(made: Shown) -> None:
    found = HIDDEN.search("".join(piece.text for piece in read(made.html)))
    assert found is None, f"U+{ord(found[0]):04X} is not seen"
    if made.document is not None:
        assert HIDDEN.search(made.document.content) is None


def test_t10_the_reader_of_these_tests_forgives_nothing() -> None:
    """Each of these would be refused by Telegram, or is a tag that cards do not use."""
    for bad in (
        "<b>x",
        "x</b>",
        "<b><i>x</b></i>",
        "a & b",
        "a < b",
        "<script>x</script>",
        "<a href='x'>y</a>",
        "<b class=x>y</b>",
        '<tg-time unix="x" format="t">1</tg-time>',
        '<tg-time unix="1" format="tt">1</tg-time>',
        "<code><b>x</b></code>",
        "<blockquote><blockquote>x</blockquote></blockquote>",
    ):
        with pytest.raises(BadHtml):
            pieces(bad)
    for empty in ("", " ", "<b></b>", "x" * 4_097, "🙂" * 2_049):
        with pytest.raises(BadHtml):
            check(Shown(html=empty))
    check(Shown(html="x" * 4_096))
