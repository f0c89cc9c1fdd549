"""A reader of Telegram's HTML that forgives nothing, and the way back from a card to its arguments."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from typing import Final

from bot.telegram.render.message import Shown
from bot.telegram.render.safe import unspelt
from core.digest import Json

_TAGS: Final = {"b": (), "i": (), "s": (), "u": (), "code": (), "blockquote": ("expandable",)}
_TOKEN: Final = re.compile(
    r"<(/?)([a-z-]+)((?: [a-z]+(?:=\"[^\"<>&]*\")?)*)>|&(lt|gt|amp|quot|#x27);|([^<&]+)"
)


@dataclass(frozen=True)
class Piece:
    """Text with the tags it stands in."""

    tags: tuple[str, ...]
    text: str


class BadHtml(AssertionError):
    """Telegram would refuse this message, or cut it."""


def pieces(source: str) -> list[Piece]:
    """The text of a message with its tags. Raises BadHtml for whatever is not plainly right."""
    at, stack, found = 0, list[str](), list[Piece]()
    while at < len(source):
        token = _TOKEN.match(source, at)
        if token is None:
            raise BadHtml(f"neither text, tag nor entity: {source[at : at + 40]!r}")
        at = token.end()
        closes, tag, attributes, entity, text = token.groups()
        if tag and closes:
            if not stack or stack.pop() != tag:
                raise BadHtml(f"</{tag}> closes nothing")
        elif tag:
            _check_tag(tag, attributes, stack)
            stack.append(tag)
        else:
            found.append(Piece(tuple(stack), text or html.unescape(f"&{entity};")))
    if stack:
        raise BadHtml(f"<{stack[-1]}> is not closed")
    return found


def _check_tag(tag: str, attributes: str, stack: list[str]) -> None:
    if tag == "tg-time":
        if not re.fullmatch(r' unix="\d{1,11}" format="(r|w?[dD]?[tT]?)"', attributes) or "code" in stack:
            raise BadHtml(f"<{tag}{attributes}>")
    elif tag not in _TAGS or attributes.strip() not in ("", *_TAGS[tag]):
        raise BadHtml(f"<{tag}{attributes}> is not one of ours")
    if "code" in stack or tag in stack:
        raise BadHtml(f"<{tag}> inside {stack}")


def text_of(source: str) -> str:
    return "".join(piece.text for piece in pieces(source))


def length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def check(made: Shown) -> None:
    """Raises where Telegram would not take the message as it is."""
    text = text_of(made.html)
    if not 1 <= length(text) <= 4096 or not text.strip():
        raise BadHtml(f"{length(text)} units")
    made.html.encode()
    assert len(made.html.encode()) < 60_000
    for button in (button for row in made.buttons for button in row):
        assert button.text.strip()
        assert len(button.text) <= 40, button.text
        assert sum(map(bool, (button.data, button.copy, button.url))) == 1
        assert len(button.data.encode()) <= 64
        assert button.style in {"", "success", "danger", "primary"}
    if made.document is not None:
        made.document.content.encode()
        assert length(text_of(made.document.caption_html)) <= 1024


def labels(made: Shown) -> list[str]:
    return [button.text for row in made.buttons for button in row]


def read_back(source: str) -> dict[str, Json]:
    """The arguments that a card shows, read from its HTML alone."""
    blocks = re.findall(r"<blockquote(?: expandable)?>(.*?)</blockquote>", source, re.DOTALL)
    if not blocks:
        assert "takes no arguments" in source
        return {}
    # The arguments come first; the only other block is what the tool said.
    assert len(blocks) <= 2
    read: dict[str, Json] = {}
    for line in html.unescape(blocks[0]).split("\n"):
        name, value = _split(line)
        assert name not in read
        read[name] = json.loads(value)
    return read


def _split(line: str) -> tuple[str, str]:
    plain = re.match(r"([A-Za-z_][A-Za-z0-9_]*): ", line)
    if plain:
        return plain[1], unspelt(line[plain.end() :])
    source = unspelt(line)
    name, end = json.JSONDecoder().raw_decode(source)
    assert isinstance(name, str)
    assert source[end : end + 2] == ": "
    return name, source[end + 2 :]
