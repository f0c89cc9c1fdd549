"""`create_expense amount=42.5 currency=EUR` and `create_expense {"amount": "42.5"}`: said in full."""

from __future__ import annotations

import re
from typing import Final

from core.parsing.index import Index, ToolIndex
from core.parsing.judge import Draft, judged
from core.parsing.pairs import calls_pairs, read_object, read_pairs
from core.parsing.records import EXPLICIT, NEAR, Candidate, ParseContext
from core.parsing.slots import Reader

_NAME: Final = re.compile(r"([A-Za-z0-9_.\-]{1,64})(?=\s|\{|$)")


def call_of(said: str, index: Index) -> tuple[ToolIndex, str, bool] | None:
    """The tool whose name a text begins with, the rest, and whether the name's case is exact too."""
    found = _NAME.match(said)
    if found is None:
        return None
    exact = index.tools.get(found[1])
    one = exact or index.tools.get(found[1].lower())
    return (one, said[found.end() :].strip(), exact is not None) if one else None


def is_call(one: ToolIndex, rest: str) -> bool:
    """Whether what follows a name can only be meant as a call. A name that is also a plain word may begin a
    sentence."""
    return "_" in one.tool.name or not rest or rest.startswith("{") or calls_pairs(rest)


def read_call(
    one: ToolIndex, rest: str, *, exact: bool, said: str, index: Index, context: ParseContext
) -> Candidate:
    """The candidate of an explicit call. Raises InvalidInput naming the field at fault and the remedy."""
    reader = Reader(tool=one.tool, context=context)
    values = read_object(rest, one, reader) if rest.startswith("{") else read_pairs(rest, one, reader)
    draft = Draft(index=one, values=values, how="explicit", base=EXPLICIT if exact else NEAR)
    return judged(draft, said=said, index=index, context=context)
