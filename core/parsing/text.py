"""Words of a text, folded for comparing, and what in it could fool an eye.

Folding never makes a look-alike equal: a word that compatibility normalisation would change (full width,
the Kelvin sign, mathematical letters) keeps its own form and so matches no word of a template.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_WORD: Final = re.compile(r"[^\s:]+:*|:+")
_HEAD: Final = 4096
_TAIL: Final = 1024
_EDGES: Final = ":,.;!?…¡¿"
_APOSTROPHES: Final = str.maketrans("", "", "'\u2019\u02bc\u2018`\u00b4")
_QUOTES: Final = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'", "\u2018": "\u2019", "`": "`"}
_BLANKS: Final = frozenset("\u2800\u3164\u115f\u1160\uffa0\u034f\u17b4\u17b5")
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|[nt\"'\\])")
_ESCAPES: Final = {"n": "\n", "t": "\t", '"': '"', "'": "'", "\\": "\\"}
_JOINED: Final = re.compile(r"[^\w\s]\ufe0f?[\U0001f3fb-\U0001f3ff]?\u200d(?=[^\w\s])")
_MIXED: Final = re.compile(r"[A-Za-z][\u0370-\u052f]|[\u0370-\u052f][A-Za-z]")


class Words:
    """The words of a text with their places. Folding is done when asked for; of a very long text the
    middle counts as one word, so that its length costs nothing."""

    __slots__ = ("_folded", "_spans", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._spans = _spans(source)
        self._folded: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._spans)

    def fold(self, index: int) -> str:
        """The word as it is compared; empty for pure punctuation."""
        known = self._folded.get(index)
        if known is None:
            known = self._folded[index] = fold(self.raw(index))
        return known

    def folded(self, start: int, end: int) -> list[str]:
        """The words from `start` to before `end`, folded."""
        return [self.fold(index) for index in range(start, end)]

    def raw(self, index: int) -> str:
        """The word as written."""
        start, end = self._spans[index]
        return self.source[start:end]

    def slice(self, start: int, end: int) -> str:
        """The text as written from one word to before another."""
        return self.source[self._spans[start][0] : self._spans[end - 1][1]] if start < end else ""

    def glued(self, index: int, end: int) -> int:
        """The index behind the last word that no blank parts from this one."""
        index += 1
        while index < end and self._spans[index][0] == self._spans[index - 1][1]:
            index += 1
        return index


def _spans(source: str) -> list[tuple[int, int]]:
    if len(source) <= 2 * _HEAD:
        return [found.span() for found in _WORD.finditer(source)]
    head = [found.span() for found in _WORD.finditer(source, 0, _HEAD)]
    tail = [found.span() for found in _WORD.finditer(source, len(source) - _TAIL)]
    start = head[-1][1] if head else 0
    end = tail[0][0] if tail else len(source)
    middle = source[start:end]
    inner = (start + len(middle) - len(middle.lstrip()), start + len(middle.rstrip()))
    return [*head, *([inner] if inner[0] < inner[1] else []), *tail]


def first_word(text: str) -> tuple[str, str]:
    """The first word, and what follows it whatever white space stands between; "" for what is not there."""
    word, rest = (*text.split(maxsplit=1), "", "")[:2]
    return word, rest.strip()


def fold(word: str) -> str:
    """The form in which words are compared: no case, no apostrophes, no punctuation at the ends."""
    bare = word.translate(_APOSTROPHES).strip(_EDGES)
    if bare.isascii():
        return bare.lower()
    return bare.casefold() if unicodedata.normalize("NFKC", bare) == bare else bare


def storable(text: str) -> bool:
    """Whether every database can hold it: no NUL, no lone surrogate."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(text: str) -> str:
    """The text if it can be stored and sent, its escaped form otherwise."""
    return text if storable(text) else ascii(text)


def hides(text: str) -> bool:
    """Whether it holds characters that nobody sees, or a word that mixes scripts. Emoji do not count."""
    if text.isascii() and (text.isprintable() or not _controls(text)):
        return False
    shown = _JOINED.sub("", text) if "\u200d" in text else text
    return any(_unseen(char) for char in set(shown)) or _MIXED.search(shown) is not None


def _controls(text: str) -> bool:
    return any(not char.isprintable() and char not in "\n\r\t" for char in set(text))


def _unseen(char: str) -> bool:
    if char in "\n\r\t\ufe0f" or "\U0001f000" <= char <= "\U0001faff":  # emoji newer than Python's tables
        return False
    if char in _BLANKS or "\ufe00" <= char <= "\ufe0e" or "\U000e0000" <= char <= "\U000e0fff":
        return True
    return unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}


def looks_alike(text: str) -> bool:
    """Whether it holds letters or digits in another guise than the plain one (full width and the like)."""
    if text.isascii():
        return False
    return any(
        not char.isascii() and unicodedata.normalize("NFKC", char).isascii() and char.isalnum()
        for char in set(text)
    )


def plain(text: str) -> str:
    """A form for suggestions only: compatibility-normalised, without unseen characters."""
    return "".join(char for char in unicodedata.normalize("NFKC", text) if not _unseen(char))


def unquote(text: str) -> str | None:
    r"""The inside of a text that is one quotation, with \n \t \" \' \\ and \u with four digits resolved in
    straight double quotes; None when it is not one quotation."""
    closing = _QUOTES.get(text[:1])
    if closing is None or len(text) < 2 or not text.endswith(closing):
        return None
    inside = text[1:-1]
    if text[0] != '"':
        return None if closing in inside or text[0] in inside else inside
    if '"' in re.sub(r"\\.", "", inside, flags=re.DOTALL) or _open_end(inside):
        return None
    return unescape(inside)


def _open_end(inside: str) -> bool:
    return (len(inside) - len(inside.rstrip("\\"))) % 2 == 1


def unescape(inside: str) -> str:
    """Resolves the known escapes; a backslash before anything else stays as it is."""
    if "\\" not in inside:
        return inside
    return _ESCAPE.sub(lambda found: _escaped(found[1]), inside)


def _escaped(code: str) -> str:
    return _ESCAPES.get(code) or chr(int(code[1:], 16))
