"""create_task: puts something to do on the list."""

from __future__ import annotations

from typing import Final

from core.digest import Json
from core.model import Risk
from core.tool import Effect, Preview, Slot, SlotKind, Tool, ToolContext, ToolInput, ToolResult, Undo
from core.toolstore import Task, ToolRecords
from tools.fields import Day, Line, Name
from tools.wording import failed, task_text


class CreateTaskInput(ToolInput):
    """What to do, until when, and who does it."""

    title: Line
    due: Day = None
    assignee: Name = ""


async def _run(arguments: CreateTaskInput, context: ToolContext) -> ToolResult:
    task = await context.store.write(
        lambda records: records.tasks.add(
            tenant_id=context.tenant_id,
            account_id=context.account_id,
            call_id=context.call_id,
            title=arguments.title,
            due=arguments.due,
            assignee=arguments.assignee,
            created_by=context.person_id,
            now=context.now,
        )
    )
    text = f"Added task #{task.number}: {task_text(task.title, task.due, task.assignee)}"
    return ToolResult(text=text, data={"number": task.number})


async def _undo(arguments: CreateTaskInput, data: Json, context: ToolContext) -> ToolResult:
    number: int = data["number"]

    def remove(records: ToolRecords) -> tuple[bool, Task | None]:
        removed = records.tasks.remove(context.tenant_id, number, by_call=context.call_id)
        return removed, records.tasks.get(context.tenant_id, context.account_id, number)

    removed, task = await context.store.write(remove)
    if removed:
        return ToolResult(text=f"Removed task #{number}: {arguments.title}", data={"number": number})
    if task is not None and task.completed_at is not None:
        return failed(f"Task #{number} was completed meanwhile, so it stays.", "task_completed")
    return failed(f"Task #{number} is not on the list any more.", "task_not_found")


def _preview(arguments: CreateTaskInput) -> Preview:
    return Preview(title=f"Add task: {task_text(arguments.title, arguments.due, arguments.assignee)}")


CREATE_TASK: Final = Tool(
    name="create_task",
    title="Add a task",
    version="1",
    description="Puts something to do on the list, with a day and a person if wanted.",
    input=CreateTaskInput,
    risk=Risk.LOW,
    effects=frozenset({Effect.WRITES}),
    run=_run,
    preview=_preview,
    idempotent=True,
    command="task",
    form="{title}",
    examples=(
        "create task: {title}",
        "create a task: {title}",
        "create task {title}",
        "create a task to {title}",
        "add task: {title}",
        "add task {title}",
        "add a task {title}",
        "add a task to {title}",
        "make a task: {title}",
        "make a task to {title}",
        "new task: {title}",
        "new task {title}",
        "task: {title}",
        "todo: {title}",
        "to do: {title}",
        "add a todo: {title}",
        "add {title} to my list",
        "add {title} to the list",
        "add {title} to my tasks",
        "add {title} to my to-do list",
        "put {title} on my list",
        "put {title} on the list",
    ),
    slots={
        "title": Slot(kind=SlotKind.TEXT, question="What is to be done?", placeholder="Review the budget"),
        "due": Slot(kind=SlotKind.DATE, question="Until which day?", placeholder="friday"),
        "assignee": Slot(kind=SlotKind.WORD, question="Who does it?", placeholder="Anna"),
    },
    scope=("assignee",),
    undo=Undo(run=_undo),
)
"""Its result's data: {"number"}."""
