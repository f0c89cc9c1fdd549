"""Changes to what was proposed, as people write them: "amount: 800", one a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from core.digest import Json
from core.errors import InvalidInput
from core.parsing.pairs import json_value, read_given
from core.parsing.records import ParseContext
from core.parsing.slots import Reader, Value, Values, merged
from core.parsing.text import shown, unquote
from core.tool import SlotKind, Tool

LONGEST: Final = 65_536
_PAIR: Final = re.compile(r"([^:=]{1,64}?)\s*[:=](.*)", re.DOTALL)
_BLANKS: Final = re.compile(r"[\s_-]+")
_EXACTLY: Final = {
    SlotKind.AMOUNT: "write it without separators, such as 1000.50",
    SlotKind.DATE: "write it as a date, such as 2026-12-31",
    SlotKind.CURRENCY: "write its code, such as EUR",
    SlotKind.REFERENCE: "write it with its sign, such as #A7F3Q2",
}


def looks_like_changes(tool: Tool, text: str) -> bool:
    """Whether a text begins as changes to this tool's fields do, so that it is not meant as a comment."""
    found = _PAIR.match(text.strip())
    return found is not None and _spelt(found[1]) in _fields(tool)


def read_changes(tool: Tool, text: str, *, context: ParseContext) -> Mapping[str, Json]:
    """What these lines of "field: value" give the tool's fields; None for a field that is left empty.

    Never guesses: raises InvalidInput for a line of another form, an unknown field (naming those there are),
    a field given twice, and a value that does not fit its field or could mean two things.
    """
    _check_length("changes", text)
    reader, fields = Reader(tool=tool, context=context), _fields(tool)
    given: Values = {}
    named: set[str] = set()
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, value = _split(line, tool, fields)
        if name in named:
            raise InvalidInput(field=name, given=shown(value), allowed="it can be given once only")
        named.add(name)
        given = merged(given, _read(name, value, reader))
    if not given:
        raise InvalidInput(field="changes", given=shown(text[:80]), allowed=_usage(tool))
    return {name: value.data for name, value in given.items()}


def read_value(tool: Tool, field: str, text: str, *, context: ParseContext) -> Mapping[str, Json]:
    """What this text gives one field of the tool's, with line breaks kept; None for it where it is empty.

    Raises InvalidInput as `read_changes` does.
    """
    _check_length(field, text)
    values = _read(field, text.strip(), Reader(tool=tool, context=context))
    return {name: value.data for name, value in values.items()}


def _check_length(field: str, text: str) -> None:
    if len(text) > LONGEST:
        allowed = f"at most {LONGEST} characters are read at once"
        raise InvalidInput(field=field, given=shown(text[:80]), allowed=allowed)


def _fields(tool: Tool) -> Mapping[str, str]:
    """The fields by how people may spell them: their names and titles, in any case."""
    titles = {_spelt(info.title): name for name, info in tool.input.model_fields.items() if info.title}
    return titles | {_spelt(name): name for name in tool.input.model_fields}


def _spelt(name: str) -> str:
    return _BLANKS.sub(" ", name).strip().lower()


def _split(line: str, tool: Tool, fields: Mapping[str, str]) -> tuple[str, str]:
    found = _PAIR.fullmatch(line)
    if found is None:
        raise InvalidInput(field="changes", given=shown(line), allowed=_usage(tool))
    name = fields.get(_spelt(found[1]))
    if name is None:
        raise InvalidInput(field=shown(found[1]), given=shown(found[2].strip()), allowed=_usage(tool))
    return name, found[2].strip()


def _usage(tool: Tool) -> str:
    fields = list(tool.input.model_fields)
    if not fields:
        return f"{tool.name} has no fields that could be changed"
    return f"write one change a line, such as {fields[0]}: …; the fields are {', '.join(fields)}"


def _read(name: str, text: str, reader: Reader) -> Values:
    if not text or unquote(text) == "":
        return {name: Value(None)}
    if text[0] in "[{" and name not in reader.tool.slots:
        given, end = json_value(text, 0, name)
        if text[end:].strip():
            allowed = "something stands behind its closing bracket"
            raise InvalidInput(field=name, given=shown(text), allowed=allowed)
        return read_given(name, given, reader)
    values = reader.whole(name, text)
    doubted = next((field for field, value in values.items() if not value.sure), None)
    if doubted is not None:
        how = _EXACTLY.get(reader.kind(doubted), "write it in full")
        raise InvalidInput(field=doubted, given=shown(text), allowed=f"it could mean two things; {how}")
    return values
