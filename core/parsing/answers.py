"""Asking for what is missing, one field at a time, and taking the answers."""

from __future__ import annotations

from core.errors import InvalidInput
from core.parsing.judge import candidate as checked
from core.parsing.judge import with_currency
from core.parsing.language import ENGLISH
from core.parsing.records import DOUBTED, Candidate, ParseContext
from core.parsing.slots import Reader, Value, merged
from core.parsing.text import hides, shown
from core.registry import ToolRegistry
from core.tool import SlotKind, Tool


def question(tool: Tool, field: str) -> str:
    """What to ask for a missing field: the tool's own question, or one by the kind of the field."""
    slot = tool.slots.get(field)
    if slot and slot.question:
        return slot.question
    text = ENGLISH.questions[slot.kind.value if slot else ""]
    return text.format(field=field.replace("_", " "))


def fill(
    candidate: Candidate, field: str, answer: str, *, registry: ToolRegistry, context: ParseContext
) -> Candidate:
    """The candidate with the answer in it; its `reading` then tells what it allows. A doubtful answer
    lowers the confidence, and no answer raises it.

    Raises InvalidInput where the answer does not fit, and Refusal `tool_not_found`.
    """
    tool = registry.get(candidate.tool)
    if field not in tool.input.model_fields:
        allowed = f"{tool.name} knows only {', '.join(tool.input.model_fields)}"
        raise InvalidInput(field=shown(field), given=shown(answer), allowed=allowed)
    reader = Reader(tool=tool, context=context)
    read = reader.whole(field, answer)
    if not answer.strip() and reader.kind(field) in {SlotKind.TEXT, SlotKind.WORD}:
        raise InvalidInput(field=field, given=answer, allowed="it should not be empty")
    known = {name: Value(data) for name, data in candidate.arguments.items() if name != field}
    values = with_currency(merged(known, read), reader)
    doubtful = hides(answer) or context.quoted or not all(value.sure for value in read.values())
    return checked(
        tool,
        {name: value.data for name, value in values.items()},
        order=candidate.missing,
        confidence=min(candidate.confidence, DOUBTED) if doubtful else candidate.confidence,
        how=candidate.how,
    )
