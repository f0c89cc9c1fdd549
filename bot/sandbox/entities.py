"""Message entities: what a bot may give, what Telegram finds by itself, and the HTML they make on a page."""

import html
import itertools
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bot.sandbox.errors import bad_request

Entity = dict[str, Any]

_GIVEN = """bold italic underline strikethrough spoiler code pre text_link text_mention custom_emoji date_time
blockquote expandable_blockquote mention hashtag cashtag bot_command url email phone_number"""
GIVEN = frozenset(_GIVEN.split())
_OPAQUE = frozenset({"code", "pre", "text_link", "text_mention"})
_QUOTES = frozenset({"blockquote", "expandable_blockquote"})

_URL = r"(?:(?:https?|tg|ftp)://|www\.)[^\s<>\"]+|(?<![\w@.])(?:[A-Za-z0-9-]+\.)+(?:com|org|net|io|dev|app)\b(?:/[^\s<>\"]*)?"
_FOUND = re.compile(
    rf"(?P<url>{_URL})"
    r"|(?P<email>\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b)"
    r"|(?P<bot_command>(?<![\w/<>@])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>]))"
    r"|(?P<mention>(?<![\w@])@[A-Za-z0-9_]{3,32}(?!\w))"
    r"|(?P<hashtag>(?<![\w#&])\#(?=\w*[^\W\d])\w{1,256})"
)


class Formatted(NamedTuple):
    """A text and its entities; offsets and lengths count UTF-16 units, as Telegram does."""

    text: str
    entities: list[Entity]


def utf16_length(text: str) -> int:
    """Return how many UTF-16 units a text has."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf16_slice(text: str, offset: int, length: int) -> str:
    """Return the part of a text that an entity covers."""
    units = text.encode("utf-16-le", "surrogatepass")
    return units[2 * offset : 2 * (offset + length)].decode("utf-16-le", "replace")


def finish(formatted: Formatted) -> Formatted:
    """Trim the text as Telegram does, and return its entities in order with the found ones among them."""
    text = formatted.text.strip()
    if not text:
        return Formatted("", [])
    lead = utf16_length(formatted.text[: len(formatted.text) - len(formatted.text.lstrip())])
    end = utf16_length(text)
    kept = [moved for one in formatted.entities if (moved := _clip(one, lead, end)) is not None]
    kept = _legal(kept)
    kept += _find(text, [one for one in kept if one["type"] in _OPAQUE])
    return Formatted(text, sorted(kept, key=_order))


def _clip(entity: Entity, lead: int, end: int) -> Entity | None:
    start = max(entity["offset"] - lead, 0)
    stop = min(entity["offset"] + entity["length"] - lead, end)
    return {**entity, "offset": start, "length": stop - start} if stop > start else None


def _order(entity: Entity) -> tuple[int, int, bool]:
    # A quotation comes outside of what it holds, also when both cover the same.
    return entity["offset"], -entity["length"], entity["type"] not in _QUOTES


def _overlap(one: Entity, other: Entity) -> bool:
    return bool(
        one["offset"] < other["offset"] + other["length"] and other["offset"] < one["offset"] + one["length"]
    )


def _legal(entities: list[Entity]) -> list[Entity]:
    """Leave out what Telegram does not nest: anything inside code, a quotation in a quotation."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=_order):
        closed = ("code", "pre") if entity["type"] not in _QUOTES else ("code", "pre", *_QUOTES)
        if not any(other["type"] in closed and _overlap(entity, other) for other in kept):
            kept.append(entity)
    return kept


def _find(text: str, taken: list[Entity]) -> list[Entity]:
    found: list[Entity] = []
    for match in _FOUND.finditer(text):
        kind = match.lastgroup or ""
        word = match.group().rstrip(".,;:!?)'\"") if kind == "url" else match.group()
        entity = {"type": kind, "offset": utf16_length(text[: match.start()]), "length": utf16_length(word)}
        if not any(_overlap(entity, other) for other in taken):
            found.append(entity)
    return found


def read_entities(given: object, text: str) -> list[Entity]:
    """Return a bot's own `entities` as Telegram would keep them; ranges beyond the text are dropped."""
    if not isinstance(given, list):
        raise bad_request("can't parse entities: expected an Array of MessageEntity")
    size = utf16_length(text)
    read = [_read_one(one) for one in given]
    return [
        one
        for one in read
        if one["type"] in GIVEN and one["offset"] >= 0 and 0 < one["length"] <= size - one["offset"]
    ]


