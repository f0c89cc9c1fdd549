"""The two Markdown parse modes: MarkdownV2, and the old one without nesting."""

import re
from typing import Any

from bot.sandbox.entities import Entity, Formatted, utf16_length
from bot.sandbox.errors import ApiError, bad_request

_MARKS = {"||": "spoiler", "__": "underline", "*": "bold", "_": "italic", "~": "strikethrough"}
_NAMES = {"pre": "Pre", "code": "Code", "text_link": "TextUrl", "custom_emoji": "CustomEmoji"} | {
    kind: kind.capitalize() for kind in _MARKS.values()
}
_RESERVED = frozenset("_*[]()~`>#+-=|{}.!")
_LANGUAGE = re.compile(r"([^\s`]+)\n|\n")
_LEGACY = re.compile(
    r"\\(?P<escaped>[_*`\[])"
    r"|```(?:(?P<language>[^\s`]+)\n|\n)?(?P<pre>.*?)```"
    r"|`(?P<code>[^`]*)`"
    r"|\*(?P<bold>[^*]*)\*"
    r"|_(?P<italic>[^_]*)_"
    r"|\[(?P<label>[^\]]*)\]\((?P<url>[^)\s]*)\)",
    re.DOTALL,
)


def _error(text: str) -> ApiError:
    return bad_request(f"can't parse entities: {text}")


class _Written:
    """A text that grows, and the entities over it."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.offset = 0
        self.entities: list[Entity] = []

    def emit(self, text: str) -> None:
        self.parts.append(text)
        self.offset += utf16_length(text)

    def mark(self, kind: str, since: int, **more: Any) -> None:
        if self.offset > since:
            self.entities.append({"type": kind, "offset": since, "length": self.offset - since, **more})

    def done(self) -> Formatted:
        return Formatted("".join(self.parts), self.entities)


def parse_markdown(source: str) -> Formatted:
    """Return text and entities of the old Markdown; an entity without end is Telegram's 400."""
    written = _Written()
    at = 0
    while at < len(source):
        match = _LEGACY.match(source, at)
        if match is None:
            if source[at] in "*_`[":
                offset = len(source[:at].encode())
                raise _error(f"Can't find end of the entity starting at byte offset {offset}")
            written.emit(source[at])
            at += 1
            continue
        _legacy(match, written)
        at = match.end()
    return written.done()


def _legacy(match: re.Match[str], written: _Written) -> None:
    groups = {name: value for name, value in match.groupdict().items() if value is not None}
    since = written.offset
    if "escaped" in groups:
        written.emit(groups["escaped"])
    elif "label" in groups:
        written.emit(groups["label"])
        written.mark("text_link", since, url=groups["url"])
    else:
        kind = next(kind for kind in ("pre", "code", "bold", "italic") if kind in groups)
        written.emit(groups[kind])
        written.mark(kind, since, **({"language": groups["language"]} if "language" in groups else {}))


def parse_markdown_v2(source: str) -> Formatted:
    """Return text and entities of MarkdownV2; a reserved character that is not escaped is Telegram's 400."""
    return _V2(source).run()


class _V2:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._written = _Written()
        self._open: list[tuple[str, int, int]] = []
        self._quote: tuple[int, bool] | None = None

    def run(self) -> Formatted:
        while self._at < len(self._source):
            if self._line_start():
                continue
            self._step()
        self._end_quote()
        if self._open:
            kind, _, at = self._open[-1]
            raise _error(f"Can't find end of {_NAMES[kind]} entity at byte offset {self._bytes_to(at)}")
        return self._written.done()

    def _bytes_to(self, at: int) -> int:
        return len(self._source[:at].encode())

    def _line_start(self) -> bool:
        """Begin, go on with or end a quotation; only the first character of a line does."""
        if self._at and self._source[self._at - 1] != "\n":
            return False
        mark = next((m for m in ("**>", ">") if self._source.startswith(m, self._at)), None)
        if mark is None:
            self._end_quote()
            return False
        if mark == "**>":
            self._end_quote()
        if self._quote is None:
            self._quote = (self._written.offset, False)
        self._at += len(mark)
        return True

    def _end_quote(self) -> None:
        if self._quote is not None:
            since, expandable = self._quote
            self._written.mark("expandable_blockquote" if expandable else "blockquote", since)
            self._quote = None

    def _step(self) -> None:
        source, at = self._source, self._at
        char = source[at]
        if char == "\\" and at + 1 < len(source) and 0 < ord(source[at + 1]) <= 126:
            self._written.emit(source[at + 1])
            self._at += 2
        elif char == "`":
            self._code("```" if source.startswith("```", at) else "`")
        elif char == "[" or source.startswith("![", at):
            self._open.append(("custom_emoji" if char == "!" else "text_link", self._written.offset, at))
            self._at += 2 if char == "!" else 1
        elif char == "]" and self._open and self._open[-1][0] in {"text_link", "custom_emoji"}:
            self._link()
        elif not self._toggle() and char in _RESERVED:
            raise _error(f"Character '{char}' is reserved and must be escaped with the preceding '\\'")

    def _toggle(self) -> bool:
        """Open or close a style; any other character that is not reserved is text."""
        mark = next((m for m in _MARKS if self._source.startswith(m, self._at)), None)
        if mark is None:
            if self._source[self._at] not in _RESERVED:
                self._written.emit(self._source[self._at])
                self._at += 1
                return True
            return False
        kind, begin = _MARKS[mark], self._at
        self._at += len(mark)
        if self._open and self._open[-1][0] == kind:
            self._written.mark(kind, self._open.pop()[1])
        elif kind == "spoiler" and self._quote is not None and self._line_ends():
            self._quote = (self._quote[0], True)
        else:
            self._open.append((kind, self._written.offset, begin))
        return True

    def _line_ends(self) -> bool:
        return self._at == len(self._source) or self._source[self._at] == "\n"

    def _code(self, mark: str) -> None:
        begin, since, kind = self._at, self._written.offset, "pre" if mark == "```" else "code"
        self._at += len(mark)
        more: dict[str, Any] = {}
        language = _LANGUAGE.match(self._source, self._at) if kind == "pre" else None
        if language:
            self._at = language.end()
            more = {"language": language[1]} if language[1] else {}
        while not self._source.startswith(mark, self._at):
            if self._at >= len(self._source):
                raise _error(
                    f"Can't find end of {_NAMES[kind]} entity at byte offset {self._bytes_to(begin)}"
                )
            if self._source[self._at] == "\\" and self._source[self._at + 1 : self._at + 2] in {"`", "\\"}:
                self._at += 1
            self._written.emit(self._source[self._at])
            self._at += 1
        self._at += len(mark)
        self._written.mark(kind, since, **more)

    def _link(self) -> None:
        kind, since, begin = self._open.pop()
        match = re.compile(r"\]\(((?:\\.|[^)\\])*)\)").match(self._source, self._at)
        if match is None:
            raise _error(f"Can't find end of {_NAMES[kind]} entity at byte offset {self._bytes_to(begin)}")
        self._at = match.end()
        url = re.sub(r"\\(.)", r"\1", match[1])
        emoji = re.match(r"tg://emoji\?id=(\d+)$", url)
        user = re.match(r"tg://user\?id=(\d{1,18})$", url)
        if emoji and kind == "custom_emoji":
            self._written.mark(kind, since, custom_emoji_id=emoji[1])
        elif user:
            self._written.mark("text_mention", since, user={"id": int(user[1])})
        else:
            self._written.mark("text_link", since, url=url)
