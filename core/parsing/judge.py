"""From values that were read to a candidate with a confidence. Everything that makes a reading less than
certain is a `Doubt`; one doubt is enough to have a person look first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct, field
from pydantic import ValidationError

from core.digest import Json, canonical
from core.errors import InvalidInput
from core.parsing.dates import LONGEST
from core.parsing.index import Index, ToolIndex, required
from core.parsing.language import ENGLISH, Language
from core.parsing.records import DOUBTED, EXACT, MIDDLE, Candidate, ParseContext
from core.parsing.slots import Reader, Values, merged
from core.parsing.templates import Matcher, Template
from core.parsing.text import Words, hides, looks_alike, storable
from core.registry import validate
from core.tool import SlotKind, Tool

_STRONG: Final = re.compile(r"[;|`\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|&&|\$\(")
_PARTS: Final = re.compile(r"(?<![,.;:!?&|()>])[,.;:!?&|()>]++(?=\s|/)|\s[-\u2013\u2014]\s")
_PRICE: Final = re.compile(r"[0-9][.,][0-9]{2}(?![0-9])")
_ACTIONS: Final = 12
_LOOKED_AT: Final = 4096
_TAIL: Final = 16
_PIECE: Final = 1024


class Doubt(StrEnum):
    """Why a reading is not certain."""

    QUOTED = "quoted"  # somebody else's words
    HIDDEN = "hidden"  # characters nobody sees, mixed scripts
    CHAINED = "chained"  # what follows could be another action
    UNSURE = "unsure"  # a value has two meanings
    QUESTION = "question"  # asked about, not asked for
    HEDGED = "hedged"  # "if", "not", "maybe" in a risky call
    RETRACTED = "retracted"  # "never mind" at the end
    INEXACT = "inexact"  # a risky call, not word for word
    DATED = "dated"  # a day was named and not taken
    MONEY = "money"  # a currency or a second price was named and not taken
    SPLIT = "split"  # the text could be parted otherwise


class Draft(Struct, frozen=True, kw_only=True):
    """A tool and what was read for it. `order` is the order to ask in."""

    index: ToolIndex
    values: Values
    how: str
    base: float
    order: tuple[str, ...] = ()
    doubts: frozenset[Doubt] = field(default_factory=frozenset)


def judged(draft: Draft, *, said: str, index: Index, context: ParseContext) -> Candidate:
    """The candidate with its confidence. Raises InvalidInput where a value given does not fit the tool."""
    reader = Reader(tool=draft.index.tool, context=context)
    values = with_currency(draft.values, reader)
    doubts = draft.doubts | frozenset(_doubts(draft, said=said, index=index, reader=reader))
    return candidate(
        draft.index.tool,
        {name: value.data for name, value in values.items()},
        order=draft.order,
        confidence=confidence(draft.base, len(doubts)),
        how=draft.how,
    )


def confidence(base: float, doubts: int) -> float:
    """The number for a way of saying it and a count of doubts."""
    return round(max(MIDDLE, min(base, DOUBTED) - 0.1 * (doubts - 1)), 2) if doubts else base


def candidate(
    tool: Tool, arguments: Mapping[str, Json], *, order: tuple[str, ...], confidence: float, how: str
) -> Candidate:
    """A candidate whose arguments were validated, or as far as they are there. Raises InvalidInput."""
    check_storable(arguments)
    missing = _missing(tool, arguments, order)
    if missing:
        _check_given(tool, arguments)
    else:
        arguments = _meant(tool, arguments)
    _check_canonical(arguments)
    return Candidate(tool=tool.name, arguments=arguments, missing=missing, confidence=confidence, how=how)


def _missing(tool: Tool, arguments: Mapping[str, Json], order: tuple[str, ...]) -> tuple[str, ...]:
    """What is still to be asked for. A currency is not, while the amount that will bring one is."""
    missing = [name for name in required(tool, order) if name not in arguments]
    kinds = {name: slot.kind for name, slot in tool.slots.items()}
    comes = SlotKind.AMOUNT in {kinds.get(name) for name in missing}
    return tuple(name for name in missing if not (comes and kinds.get(name) is SlotKind.CURRENCY))


def with_currency(values: Values, reader: Reader) -> Values:
    """The values, and the person's currency where an amount came without any."""
    name = reader.currency_field
    amount = any(reader.kind(field) is SlotKind.AMOUNT for field in values)
    if name is None or name in values or not amount:
        return values
    return merged(values, reader.whole(name, reader.context.currency))


def check_storable(arguments: Mapping[str, Json]) -> None:
    """Raises InvalidInput for a value that no database can hold."""
    for name, value in arguments.items():
        if not all(storable(text) for text in _strings(value)):
            raise InvalidInput(field=name, given=ascii(value), allowed="it holds characters nobody can store")


def _check_canonical(arguments: Mapping[str, Json]) -> None:
    for name, value in arguments.items():
        try:
            canonical(value)
        except ValueError:
            raise InvalidInput(
                field=name, given=str(value), allowed="it holds a number too large; write it in quotes"
            ) from None


