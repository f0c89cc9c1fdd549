"""Where things stand in a policy's text: TOML is read without places, so they are looked up afterwards."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

_HEADER: Final = re.compile(r"^\s*\[\[\s*rule\s*\]\]")
_ESCAPE: Final = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\s*\n\s*|.)", re.DOTALL)


class Place(Struct, frozen=True):
    """A line and a column, both counted from 1."""

    line: int
    column: int = 1


class Places:
    """Finds rules, keys and what stands inside their values, in one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = text.split("\n")  # as TOML counts them

    @property
    def end(self) -> Place:
        """Behind the last character."""
        lines = self._text.rstrip("\n").split("\n")
        return Place(len(lines), len(lines[-1]) + 1)

    def of(self, rule: int, key: str = "") -> Place:
        """`key` in the `rule`-th [[rule]] (0: anywhere), or else that rule's header."""
        seen, header = 0, Place(1)
        for number, line in enumerate(self._lines, start=1):
            if found := _HEADER.match(line):
                seen += 1
                if seen <= rule:
                    header = Place(number, found.group().index("[") + 1)
            named = re.match(rf"\s*\[*\s*[\"']?(?={re.escape(key)}\b)", line) if key else None
            if named is not None and rule in (0, seen):
                return Place(number, len(named.group().rstrip("\"'")) + 1)
        return header

    def inside(self, rule: int, key: str, place: Place) -> Place:
        """A place in the text that `key` has as its value, counted in that text, as one in the whole."""
        start = self.of(rule, key)
        offset = sum(len(line) + 1 for line in self._lines[: start.line - 1]) + start.column - 1
        found = re.compile(r"[^=\n]*=\s*(\"\"\"\n?|'''\n?|\"|')").match(self._text, offset)
        if found is None:
            return start
        at = self._walked(found.end(), place, escapes=found[1].startswith('"'))
        before = self._text[:at]
        return Place(before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1)

    def _walked(self, at: int, place: Place, *, escapes: bool) -> int:
        """The offset of a place in the value that begins at offset `at`."""
        line, column = 1, 1
        while (line, column) < (place.line, place.column) and at < len(self._text):
            written = _ESCAPE.match(self._text, at) if escapes else None
            piece = written[0] if written else self._text[at]
            at += len(piece)
            if piece in ("\n", "\\n"):
                line, column = line + 1, 1
            elif "\n" not in piece:  # else the line goes on behind a backslash
                column += 1
        return at
