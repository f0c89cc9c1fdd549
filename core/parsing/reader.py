"""Understanding one text: commands, then explicit calls, then sentences, then suggestions."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from core.errors import InvalidInput
from core.parsing.commands import command_of, read_command
from core.parsing.explicit import call_of, is_call, read_call
from core.parsing.index import Index, index_of
from core.parsing.records import Candidate, ParseContext, Reading, Understood
from core.parsing.sentences import read_sentence
from core.parsing.suggest import nearest
from core.parsing.text import hides, storable, unquote
from core.registry import ToolRegistry

LONGEST: Final = 262_144
"""Longer texts are not read at all."""
LONGEST_SENTENCE: Final = 4096
"""Longer texts are read as commands and explicit calls only."""


def understand(text: str, *, registry: ToolRegistry, context: ParseContext) -> Understood:
    """What a text means. Never raises, whatever the text; a tool is proposed only where it was named, or
    one of its example sentences was said, without any doubt."""
    if len(text) > LONGEST or not storable(text):
        return Understood(reading=Reading.UNKNOWN)
    said, context = _own_words(text.strip(), context)
    index = index_of(registry)
    try:
        found = _read(said, index, context)
    except InvalidInput as problem:
        return Understood(reading=Reading.INVALID, problem=problem)
    best = found[0] if found else None
    if best is None or (best.missing and (context.quoted or hides(said))):
        return Understood(reading=Reading.UNKNOWN, nearest=nearest(said, index))
    return Understood(reading=best.reading, candidates=found)


def _own_words(said: str, context: ParseContext) -> tuple[str, ParseContext]:
    """A text that is one quotation counts as somebody else's."""
    inside = said.lstrip("> ") if said.startswith(">") else unquote(said)
    return (said, context) if inside is None else (inside.strip(), replace(context, quoted=True))


def _read(said: str, index: Index, context: ParseContext) -> tuple[Candidate, ...]:
    """The candidates, best first. Raises InvalidInput where the tool is clear and what it is given is not."""
    if said.startswith("/"):
        command = command_of(said, index)
        return (read_command(*command, said=said, index=index, context=context),) if command else ()
    call = call_of(said, index)
    if call and is_call(call[0], call[1]):
        one, rest, exact = call
        return (read_call(one, rest, exact=exact, said=said, index=index, context=context),)
    if len(said) > LONGEST_SENTENCE:
        return ()
    sentence = read_sentence(said, index=index, context=context)
    if sentence.problem is not None:
        raise sentence.problem
    return sentence.candidates
