"""Several actions in one text: one a line, or joined by "and".

A text is parted only where every part is clear by itself. One that is not leaves the text whole, to be read
as one action or asked about: parting is never a way to a guess, and never loses a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from core.parsing.commands import command_of
from core.parsing.explicit import call_of, is_call
from core.parsing.index import Index, index_of
from core.parsing.judge import begins_action
from core.parsing.reader import LONGEST_SENTENCE, understand
from core.parsing.records import Candidate, ParseContext, Reading
from core.registry import ToolRegistry

MOST: Final = 20
"""More parts than this are no message that a person wrote."""
_AHEAD: Final = 3
"""A part may itself hold so many joints where another could begin."""

_LINE: Final = re.compile(r"\r\n|[\n\r]")
_MARK: Final = re.compile(r"(?:[-*\u2022\u2013]|[0-9]{1,2}[.)])\s+")
_JOINT: Final = re.compile(
    r"(?:\s*[,;]\s*|\s+)(?:and\s+then|and\s+also|and|then|also|plus)\s+|\s*;\s*", re.IGNORECASE
)
_CLOSING: Final = {'"': '"', "\u201c": "\u201d", "\u201e": "\u201c\u201d", "\u00ab": "\u00bb", "`": "`"}
_SINGLE: Final = {"'": "'", "\u2018": "\u2019"}
"""These are apostrophes as well: they quote only from the beginning of a word to the end of one."""


def understand_several(
    text: str, *, registry: ToolRegistry, context: ParseContext
) -> Sequence[Candidate] | None:
    """The actions of a text in their order, each of which reads clearly and completely by itself; None where
    it is one action, or any part of it is in doubt."""
    if context.quoted or len(text) > LONGEST_SENTENCE:
        return None
    parts = split(text, index=index_of(registry), context=context)
    if not 2 <= len(parts) <= MOST:
        return None
    found = []
    for part in parts:
        understood = understand(part, registry=registry, context=context)
        if understood.reading is not Reading.PROPOSE:
            return None
        found.append(understood.candidates[0])
    return found


def split(text: str, *, index: Index, context: ParseContext) -> list[str]:
    """The parts of a text that could be actions of their own, never within a quotation; the whole of it in
    one where there is nothing to part."""
    whole = text.strip()
    quotes = _quotations(whole)
    if quotes is None:
        return [whole]
    lines = [line for line in _cut(whole, _LINE, quotes) if line]
    unmarked = [_MARK.sub("", line, count=1) if _MARK.match(line) else line for line in lines]
    parts = [part for line in unmarked for part in _within(line, index, context)]
    return parts if len(parts) > 1 else [whole]


def _within(line: str, index: Index, context: ParseContext) -> Iterator[str]:
    """The parts of one line. A command and an explicit call begin a line of their own and take it whole."""
    if _takes_the_rest(line, index):
        yield line
        return
    begun = 0
    joints = _joints(line, _quotations(line) or [])[:MOST]
    for number, joint in enumerate(joints):
        ends = [later.start() for later in joints[number + 1 : number + 1 + _AHEAD]]
        pieces = [line[joint.end() : end] for end in (*ends, len(line))]
        if joint.start() <= begun or _takes_the_rest(pieces[-1], index):
            continue
        if any(begins_action(piece, index, context) for piece in pieces):
            yield line[begun : joint.start()].strip()
            begun = joint.end()
    yield line[begun:].strip()


def _takes_the_rest(line: str, index: Index) -> bool:
    if line.startswith("/"):
        return command_of(line, index) is not None
    call = call_of(line, index)
    return call is not None and is_call(call[0], call[1])


def _joints(line: str, quotes: Sequence[tuple[int, int]]) -> list[re.Match[str]]:
    return [found for found in _JOINT.finditer(line) if not _inside(found.start(), quotes)]


def _cut(text: str, at: re.Pattern[str], quotes: Sequence[tuple[int, int]]) -> list[str]:
    parts, begun = [], 0
    for found in at.finditer(text):
        if not _inside(found.start(), quotes):
            parts.append(text[begun : found.start()].strip())
            begun = found.end()
    return [*parts, text[begun:].strip()]


def _inside(place: int, quotes: Sequence[tuple[int, int]]) -> bool:
    return any(start < place < end for start, end in quotes)


def _quotations(text: str) -> list[tuple[int, int]] | None:
    """Where quotations begin and end; None where one is left open, so that nobody knows what it holds."""
    found: list[tuple[int, int]] = []
    unclosed = set[str]()  # an apostrophe that no word ends with
    at = 0
    while at < len(text):
        closing = _closing(text, at)
        end = _end_of(text, at, closing) if closing and closing not in unclosed else -1
        if closing and end < 0:
            if closing not in _SINGLE.values():
                return None
            unclosed.add(closing)
        elif closing:
            found.append((at, end))
        at = max(at, end) + 1
    return found


def _closing(text: str, at: int) -> str:
    """What ends the quotation that begins here; "" where none does."""
    if text[at] in _SINGLE:
        before = text[at - 1] if at else " "
        return "" if before.isalnum() else _SINGLE[text[at]]
    return _CLOSING.get(text[at], "")


def _end_of(text: str, begun: int, closing: str) -> int:
    for at in range(begun + 1, len(text)):
        if text[at] not in closing or (text[begun] == '"' and text[at - 1] == "\\"):
            continue
        if closing in _SINGLE.values() and text[at + 1 : at + 2].isalnum():
            continue
        return at
    return -1
