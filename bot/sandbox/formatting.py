"""HTML in a message, read as Telegram reads it: the same tags, the same offsets, the same complaints."""

import re
from typing import Any

from msgspec import Struct

from bot.sandbox.entities import Entity, Formatted, read_entities, utf16_length
from bot.sandbox.errors import ApiError, bad_request
from bot.sandbox.markdown import parse_markdown, parse_markdown_v2

_KINDS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}
_PLAIN = re.compile(r"[^<&]+")
_REFERENCE = re.compile(r"&(?:#[xX]([0-9A-Fa-f]{1,8})|#([0-9]{1,8})|(lt|gt|amp|quot)(?![A-Za-z]));?")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_TAG_NAME = re.compile(r"</?([^\s>]*)")
_ATTRIBUTE = re.compile(r"[^\s=>/\"']*")
_TOKEN = re.compile(r"[A-Za-z0-9.-]*")
_SPACE = re.compile(r"\s*")
_USER_LINK = re.compile(r"tg://user\?id=(\d{1,18})$")


def format_text(text: str, *, parse_mode: str, entities: object) -> Formatted:
    """Return what a text means under its parse mode or its own entities; else raise Telegram's 400."""
    mode = parse_mode.lower()
    if mode == "html":
        return parse_html(text)
    if mode == "markdownv2":
        return parse_markdown_v2(text)
    if mode == "markdown":
        return parse_markdown(text)
    if mode not in {"", "none"}:
        raise bad_request("unsupported parse_mode")
    return Formatted(text, [] if entities is None else read_entities(entities, text))


def parse_html(source: str) -> Formatted:
    """Return text and entities of Telegram HTML; what it cannot read is the 400 that Telegram gives."""
    return _Parser(source).run()


class _Open(Struct, frozen=True):
    tag: str
    attributes: dict[str, str]
    offset: int
    start: int


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._text: list[str] = []
        self._offset = 0
        self._open: list[_Open] = []
        self._entities: list[Entity] = []

    def run(self) -> Formatted:
        while self._at < len(self._source):
            if self._source[self._at] == "&":
                self._emit(self._reference())
            elif plain := _PLAIN.match(self._source, self._at):
                self._at = plain.end()
                self._emit(plain.group())
            elif self._source.startswith("</", self._at):
                self._end_tag()
            else:
                self._start_tag()
        if self._open:
            raise _error(f'Can\'t find end tag corresponding to start tag "{self._open[-1].tag}"')
        for entity in self._entities:
            if entity["type"] == "code":
                entity.pop("language", None)
        return Formatted("".join(self._text), self._entities)

    def _emit(self, text: str) -> None:
        self._text.append(text)
        self._offset += utf16_length(text)

    def _bytes_to(self, at: int) -> int:
        return len(self._source[:at].encode())

    def _ended(self) -> bool:
        return self._at >= len(self._source)

    def _skip_space(self) -> None:
        match = _SPACE.match(self._source, self._at)
        self._at = match.end() if match else self._at

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._source, self._at)
        self._at = match.end() if match else self._at
        return match.group() if match else ""

    def _reference(self) -> str:
        """Read a character reference; one that means nothing stays as it is."""
        match = _REFERENCE.match(self._source, self._at)
        char = _referenced(match) if match else None
        if match is None or char is None:
            self._at += 1
            return "&"
        self._at = match.end()
        return char

    def _start_tag(self) -> None:
        begin = self._at
        tag = self._take(_TAG_NAME)[1:].lower()
        if self._ended():
            raise _error(f"Unclosed start tag at byte offset {self._bytes_to(begin)}")
        if tag not in _KINDS:
            raise _error(f'Unsupported start tag "{tag}" at byte offset {self._bytes_to(begin)}')
        attributes = self._attributes(tag, begin)
        self._at += 1
        if tag == "span" and attributes.get("class") != "tg-spoiler":
            raise _error(f'Tag "span" must have class "tg-spoiler" at byte offset {self._bytes_to(begin)}')
        self._open.append(_Open(tag, attributes, self._offset, len(self._text)))

    def _attributes(self, tag: str, begin: int) -> dict[str, str]:
        attributes: dict[str, str] = {}
        unclosed = f'Unclosed start tag "{tag}" at byte offset {self._bytes_to(begin)}'
        while True:
            self._skip_space()
            if self._ended():
                raise _error(unclosed)
            if self._source[self._at] == ">":
                return attributes
            at = self._at
            name = self._take(_ATTRIBUTE).lower()
            if not name:
                raise _error(f'Empty attribute name in the tag "{tag}" at byte offset {self._bytes_to(at)}')
            self._skip_space()
            if not self._source.startswith("=", self._at):
                attributes[name] = ""
                continue
            self._at += 1
            self._skip_space()
            if self._ended():
                raise _error(unclosed)
            attributes[name] = self._value(begin)

    def _value(self, begin: int) -> str:
        quote = self._source[self._at]
        if quote not in "'\"":
            at = self._at
            token = self._take(_TOKEN).lower()
            if not self._ended() and not self._source[self._at].isspace() and self._source[self._at] != ">":
                raise _error(f"Unexpected end of name token at byte offset {self._bytes_to(at)}")
            return token
        self._at += 1
        value: list[str] = []
        while not self._ended() and self._source[self._at] != quote:
            if self._source[self._at] == "&":
                value.append(self._reference())
            else:
                value.append(self._source[self._at])
                self._at += 1
        if self._ended():
            raise _error(f"Unclosed start tag at byte offset {self._bytes_to(begin)}")
        self._at += 1
        return "".join(value)

    def _end_tag(self) -> None:
        begin = self._at
        if not self._open:
            raise _error(f"Unexpected end tag at byte offset {self._bytes_to(begin)}")
        tag = self._take(_TAG_NAME)[2:].lower()
        self._skip_space()
        if not self._source.startswith(">", self._at):
            raise _error(f"Unclosed end tag at byte offset {self._bytes_to(begin)}")
        self._at += 1
        opened = self._open.pop()
        if tag not in {"", opened.tag}:
            raise _error(
                f"Unmatched end tag at byte offset {self._bytes_to(begin)}, "
                f'expected "</{opened.tag}>", found "</{tag}>"'
            )
        if self._offset > opened.offset:
            self._close(opened)

    def _close(self, opened: _Open) -> None:
        place = {"offset": opened.offset, "length": self._offset - opened.offset}
        made = _entity(opened, "".join(self._text[opened.start :]))
        if made is None:
            return
        entity = {"type": made.pop("type"), **place, **made}
        last = self._entities[-1] if self._entities else {}
        inner = last.get("type") == "code" and place.items() <= last.items() and "language" in last
        if entity["type"] == "pre" and inner:
            # <pre><code class="language-x"> is one block of code in a language, not two entities.
            entity["language"] = self._entities.pop()["language"]
        self._entities.append(entity)