def _strings(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _meant(tool: Tool, arguments: Mapping[str, Json]) -> Mapping[str, Json]:
    """What was given, as the tool understands it; nothing for a field that is as if it were not given."""
    model = validate(tool, arguments)
    dumped: dict[str, Json] = model.model_dump(mode="json", exclude_unset=True)
    fields = tool.input.model_fields
    return {
        k: v for k, v in dumped.items() if v is not None or k not in fields or fields[k].default is not None
    }


def _check_given(tool: Tool, arguments: Mapping[str, Json]) -> None:
    try:
        tool.input.model_validate(dict(arguments))
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False):
            name = str(fault["loc"][0]) if fault["loc"] else ""
            if name in arguments:
                allowed = fault["msg"].removeprefix("Value error, ")
                raise InvalidInput(field=name, given=str(arguments[name]), allowed=allowed) from None


def _doubts(draft: Draft, *, said: str, index: Index, reader: Reader) -> Iterator[Doubt]:
    language, values = reader.language, draft.values
    texts = [
        value.data
        for name, value in values.items()
        if isinstance(value.data, str) and not value.quoted and reader.kind(name) is SlotKind.TEXT
    ]
    if reader.context.quoted:
        yield Doubt.QUOTED
    if hides(said) or ("\\" in said and _escape_hidden(values)):
        yield Doubt.HIDDEN
    if not all(value.sure for value in values.values()):
        yield Doubt.UNSURE
    if any(chained(text, index=index, context=reader.context) for text in texts):
        yield Doubt.CHAINED
    if any(_retracted(text, language) for text in texts):
        yield Doubt.RETRACTED
    if any(_names_money(text, draft, reader) for text in texts):
        yield Doubt.MONEY
    if any(_names_day(text, draft, reader) for text in texts):
        yield Doubt.DATED
    if draft.index.risky:
        yield from _risky_doubts(draft, said=said, texts=texts, language=language)


def _escape_hidden(values: Values) -> bool:
    return any(hides(text) for value in values.values() for text in _strings(value.data))


def _risky_doubts(draft: Draft, *, said: str, texts: list[str], language: Language) -> Iterator[Doubt]:
    if draft.base < EXACT:
        yield Doubt.INEXACT
    if draft.how != "explicit" and any(_hedged(text, language) for text in texts):
        yield Doubt.HEDGED
    if draft.how != "explicit" and said.rstrip().endswith("?"):
        yield Doubt.QUESTION
    if looks_alike(said):
        yield Doubt.HIDDEN


def chained(text: str, *, index: Index, context: ParseContext) -> bool:
    """Whether a free text has a shell's separators or line breaks, or goes on with another action."""
    if _STRONG.search(text):
        return True
    return any(begins_action(piece, index, context) for piece in following(text))


def following(text: str, language: Language = ENGLISH) -> list[str]:
    """The pieces of a text that stand behind a comma, a full stop or an "and", up to a dozen. What a
    reader of several actions would look at."""
    pieces = [text[found.end() :].strip() for found in list(_PARTS.finditer(text[:_LOOKED_AT]))[:_ACTIONS]]
    words = Words(text[:_LOOKED_AT])
    joints = [k + 1 for k in range(len(words) - 1) if words.fold(k) in language.joiners][:_ACTIONS]
    return [*pieces, *(words.slice(k, len(words)) for k in joints)]


def begins_action(piece: str, index: Index, context: ParseContext) -> bool:
    """Whether this piece of a text could be meant as an action of its own."""
    if piece.startswith("/"):
        return piece[1:2].isalpha()
    words = Words(piece[:_PIECE])
    skipped = ENGLISH.openers | ENGLISH.joiners
    first = next(
        (k for k in range(min(len(words), _TAIL)) if words.fold(k) and words.fold(k) not in skipped), None
    )
    if first is None:
        return False
    words = Words(words.slice(first, len(words)))
    if words.raw(0).lower() in index.tools:
        return True
    return any(_fits(template, words, context) for template in index.templates(words.fold(0)))


def _fits(template: Template, words: Words, context: ParseContext) -> bool:
    reader = Reader(tool=template.tool, context=context)
    try:
        found = Matcher(template, words, reader=reader, given={}, end=len(words)).match()
    except InvalidInput:
        return True
    return found is not None


def _retracted(text: str, language: Language) -> bool:
    tail = " ".join(Words(text[-80:]).folded(0, len(Words(text[-80:]))))
    return any(tail == phrase or tail.endswith(f" {phrase}") for phrase in language.retractions)


def _hedged(text: str, language: Language) -> bool:
    if len(text) > _LOOKED_AT:
        return True
    words = Words(text)
    return any(words.fold(k) in language.hedges for k in range(len(words)))


def _names_money(text: str, draft: Draft, reader: Reader) -> bool:
    """Whether a text beside an amount names a currency that was not taken, or a second price."""
    if not any(reader.kind(name) is SlotKind.AMOUNT for name in draft.values):
        return False
    if _PRICE.search(text):
        return True
    numbered = any(char.isdigit() for char in text)
    return (numbered or reader.currency_field not in draft.values) and reader.names_money(text)


def _names_day(text: str, draft: Draft, reader: Reader) -> bool:
    """Whether near its end the text has a keyword and a day that was not taken for a field's value."""
    words = Words(text[-200:])
    for phrase, name in draft.index.keywords:
        if name in draft.values or reader.kind(name) is not SlotKind.DATE:
            continue
        for k in range(max(0, len(words) - _TAIL), len(words) - len(phrase)):
            behind = k + len(phrase)
            if tuple(words.folded(k, behind)) == phrase and reader.take(
                name, words, behind, min(len(words), behind + LONGEST)
            ):
                return True
    return False
