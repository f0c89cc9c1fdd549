"""Templates such as "add {title} to my list", compiled, and matched in bounded time.

Literal words must all be there in their order; an article between them makes the match `near`. A text hole
takes all it can; any other hole takes the longest value of its kind. `{field?}` may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from core.parsing.language import Language
from core.parsing.slots import Reader, Values, merged
from core.parsing.text import Words
from core.tool import SlotKind, Tool

_HOLE: Final = re.compile(r"\{(\w+)(\??)\}")
_BUDGET: Final = 300
"""Steps for one match: far more than a sane template needs, and an end for an insane one."""
_SPLITS: Final = 8
_TYPO: Final = 80


class Literal(Struct, frozen=True):
    """Words that must be there, folded."""

    words: tuple[str, ...]


class Hole(Struct, frozen=True):
    """A place for a field's value."""

    field: str
    kind: SlotKind
    optional: bool


class Template(Struct, frozen=True, kw_only=True):
    """One way to say a tool's use."""

    tool: Tool
    parts: tuple[Literal | Hole, ...]

    @property
    def literals(self) -> tuple[str, ...]:
        """All its literal words."""
        return tuple(word for part in self.parts if isinstance(part, Literal) for word in part.words)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields it has places for, in order."""
        return tuple(part.field for part in self.parts if isinstance(part, Hole))


class Match(Struct, frozen=True, kw_only=True):
    """How a template fits a text. `rest` is the first word that was left over."""

    template: Template
    values: Values = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    near: bool = False
    typo: bool = False
    split: bool = False  # the text could be parted at another place
    rest: int = 0


def compile_template(tool: Tool, source: str, language: Language) -> list[Template]:
    """The template, and the same with its contractions spelt out. Empty if it names a field that the tool
    does not have: such a template could only produce calls that fail."""
    parts: list[Literal | Hole] = []
    position = 0
    for found in [*_HOLE.finditer(source), None]:
        words = Words(source[position : found.start() if found else len(source)])
        literal = tuple(word for word in words.folded(0, len(words)) if word)
        if literal:
            parts.append(Literal(literal))
        if found:
            if found[1] not in tool.input.model_fields:
                return []
            slot = tool.slots.get(found[1])
            parts.append(Hole(found[1], slot.kind if slot else SlotKind.TEXT, bool(found[2])))
            position = found.end()
    compiled = Template(tool=tool, parts=tuple(parts))
    spelt = Template(tool=tool, parts=tuple(_spelt_out(part, language) for part in parts))
    return [compiled] if spelt == compiled else [compiled, spelt]


def _spelt_out(part: Literal | Hole, language: Language) -> Literal | Hole:
    if isinstance(part, Hole):
        return part
    return Literal(tuple(" ".join(language.contractions.get(word, word) for word in part.words).split()))


class Matcher:
    """One attempt of one template at some words. Ends after a fixed number of steps, found or not."""

    def __init__(
        self,
        template: Template,
        words: Words,
        *,
        reader: Reader,
        given: Values,
        end: int,
        typos: bool = False,
    ) -> None:
        self._template = template
        self._parts = template.parts
        self._words = words
        self._reader = reader
        self._given = given
        self._end = end
        self._typos = typos
        self._steps = _BUDGET
        self.failed: tuple[str, int] | None = None  # the field and the word where a value could not be read

    def match(self, start: int = 0) -> Match | None:
        """The first match that reaches the end of the template, or None."""
        return self._go(0, start, Match(template=self._template, values=self._given))

    def _go(self, part: int, at: int, so_far: Match) -> Match | None:
        self._steps -= 1
        if self._steps < 0:
            return None
        if part == len(self._parts):
            return replace(so_far, rest=self._skip(at))
        match self._parts[part]:
            case Literal(words):
                return self._literal(part, words, at, so_far)
            case Hole() as hole if hole.kind is SlotKind.TEXT:
                return self._text(part, hole, at, so_far)
            case hole:
                return self._hole(part, hole, at, so_far)

    def _literal(self, part: int, literal: Sequence[str], at: int, so_far: Match) -> Match | None:
        if so_far.missing and self._skip(at) >= self._end:
            return None
        near, typo = so_far.near, so_far.typo
        for word in literal:
            at = self._skip(at)
            while at < self._end and self._words.fold(at) in self._reader.language.articles - {word}:
                at, near = at + 1, True
            same = at < self._end and self._same(word, self._words.fold(at))
            if not same:
                return None
            typo = typo or self._words.fold(at) != word
            at += 1
        return self._go(part + 1, at, replace(so_far, near=near, typo=typo))

    def _same(self, word: str, said: str) -> bool:
        if said == word or not self._typos or len(word) < 4 or len(said) > 2 * len(word):
            return said == word
        from rapidfuzz.fuzz import ratio  # noqa: PLC0415 - 3 MB, for words that are spelt wrong

        return ratio(word, said, score_cutoff=_TYPO) > 0

    def _text(self, part: int, hole: Hole, at: int, so_far: Match) -> Match | None:
        at = self._skip(at)
        if hole.field in so_far.values or (hole.optional and part and self._follows_text(part)):
            return self._go(part + 1, at, so_far)
        ends = self._ends(part, at)
        found = [match for end in ends if (match := self._fill(part, hole, at, end, so_far))]
        if not found and hole.optional:
            return self._go(part + 1, at, so_far)
        if not found:
            return self._lacks(part, hole, at, so_far)
        parted = isinstance(self._next(part), Literal) and len(found) > 1
        return replace(found[0], split=True) if parted else found[0]

    def _fill(self, part: int, hole: Hole, at: int, end: int, so_far: Match) -> Match | None:
        text = self._words.slice(at, end)
        if end == self._end < len(self._words):
            text = text.rstrip(" ,;")  # what stood before a field named at the end
        value = self._reader.whole(hole.field, text)[hole.field]
        match = self._go(part + 1, end, replace(so_far, values={**so_far.values, hole.field: value}))
        return match if match is None or match.rest >= self._end else None

    def _ends(self, part: int, at: int) -> Sequence[int]:
        """Where a text that begins at `at` may end, the preferred place first."""
        following = self._next(part)
        if at >= self._end:
            return ()
        if following is None:
            return (self._end,)
        if isinstance(following, Hole):
            return range(max(at + 1, self._end - _SPLITS), self._end + 1)
        first = following.words[0]
        if part + 2 == len(self._parts):
            low = max(at + 1, self._end - len(following.words) - 3)
            return [k for k in range(self._end - 1, low - 1, -1) if self._words.fold(k) == first][:1]
        return [k for k in range(at + 1, self._end) if self._words.fold(k) == first][:_SPLITS]

    def _next(self, part: int) -> Literal | Hole | None:
        return self._parts[part + 1] if part + 1 < len(self._parts) else None

    def _follows_text(self, part: int) -> bool:
        """An optional text or word right behind a text could begin anywhere: it is given by name only."""
        before = self._parts[part - 1]
        return isinstance(before, Hole) and before.kind is SlotKind.TEXT

    def _hole(self, part: int, hole: Hole, at: int, so_far: Match) -> Match | None:
        at = self._skip(at)
        loose_word = hole.optional and hole.kind is SlotKind.WORD and part and self._follows_text(part)
        if hole.field in so_far.values or loose_word:
            return self._go(part + 1, at, so_far)
        taken = self._reader.take(hole.field, self._words, at, self._end) if at < self._end else None
        if taken is not None:
            stop, values = taken
            match = self._go(part + 1, stop, replace(so_far, values=merged(so_far.values, values)))
            if match is not None or not hole.optional:
                return match
        elif not hole.optional and at < self._end:
            self.failed = self.failed or (hole.field, at)
            return None
        return self._go(part + 1, at, so_far) if hole.optional else self._lacks(part, hole, at, so_far)

    def _lacks(self, part: int, hole: Hole, at: int, so_far: Match) -> Match | None:
        """Goes on without a required value where the text has nothing left for it, or nothing but what
        the template says next."""
        if at < self._end and not isinstance(self._next(part), Literal):
            return None
        return self._go(part + 1, at, replace(so_far, missing=(*so_far.missing, hole.field)))

    def _skip(self, at: int) -> int:
        while at < self._end and not self._words.fold(at):
            at += 1
        return at