def _read_one(given: object) -> Entity:
    if not isinstance(given, dict):
        raise bad_request("can't parse MessageEntity: expected an Object")
    kind, offset, length = given.get("type"), given.get("offset"), given.get("length")
    if not isinstance(kind, str):
        raise bad_request('can\'t parse MessageEntity: Field "type" must be of type String')
    if type(offset) is not int or type(length) is not int:
        raise bad_request('can\'t parse MessageEntity: Field "offset" and "length" must be of type Number')
    return {"type": kind, "offset": offset, "length": length} | _extras(kind, given)


def _extras(kind: str, given: Entity) -> Entity:
    """Return the further fields of an entity; a 400 if one is missing or of a wrong type."""
    if kind == "text_mention":
        user = given.get("user")
        number = user.get("id") if isinstance(user, dict) else None
        if type(number) is not int:
            raise bad_request('can\'t parse MessageEntity: Field "user" must be a User')
        return {"user": {"id": number}}
    read: Entity = {}
    for name, (of, needs) in _EXTRAS.get(kind, {}).items():
        value = given.get(name)
        if value is None and not needs:
            continue
        if type(value) is not of:
            raise bad_request(f'can\'t parse MessageEntity: Field "{name}" has a wrong type')
        read[name] = value
    return read


_EXTRAS: dict[str, dict[str, tuple[type, bool]]] = {
    "text_link": {"url": (str, True)},
    "pre": {"language": (str, False)},
    "custom_emoji": {"custom_emoji_id": (str, True)},
    "date_time": {"unix_time": (int, True), "date_time_format": (str, False)},
}
_TAGS = {
    "bold": "b",
    "italic": "i",
    "underline": "u",
    "strikethrough": "s",
    "spoiler": "tg-spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
_SAFE_LINK = re.compile(r"(?:https?|tg)://", re.IGNORECASE)


def to_html(text: str, entities: Iterable[Entity]) -> str:
    """Return HTML that is safe in a page: text escaped, only Telegram's tags, http(s) and tg links."""
    marks = [(e["offset"], e["offset"] + e["length"], _tag(e, text)) for e in sorted(entities, key=_order)]
    spans = [(start, stop, tags) for start, stop, tags in marks if tags is not None]
    if not spans:
        return html.escape(text)
    edges = sorted({0, utf16_length(text)} | {edge for start, stop, _ in spans for edge in (start, stop)})
    parts: list[str] = []
    opened: list[tuple[int, int, tuple[str, str]]] = []
    for start, stop in itertools.pairwise(edges):
        active = [span for span in spans if span[0] <= start and stop <= span[1]]
        same = _common(opened, active)
        parts += [span[2][1] for span in reversed(opened[same:])]
        parts += [span[2][0] for span in active[same:]]
        parts.append(html.escape(utf16_slice(text, start, stop - start)))
        opened = active
    parts += [span[2][1] for span in reversed(opened)]
    return "".join(parts)


def _common(one: list[Any], other: list[Any]) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a is not b), min(len(one), len(other)))


def _tag(entity: Entity, text: str) -> tuple[str, str] | None:
    kind = entity["type"]
    if kind in _TAGS:
        return f"<{_TAGS[kind]}>", f"</{_TAGS[kind]}>"
    if kind == "expandable_blockquote":
        return "<blockquote expandable>", "</blockquote>"
    if kind == "date_time":
        return _time_tag(entity)
    url = entity.get("url") if kind == "text_link" else None
    if kind == "url":
        word = utf16_slice(text, entity["offset"], entity["length"])
        url = word if "://" in word else f"https://{word}"
    if isinstance(url, str) and _SAFE_LINK.match(url):
        return f'<a href="{html.escape(url)}">', "</a>"
    return None


def _time_tag(entity: Entity) -> tuple[str, str] | None:
    try:
        when = datetime.fromtimestamp(int(entity["unix_time"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
    shape = html.escape(str(entity.get("date_time_format", "")))
    return f'<tg-time unix="{int(when.timestamp())}" format="{shape}">', "</tg-time>"
