"""`/task Buy milk due:friday`: a command, then the tool's form, with pairs of known fields anywhere."""

from __future__ import annotations

import re
from typing import Final

from core.errors import InvalidInput
from core.parsing.index import Index, ToolIndex
from core.parsing.judge import Doubt, Draft, judged
from core.parsing.pairs import split_pairs
from core.parsing.records import COMMAND, Candidate, ParseContext
from core.parsing.sentences import named_at_end
from core.parsing.slots import Reader, Values
from core.parsing.templates import Match, Matcher
from core.parsing.text import Words

_COMMAND: Final = re.compile(r"/([A-Za-z0-9_]{1,64})(?:@[A-Za-z0-9_]{1,64})?(?=\s|$)")


def command_of(said: str, index: Index) -> tuple[ToolIndex, str] | None:
    """The tool whose command a text begins with, and the rest; None where there is none of that name."""
    found = _COMMAND.match(said)
    one = index.commands.get(found[1].lower()) if found else None
    return (one, said[found.end() :].strip()) if one and found else None


def read_command(one: ToolIndex, rest: str, *, said: str, index: Index, context: ParseContext) -> Candidate:
    """The candidate of a command. Raises InvalidInput naming what does not fit its form."""
    reader = Reader(tool=one.tool, context=context)
    text, pairs = split_pairs(rest, one, reader)
    words = Words(text)
    match = _match(one, words, pairs, reader)
    doubts = frozenset({Doubt.SPLIT} if match.split else ())
    return judged(
        Draft(
            index=one,
            values=match.values,
            how="command",
            base=COMMAND,
            order=match.template.fields,
            doubts=doubts,
        ),
        said=said,
        index=index,
        context=context,
    )


def _match(one: ToolIndex, words: Words, pairs: Values, reader: Reader) -> Match:
    for end, given in named_at_end(one, words, pairs, reader):
        found = _fit_form(one, words, given, reader, end)
        if found is not None:
            return found
    raise InvalidInput(field="input", given=words.source, allowed=usage(one))


def _fit_form(one: ToolIndex, words: Words, given: Values, reader: Reader, end: int) -> Match | None:
    for form in one.forms:
        matcher = Matcher(form, words, reader=reader, given=given, end=end)
        found = matcher.match()
        if found is not None and found.rest >= end:
            return found
        if matcher.failed:
            field, at = matcher.failed
            reader.whole(field, words.raw(at))  # raises, naming what would be right
    return None


def usage(one: ToolIndex) -> str:
    """How to use the tool's command, in one line."""
    form = re.sub(r"\{(\w+)\?\}", r"[\1]", one.tool.form)
    form = re.sub(r"\{(\w+)\}", r"<\1>", form)
    return f"write /{one.tool.command} {form}".rstrip()
