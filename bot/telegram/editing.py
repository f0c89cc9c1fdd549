"""Edit before approve: by a reply of "field: value" lines, or by a question for one field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.telegram.asking import put
from bot.telegram.render import approving, texts, toasts
from bot.telegram.render.arguments import hidden_fields
from bot.telegram.render.message import Shown
from bot.telegram.render.toasts import Toast
from bot.telegram.tapping import Tap, Tapped, acting_on, told_no
from bot.telegram.turn import Turn, context_of, known_person
from core.digest import Json
from core.engine import Refused
from core.engine.answers import refused
from core.engine.edit import UNCHANGED, edit, may_edit
from core.errors import Code, InvalidInput, Refusal
from core.guards import not_found
from core.ids import CallId, from_opaque
from core.model import Principal, ToolCall
from core.parsing.edits import read_changes, read_value
from core.ports import Records
from core.tool import Tool

VALUE: Final = "value"
"""A dialogue that waits for a field's new value."""


def open_fields(tap: Tap) -> Tapped:
    """Asks which field is to be changed, in a message of its own."""
    problem = _problem(tap)
    if problem is not None:
        return tap.refuse(problem, "edit")
    hidden = hidden_fields(tap.call, tap.tool, private=tap.turn.private)
    tap.say(approving.fields(tap.call, fields_of(tap), hidden=hidden, name=tap.name))
    return Tapped(toasts.choose_below())


def fields_of(tap: Tap) -> list[str]:
    """The fields that can be changed, in the tool's own order."""
    return [] if tap.tool is None else list(tap.tool.input.model_fields)


def _problem(tap: Tap) -> Refusal | None:
    """Why this person has nothing to change here: the requester may, and whoever may decide."""
    problem = tap.not_open()
    if problem is not None or may_edit(tap.call, by=tap.by, role=tap.role):
        return problem
    told = f"Only {tap.call.requester_name[:48]}, or somebody who may sign this, can change it."
    return Refusal(Code.NOT_OWNER, told)


def field_tapped(records: Records, turn: Turn, argument: str, message_id: int) -> Toast:
    """Asks for the new value of the field that was chosen."""
    call_text, _, rest = argument.partition(".")
    revision, _, number = rest.partition(".")
    call_id = from_opaque(call_text)
    if call_id is None or not (revision.isdecimal() and number.isdecimal()) or len(rest) > 12:
        return toasts.unknown_button()
    person, call = known_person(records, turn), records.calls.get(CallId(call_id))
    by = acting_on(records, turn, person, call)
    if call is None:
        return told_no(refused(records, not_found(), verb="edit", by=by, now=turn.now.wall)).toast
    tap = Tap(
        records=records,
        turn=turn,
        call=call,
        by=by,
        card=None,
        message_id=message_id,
        revision=int(revision),
        final=True,
    )
    return _ask_value(tap, int(number)).toast


def _ask_value(tap: Tap, number: int) -> Tapped:
    problem = _problem(tap)
    if problem is not None:
        return tap.refuse(problem, "edit")
    names = fields_of(tap)
    if number >= len(names):
        return Tapped(toasts.unknown_button())
    field = names[number]
    if field in hidden_fields(tap.call, tap.tool, private=tap.turn.private):
        return tap.refuse(approving.only_in_private(field), "edit")
    state = {"call": tap.call.id, "revision": tap.revision, "field": field, "message": tap.message_id}
    put(tap.records, tap.turn, tap.by, VALUE, state)
    tap.say(approving.new_value(tap.call, field, hidden=False), ask=_placeholder(tap.tool, field))
    return Tapped(toasts.write_below())


def _placeholder(tool: Tool | None, field: str) -> str:
    slot = None if tool is None else tool.slots.get(field)
    return (slot.placeholder if slot else "") or field.replace("_", " ")


def change(
    records: Records,
    turn: Turn,
    call: ToolCall,
    by: Principal,
    *,
    revision: int,
    changes: Mapping[str, Json],
) -> Shown | Refusal:
    """Makes an edit; what to say of it, or why there was none."""
    edited = edit(
        records,
        by=by,
        call_id=call.id,
        revision=revision,
        changes=changes,
        shown=True,
        now=turn.now,
        env=turn.front.env,
    )
    if isinstance(edited, Refused):
        return approving.unchanged(call) if _says_the_same(edited.refusal) else edited.refusal
    tool = turn.front.env.registry.find(call.tool)
    hidden = hidden_fields(call, tool, private=turn.private)
    return approving.edited(edited.call, edited.edit.changes, hidden=hidden)


def _says_the_same(refusal: Refusal) -> bool:
    """Whether an edit was refused only because every field has the value already."""
    return isinstance(refusal, InvalidInput) and refusal.allowed == UNCHANGED


def answered(
    records: Records, turn: Turn, call: ToolCall, by: Principal, state: Mapping[str, Any], text: str
) -> tuple[Shown, str | None]:
    """The answer to the question for a value: what to say, and what to ask for again where it did not fit."""
    tool, field = turn.front.env.registry.find(call.tool), str(state["field"])
    if tool is None or field not in tool.input.model_fields:
        return texts.refusal(not_found()), None
    try:
        changes = read_value(tool, field, text, context=context_of(records, turn))
    except InvalidInput as problem:
        return texts.refusal(problem), _placeholder(tool, field)
    told = change(records, turn, call, by, revision=int(state["revision"]), changes=changes)
    if isinstance(told, InvalidInput):
        return texts.refusal(told), _placeholder(tool, field)
    return (texts.refusal(told), None) if isinstance(told, Refusal) else (told, None)


def written(records: Records, turn: Turn, call: ToolCall, by: Principal, tool: Tool, text: str) -> Shown:
    """The answer to a reply of "field: value" lines: all of them count, or none does."""
    try:
        changes = read_changes(tool, text, context=context_of(records, turn))
    except InvalidInput as problem:
        return texts.refusal(problem)
    told = change(records, turn, call, by, revision=call.revision, changes=changes)
    return texts.refusal(told) if isinstance(told, Refusal) else told
