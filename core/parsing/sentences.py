"""Natural sentences: every tool's example templates, first word for word, then with small slips.

A sentence is matched from its first word to its last. Only greetings, "please" and requests may stand
before it, thanks behind it; "don't", "if" or "he said" before it leave it unmatched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from core.errors import InvalidInput
from core.model import Risk
from core.parsing.index import Index, ToolIndex, required
from core.parsing.judge import Doubt, Draft, judged
from core.parsing.language import ENGLISH, Language
from core.parsing.pairs import split_pairs
from core.parsing.records import DOUBTED, EXACT, FUZZY, LEFTOVER, NEAR, Candidate, ParseContext
from core.parsing.slots import Reader, Values
from core.parsing.templates import Hole, Literal, Match, Matcher, Template
from core.parsing.text import Words
from core.tool import Effect, SlotKind

_MOST: Final = 3
"""Candidates to choose from, and words that may be left over."""
_Fits = tuple[list["_Fit"], list[InvalidInput]]
_TAIL: Final = 8
_EDGES: Final = ",.;!?:"
_LINE: Final = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_NUMBER_LIKE: Final = frozenset("0123456789+-\u2212€$£¥")


class _Span(Struct, frozen=True):
    """The part of a text that holds the sentence, and how much was passed over before it."""

    start: int
    end: int
    near: bool


class _Fit(Struct, frozen=True):
    match: Match
    base: float
    one: ToolIndex
    requested: bool  # "can you …?": the question mark asks for it, not about it
    fault: InvalidInput | None = None  # of a pair within the text

    @property
    def rank(self) -> tuple[bool, int, float, int, int]:
        """Clear before guessed, then more complete, more certain, more words of the template, more values."""
        match = self.match
        words, values = len(match.template.literals), len(match.values)
        return (self.base >= NEAR, -len(match.missing), self.base, words, values)


class Sentence(Struct, frozen=True):
    """What a sentence may mean, best first, or the fault in what it clearly means."""

    candidates: tuple[Candidate, ...] = ()
    problem: InvalidInput | None = None


def read_sentence(said: str, *, index: Index, context: ParseContext) -> Sentence:
    """The readings of a text as a sentence; empty where no template covers it."""
    words = Words(said)
    for typos in (False, True):
        fits, problems = _fits(said, words, index, context, typos=typos)
        if problems and (not fits or fits[0].base < NEAR):
            return Sentence(problem=problems[0])
        if fits:
            return _judged(fits, said, index, context)
    return Sentence()


def named_at_end(
    one: ToolIndex, words: Words, given: Values, reader: Reader, last: int | None = None
) -> Iterator[tuple[int, Values]]:
    """The text's end and the values, first with the fields that are named at its end ("due friday",
    "for @ada") taken off it, then without."""
    last = len(words) if last is None else last
    end, values = last, dict(given)
    while (taken := _last_named(one, words, end, values, reader)) is not None:
        end, found = taken
        values.update(found)
    if end < last:
        yield end, values
    yield last, given


def _last_named(
    one: ToolIndex, words: Words, end: int, values: Values, reader: Reader
) -> tuple[int, Values] | None:
    for start in range(max(0, end - _TAIL), end):
        for phrase, name in one.keywords:
            behind = start + len(phrase)
            if name in values or behind >= end or tuple(words.folded(start, behind)) != phrase:
                continue
            found = _named_value(name, words, behind, end, reader)
            if found is not None:
                return start, found
    return None


def _named_value(name: str, words: Words, start: int, end: int, reader: Reader) -> Values | None:
    if reader.kind(name) is SlotKind.DATE:
        taken = reader.take(name, words, start, end)
        return taken[1] if taken and taken[0] == end else None
    marked = words.raw(start).startswith("@") or words.raw(start - 1).endswith(":")
    single = words.glued(start, end) == end and len(words.fold(start)) > 1
    return reader.whole(name, words.raw(start).rstrip(_EDGES)) if marked and single else None


def _fits(said: str, words: Words, index: Index, context: ParseContext, *, typos: bool) -> _Fits:
    """The best fit of each tool, best first, and the faults in what is clearly meant."""
    best: list[_Fit] = []
    problems: list[InvalidInput] = []
    for one in _tools(words, index, typos):
        reader = Reader(tool=one.tool, context=context)
        text, pairs, fault = _without_pairs(said, one, reader)
        search = _Search(one, Words(text) if pairs else words, pairs, reader, typos)
        found = search.best(index)
        best.extend([replace(found, fault=fault)] if found else [])
        problems.extend(search.faults)
    return sorted(best, key=lambda fit: fit.rank, reverse=True), problems


def _without_pairs(said: str, one: ToolIndex, reader: Reader) -> tuple[str, Values, InvalidInput | None]:
    try:
        return *split_pairs(said, one, reader), None
    except InvalidInput as fault:
        return said, {}, fault


def _tools(words: Words, index: Index, typos: bool) -> list[ToolIndex]:
    if typos:
        return [one for one in index.tools.values() if one.tool.risk.rank < Risk.HIGH.rank]
    firsts = {words.fold(span.start) for span in _spans(words, ENGLISH)}
    names = dict.fromkeys(t.tool.name for first in sorted(firsts) for t in index.templates(first))
    return [index.tools[name] for name in names]


@dataclass(slots=True)
class _Search:
    """Tries one tool's templates on the parts of a text that may hold the sentence."""

    one: ToolIndex
    words: Words
    pairs: Values
    reader: Reader
    typos: bool
    faults: list[InvalidInput] = field(default_factory=list)

    def best(self, index: Index) -> _Fit | None:
        found: _Fit | None = None
        for span in _spans(self.words, self.reader.language):
            for template in self._templates(index, span):
                fit = self._fit(template, span)
                if fit is not None and (found is None or fit.rank > found.rank):
                    found = fit
        return found

    def _templates(self, index: Index, span: _Span) -> Iterable[Template]:
        if self.typos:
            return (t for t in self.one.examples if isinstance(t.parts[0], Literal))
        fitting = index.templates(self.words.fold(span.start))
        return (template for template in fitting if template.tool is self.one.tool)

    def _fit(self, template: Template, span: _Span) -> _Fit | None:
        for end, given in named_at_end(self.one, self.words, self.pairs, self.reader, span.end):
            matcher = Matcher(
                template, self.words, reader=self.reader, given=given, end=end, typos=self.typos
            )
            try:
                match = matcher.match(span.start)
                if match is None:
                    self._note(matcher)
            except InvalidInput as error:
                self.faults.append(error)
                continue
            base = self._base(match, span, end) if match else 0.0
            if match and base:
                return _Fit(match, base, self.one, span.near)
        return None

    def _note(self, matcher: Matcher) -> None:
        """Keeps the fault where a number was begun and cannot be read; else it is another sentence."""
        if matcher.failed and not self.typos:
            name, at = matcher.failed
            if self.words.raw(at)[0] in _NUMBER_LIKE:
                self.reader.whole(name, self.words.raw(at))

    def _base(self, match: Match, span: _Span, end: int) -> float:
        needed = required(self.one.tool)
        if match.missing and (match.typo or match.rest < end or not set(match.missing) <= set(needed)):
            return 0.0
        if match.rest < end:
            return LEFTOVER if self._harmless(match.rest, end) else 0.0
        if match.typo:
            return FUZZY
        return NEAR if match.near or span.near else EXACT

    def _harmless(self, start: int, end: int) -> bool:
        language = self.reader.language
        heavy = language.hedges | language.joiners | language.magnitudes
        over = [word for word in self.words.folded(start, end) if word]
        if len(over) > _MOST or self.one.tool.risk.rank >= Risk.HIGH.rank or _LINE.search(self.words.source):
            return False
        return all(word.isalpha() and word not in heavy for word in over)


