"""list_tasks: what is still to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from core.digest import Json
from core.model import Risk
from core.tool import Effect, Preview, Tool, ToolContext, ToolInput, ToolResult
from core.toolstore import Task
from tools.wording import counted, task_text, today

_SHOWN: Final = 30
_READ: Final = 1000  # beyond that, "at least" is told instead of a count

_EMPTY: Final = "Nothing to do: your list is empty. Add something with /task, for example: /task Buy milk"


class ListTasksInput(ToolInput):
    """Takes nothing."""


async def _run(_: ListTasksInput, context: ToolContext) -> ToolResult:
    tasks = await context.store.read(
        lambda records: records.tasks.open(context.tenant_id, context.account_id, limit=_READ)
    )
    if not tasks:
        return ToolResult(text=_EMPTY, data={"tasks": []})
    return ToolResult(
        text=_text(tasks, today(context)), data={"tasks": [_data(task) for task in tasks[:_SHOWN]]}
    )


def _text(tasks: Sequence[Task], now: date) -> str:
    about = "At least " if len(tasks) == _READ else ""
    lines = [f"{about}{counted(len(tasks), 'open task')}:"]
    for task in tasks[:_SHOWN]:
        lines.append(f"#{task.number} {task_text(task.title, task.due, task.assignee, now=now)}")
    if len(tasks) > _SHOWN:
        lines.append(f"and {about.lower()}{len(tasks) - _SHOWN} more")
    lines.append(f"Done with one? /done {tasks[0].number}")
    return "\n".join(lines)


def _data(task: Task) -> Json:
    due = None if task.due is None else task.due.isoformat()
    return {"number": task.number, "title": task.title, "due": due, "assignee": task.assignee}


def _preview(_: ListTasksInput) -> Preview:
    return Preview(title="List the open tasks")


LIST_TASKS: Final = Tool(
    name="list_tasks",
    title="List tasks",
    version="1",
    description="Shows the open tasks, those with a day first.",
    input=ListTasksInput,
    risk=Risk.LOW,
    effects=frozenset({Effect.READS}),
    run=_run,
    preview=_preview,
    idempotent=True,
    command="tasks",
    examples=(
        "what's on my list",
        "what is on the list",
        "what's on my to-do list",
        "what do i have to do",
        "what is to do",
        "what are my tasks",
        "what are the open tasks",
        "which tasks are open",
        "tasks",
        "list tasks",
        "list my tasks",
        "list open tasks",
        "show tasks",
        "show my tasks",
        "show me my tasks",
        "show my list",
        "show open tasks",
        "my tasks",
        "my list",
        "open tasks",
    ),
)
"""Its result's data: {"tasks": [{"number", "title", "due", "assignee"}]}, those shown."""
