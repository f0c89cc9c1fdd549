"""complete_task: marks a task done."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

from core.digest import Json, canonical, sha256_hex
from core.ids import CallId
from core.model import Risk
from core.tool import (
    Effect,
    InspectContext,
    Preview,
    Slot,
    SlotKind,
    Tool,
    ToolContext,
    ToolInput,
    ToolResult,
    Undo,
)
from core.toolstore import Task, ToolRecords
from tools.wording import day_of, day_text, failed

_NUMBER_MOST: Final = 2**31 - 1
_NUMBER: Final = re.compile(r"\s*#?\s*0*([1-9][0-9]{0,9})\s*", re.ASCII)


def _read_number(value: object) -> int:
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    number = int(found[1]) if found else value
    if type(number) is not int or not 1 <= number <= _NUMBER_MOST:
        raise ValueError("it should be a task's number such as 12; /tasks lists them")
    return number


class CompleteTaskInput(ToolInput):
    """Which task: its number as `list_tasks` shows it."""

    number: Annotated[
        int,
        BeforeValidator(_read_number),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": _NUMBER_MOST}),
    ]


async def _run(arguments: CompleteTaskInput, context: ToolContext) -> ToolResult:
    number = arguments.number

    def complete(records: ToolRecords) -> tuple[Task | None, bool, bool]:
        task = records.tasks.get(context.tenant_id, context.account_id, number)
        if task is None or task.removed_by_call is not None:
            return None, False, False
        open_to_us = task.completed_at is None or task.completed_by_call == context.call_id
        if open_to_us and context.pin not in {None, _pin(task, mine=context.call_id)}:
            return task, False, True
        completed = records.tasks.complete(
            context.tenant_id, number, by_call=context.call_id, now=context.now
        )
        return task, completed, False

    task, completed, changed = await context.store.write(complete)
    if task is None:
        return failed(f"There is no task #{number} here. /tasks lists them.", "task_not_found")
    if changed:
        told = (
            f"Task #{number} was changed after you looked at it, so it was left alone. Ask again to see it."
        )
        return failed(told, "target_changed")
    if not completed:
        when = day_text(day_of(task.completed_at or context.now, context))
        return failed(f"Task #{number} was done before, on {when}. /tasks lists the open ones.", "task_done")
    data = {"number": number, "completed_by": context.call_id}
    return ToolResult(text=f"Done: task #{number}, {task.title}", data=data)


async def _undo(arguments: CompleteTaskInput, data: Json, context: ToolContext) -> ToolResult:
    number = arguments.number

    def reopen(records: ToolRecords) -> Task | None:
        records.tasks.reopen(context.tenant_id, number, completed_by_call=data["completed_by"])
        return records.tasks.get(context.tenant_id, context.account_id, number)

    task = await context.store.write(reopen)
    if task is None or task.removed_by_call is not None:
        return failed(f"Task #{number} is not on the list any more.", "task_not_found")
    if task.completed_at is not None:
        return failed(f"Task #{number} was completed anew meanwhile, so it stays done.", "task_done")
    # Open, by this attempt or by one before it that nobody saw the end of.
    return ToolResult(text=f"Task #{number} is open again: {task.title}", data={"number": number})


def _preview(arguments: CompleteTaskInput) -> Preview:
    return Preview(title=f"Mark task #{arguments.number} done")


def _inspect(arguments: CompleteTaskInput, context: InspectContext) -> Preview:
    number = arguments.number
    task = context.records.tasks.get(context.tenant_id, context.account_id, number)
    named = "" if task is None or task.removed_by_call is not None else f": {task.title}"
    return Preview(title=f"Mark task #{number} done{named}", pin=_pin(task), target=f"Task #{number}")


def _pin(task: Task | None, *, mine: CallId | None = None) -> str:
    """A digest of what people know a task by. What the call `mine` did to it does not count: a repeated
    attempt finds its own work."""
    if task is None:
        return sha256_hex(canonical(None))
    done = None if mine is not None and task.completed_by_call == mine else task.completed_at
    return sha256_hex(
        canonical(
            {
                "title": task.title,
                "due": None if task.due is None else task.due.isoformat(),
                "assignee": task.assignee,
                "completed_at": None if done is None else done.isoformat(),
                "removed": task.removed_by_call is not None,
            }
        )
    )


COMPLETE_TASK: Final = Tool(
    name="complete_task",
    title="Complete a task",
    version="1",
    description="Marks a task on the list as done.",
    input=CompleteTaskInput,
    risk=Risk.LOW,
    effects=frozenset({Effect.WRITES}),
    run=_run,
    preview=_preview,
    inspect=_inspect,
    idempotent=True,
    command="done",
    form="{number}",
    examples=(
        "complete task {number}",
        "complete {number}",
        "finish task {number}",
        "close task {number}",
        "mark task {number} done",
        "mark task {number} as done",
        "mark {number} as done",
        "task {number} is done",
        "task {number} done",
        "done {number}",
        "done with {number}",
        "done with task {number}",
        "i finished task {number}",
        "i did task {number}",
        "tick off task {number}",
        "check off task {number}",
    ),
    slots={
        "number": Slot(
            kind=SlotKind.REFERENCE, question="Which task? /tasks lists their numbers.", placeholder="12"
        )
    },
    undo=Undo(run=_undo),
)
"""Its result's data: {"number", "completed_by"}, the second being the call that undo takes back."""