def _spans(words: Words, language: Language) -> list[_Span]:
    """The parts of a text that may hold the sentence, the likeliest first."""
    first = _skip(words, 0, language)
    starts = [(0, False), (first, False)]
    for phrase in language.requests:
        behind = first + len(phrase.split())
        if " ".join(words.folded(first, min(behind, len(words)))) == phrase:
            starts.append((_skip(words, behind, language), True))
    ends = dict.fromkeys(_ends(words, language))
    return [_Span(s, end, near) for s, near in dict.fromkeys(starts) for end in ends if s < end]


def _skip(words: Words, at: int, language: Language) -> int:
    while at < len(words) and (not words.fold(at) or words.fold(at) in language.openers):
        at += 1
    return at


def _ends(words: Words, language: Language) -> list[int]:
    """The whole text, or without thanks at its end: that first where a comma parts it."""
    for phrase in language.thanks:
        size = len(phrase.split())
        end = len(words) - size
        if end > 0 and " ".join(words.folded(end, len(words))) == phrase:
            parted = words.raw(end - 1)[-1] in _EDGES
            return [end, len(words)] if parted else [len(words), end]
    return [len(words)]


def _judged(fits: list[_Fit], said: str, index: Index, context: ParseContext) -> Sentence:
    if fits[0].fault is not None:
        return Sentence(problem=fits[0].fault)
    rivals = len(fits) > 1 and len(fits[0].match.template.literals) == len(fits[1].match.template.literals)
    candidates: list[Candidate] = []
    for fit in fits[:_MOST]:
        try:
            found = judged(_draft(fit, said), said=said, index=index, context=context)
        except InvalidInput as error:
            if fit is fits[0]:
                return Sentence(problem=error)
            continue
        if rivals and fits[1].base >= NEAR:
            found = replace(found, confidence=min(found.confidence, DOUBTED))
        candidates.append(found)
    return Sentence(tuple(sorted(candidates, key=lambda one: -one.confidence)))


def _draft(fit: _Fit, said: str) -> Draft:
    match, doubts = fit.match, set[Doubt]()
    first = match.template.parts[0]
    if match.split or (isinstance(first, Hole) and first.kind is SlotKind.TEXT):
        doubts.add(Doubt.SPLIT)
    asks = said.rstrip().endswith("?") and not fit.requested
    if asks and not fit.one.tool.effects <= {Effect.READS}:
        doubts.add(Doubt.QUESTION)
    return Draft(
        index=fit.one,
        values=_without_request(match.values) if fit.requested else match.values,
        how="sentence",
        base=fit.base,
        order=match.template.fields,
        doubts=frozenset(doubts),
    )


def _without_request(values: Values) -> Values:
    """The values without the question mark that belongs to "can you …?"."""
    return {
        name: replace(value, data=value.data.rstrip("? ")) if isinstance(value.data, str) else value
        for name, value in values.items()
    }
