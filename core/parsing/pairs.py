"""`field=value` pairs: whole calls made of nothing else, and pairs that stand within other text.

A value is bare (up to the next blank), in straight double quotes with escapes, in typographic quotes as it
stands, or, for fields that hold neither text nor a word, JSON in brackets. JSON is read strictly: no key
twice, no NaN, no number that a float would change, at most 32 deep.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NoReturn

from msgspec import Struct

from core.digest import Json
from core.errors import InvalidInput
from core.parsing.index import ToolIndex
from core.parsing.slots import Reader, Value, Values, merged
from core.parsing.text import shown, unescape

KEY: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,63})[=:]", re.ASCII)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"(?!\S)|“([^”]*)”(?!\S)', re.DOTALL)
_BARE: Final = re.compile(r"\S*")
_BLANK: Final = re.compile(r"\s*")
_DEEPEST: Final = 32


class Given(Struct, frozen=True):
    """A value as written: `data` is a string, or JSON from brackets."""

    data: Json
    quoted: bool


def calls_pairs(text: str) -> bool:
    """Whether a text begins as a list of pairs does, so that it cannot be meant as a sentence."""
    return KEY.match(text) is not None


def read_pairs(text: str, one: ToolIndex, reader: Reader) -> Values:
    """The values of a text of nothing but pairs. Raises InvalidInput for anything else, naming it."""
    values: Values = {}
    seen: set[str] = set()
    position = 0
    while (position := _skip_blank(text, position)) < len(text):
        name, position = _key(text, position, one)
        if name in seen:
            raise InvalidInput(
                field=name, given=text[position : position + 80], allowed="it can be given once only"
            )
        seen.add(name)
        given, position = _value(text, position, name, reader)
        values = merged(values, read_given(name, given, reader))
    return values


def read_object(text: str, one: ToolIndex, reader: Reader) -> Values:
    """The values of a JSON object. Raises InvalidInput where it is none, or names an unknown field."""
    values: Values = {}
    for name, data in _json_object(text).items():
        if name not in one.tool.input.model_fields:
            raise unknown_key(name, str(data), one)
        values = merged(values, read_given(name, Given(data, quoted=True), reader))
    return values


def read_given(name: str, given: Given, reader: Reader) -> Values:
    """The values of one pair, by the kind of its field. Other JSON goes to the tool as it is."""
    if not isinstance(given.data, str) or name not in reader.tool.slots:
        return {name: Value(given.data, quoted=True)}
    return reader.whole(name, given.data, quoted=given.quoted)


def split_pairs(text: str, one: ToolIndex, reader: Reader) -> tuple[str, Values]:
    """The text without the pairs of known fields in it, and their values. Raises InvalidInput for a field
    that is given twice or cannot be read."""
    kept: list[str] = []
    values: Values = {}
    position = 0
    for found in one.pairs.finditer(text):
        name = one.aliases[found[1].lower()]
        if name in values:
            raise InvalidInput(field=name, given=found[0], allowed="it can be given once only")
        kept.append(text[position : found.start()].strip())
        position = found.end()
        quoted = found[2] if found[2] is not None else found[3]
        given = Given(found[4] if quoted is None else unescape(quoted), quoted=quoted is not None)
        values = merged(values, read_given(name, given, reader))
    return " ".join(part for part in [*kept, text[position:].strip()] if part), values


def unknown_key(name: str, given: str, one: ToolIndex) -> InvalidInput:
    """The refusal of a field that a tool does not have; names those it has."""
    known = ", ".join(one.tool.input.model_fields) or "no fields at all"
    return InvalidInput(
        field=shown(name[:64]), given=shown(given), allowed=f"{one.tool.name} knows only {known}"
    )


def _skip_blank(text: str, position: int) -> int:
    found = _BLANK.match(text, position)
    return found.end() if found else position


def _key(text: str, position: int, one: ToolIndex) -> tuple[str, int]:
    found = KEY.match(text, position)
    if found is None:
        raise InvalidInput(
            field="input",
            given=text[position : position + 80],
            allowed=f'write {one.tool.name} field=value, and "quotes" around more than one word',
        )
    if found[1] not in one.tool.input.model_fields:
        raise unknown_key(found[1], text[found.end() : found.end() + 80], one)
    return found[1], found.end()


def _value(text: str, position: int, name: str, reader: Reader) -> tuple[Given, int]:
    first = text[position : position + 1]
    if first in {'"', "“"}:
        found = _QUOTED.match(text, position)
        if found is None:
            allowed = "its closing quote is missing, or something stands right behind it"
            raise InvalidInput(field=name, given=text[position : position + 80], allowed=allowed)
        inside = unescape(found[1]) if found[1] is not None else found[2]
        return Given(inside, quoted=True), found.end()
    if first in {"{", "["} and name not in reader.tool.slots:
        return json_value(text, position, name)
    bare = _BARE.match(text, position)
    end = bare.end() if bare else position
    return Given(text[position:end], quoted=False), end


def json_value(text: str, position: int, name: str) -> tuple[Given, int]:
    """The JSON in brackets that begins here, and where it ends. Raises InvalidInput where it is none."""
    _check_depth(text, position, name)
    try:
        data, end = _DECODER.raw_decode(text, position)
    except (ValueError, RecursionError) as error:
        raise _not_json(name, text[position : position + 80], error) from None
    if end < len(text) and not text[end].isspace():
        raise _not_json(name, text[position : position + 80], ValueError("something stands right behind it"))
    return Given(data, quoted=True), end


def _json_object(text: str) -> Mapping[str, Json]:
    _check_depth(text, 0, "input")
    try:
        found = _DECODER.decode(text)
    except _Twice as error:
        raise InvalidInput(field=error.key, given=error.key, allowed="it can be given once only") from None
    except (ValueError, RecursionError) as error:
        raise _not_json("input", text[:80], error) from None
    return found if isinstance(found, dict) else {}


def _not_json(field: str, given: str, error: Exception) -> InvalidInput:
    return InvalidInput(field=field, given=given, allowed=f"it should be correct JSON: {error}")


def _check_depth(text: str, position: int, field: str) -> None:
    """Brackets within strings count as well: the limit is generous, and this way it is one pass."""
    depth = 0
    for found in _BRACKET.finditer(text, position):
        depth += 1 if found[0] in "[{" else -1
        if depth > _DEEPEST:
            raise InvalidInput(field=field, given=text[:80], allowed=f"it may be {_DEEPEST} deep at most")


_BRACKET: Final = re.compile(r"[\[\]{}]")


class _Twice(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(f"{key[:40]!r} is there twice")
        self.key = shown(key[:64])


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(key)
        found[key] = value
    return found


def _exact_float(text: str) -> float:
    number = float(text)
    if Decimal(repr(number)) != Decimal(text):
        raise ValueError(f"{text[:40]} would be rounded; write it in quotes")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_exact_float, parse_constant=_no_constant, strict=True
)