def _referenced(match: re.Match[str]) -> str | None:
    if match[3]:
        return _NAMED[match[3]]
    code = int(match[1], 16) if match[1] else int(match[2])
    legal = 0 < code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF
    return chr(code) if legal else None


def _entity(opened: _Open, text: str) -> dict[str, Any] | None:
    kind, given = _KINDS[opened.tag], opened.attributes
    if kind == "text_link":
        return _link(given.get("href") or text)
    if kind == "code" and given.get("class", "").startswith("language-"):
        return {"type": "code", "language": given["class"].removeprefix("language-")}
    if kind == "blockquote" and "expandable" in given:
        return {"type": "expandable_blockquote"}
    if kind == "custom_emoji":
        if not given.get("emoji-id", "").isdecimal():
            raise _error("Invalid custom emoji identifier specified")
        return {"type": kind, "custom_emoji_id": given["emoji-id"]}
    if kind == "date_time":
        return _time(given)
    return {"type": kind}


def _link(url: str) -> dict[str, Any] | None:
    """Return the entity of a link; Telegram silently leaves out what is no URL."""
    user = _USER_LINK.match(url)
    if user:
        return {"type": "text_mention", "user": {"id": int(user[1])}}
    if "." not in url and "://" not in url:
        return None
    if re.match(r"(?!https?:|tg:|ton:|tonsite:|ftp:)[A-Za-z][A-Za-z0-9+.-]*:(?!\d)", url, re.IGNORECASE):
        return None
    return {"type": "text_link", "url": url if "://" in url else f"http://{url}/"}


def _time(given: dict[str, str]) -> dict[str, Any]:
    stamp = given.get("unix", "")
    if not re.fullmatch(r"[0-9]{1,11}", stamp):
        raise _error("Invalid date specified")
    shape = {"date_time_format": given["format"]} if given.get("format") else {}
    return {"type": "date_time", "unix_time": int(stamp), **shape}


def _error(text: str) -> ApiError:
    return bad_request(f"can't parse entities: {text}")
