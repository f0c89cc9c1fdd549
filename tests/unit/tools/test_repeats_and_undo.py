"""A repeated attempt finds its own work, and undo takes back only what is still that call's."""

from __future__ import annotations

import asyncio

from core.digest import Json
from tests.unit.tools.kit import Bench, message_of, open_numbers
from tools.complete_task import COMPLETE_TASK
from tools.create_expense import ExpenseLimits, create_expense
from tools.create_task import CREATE_TASK
from tools.list_expenses import LIST_EXPENSES
from tools.list_tasks import LIST_TASKS

CREATE_EXPENSE = create_expense(ExpenseLimits())
TEA: dict[str, Json] = {"amount": "5", "currency": "EUR", "description": "tea"}


async def test_a_repeated_attempt_answers_alike(bench: Bench) -> None:
    for tool, arguments in ((CREATE_TASK, {"title": "buy milk"}), (CREATE_EXPENSE, TEA)):
        assert await bench.run(tool, "a", **arguments) == await bench.run(tool, "a", **arguments)
    assert await bench.run(COMPLETE_TASK, "c", number=1) == await bench.run(COMPLETE_TASK, "c", number=1)
    assert len((await bench.run(LIST_EXPENSES)).data["expenses"]) == 1


async def test_simultaneous_calls_complete_a_task_once(bench: Bench) -> None:
    await bench.run(CREATE_TASK, "a", title="buy milk")
    results = await asyncio.gather(*(bench.run(COMPLETE_TASK, f"c{n}", number=1) for n in range(10)))
    assert sorted(result.error is None for result in results) == [False] * 9 + [True]


async def test_undoing_a_new_task_takes_it_off_the_list(bench: Bench) -> None:
    data = (await bench.run(CREATE_TASK, "a", title="buy milk")).data
    undone = await bench.undo(CREATE_TASK, "u", data=data, title="buy milk")
    assert undone.text == "Removed task #1: buy milk"
    assert await bench.undo(CREATE_TASK, "u", data=data, title="buy milk") == undone
    assert message_of(await bench.undo(CREATE_TASK, "v", data=data, title="buy milk")) == (
        "Task #1 is not on the list any more."
    )
    assert (await bench.run(LIST_TASKS)).data == {"tasks": []}
    assert message_of(await bench.run(COMPLETE_TASK, "c", number=1)) == (
        "There is no task #1 here. /tasks lists them."
    )


async def test_a_completed_task_is_not_taken_off(bench: Bench) -> None:
    data = (await bench.run(CREATE_TASK, "a", title="buy milk")).data
    await bench.run(COMPLETE_TASK, "c", number=1)
    assert message_of(await bench.undo(CREATE_TASK, "u", data=data, title="buy milk")) == (
        "Task #1 was completed meanwhile, so it stays."
    )


async def test_undoing_a_completion_opens_the_task(bench: Bench) -> None:
    await bench.run(CREATE_TASK, "a", title="buy milk")
    data = (await bench.run(COMPLETE_TASK, "c", number=1)).data
    undone = await bench.undo(COMPLETE_TASK, "u", data=data, number=1)
    assert undone.text == "Task #1 is open again: buy milk"
    assert await bench.undo(COMPLETE_TASK, "u", data=data, number=1) == undone
    assert open_numbers(bench.store) == [1]
    await bench.run(COMPLETE_TASK, "d", number=1)
    assert message_of(await bench.undo(COMPLETE_TASK, "u", data=data, number=1)) == (
        "Task #1 was completed anew meanwhile, so it stays done."
    )


async def test_a_completion_of_a_task_that_is_gone_cannot_be_undone(bench: Bench) -> None:
    made = (await bench.run(CREATE_TASK, "a", title="buy milk")).data
    done = (await bench.run(COMPLETE_TASK, "c", number=1)).data
    await bench.undo(COMPLETE_TASK, "u", data=done, number=1)
    await bench.undo(CREATE_TASK, "v", data=made, title="buy milk")
    assert message_of(await bench.undo(COMPLETE_TASK, "w", data=done, number=1)) == (
        "Task #1 is not on the list any more."
    )


async def test_undoing_an_expense_takes_it_out_of_the_sum(bench: Bench) -> None:
    data = (await bench.run(CREATE_EXPENSE, "a", **TEA)).data
    await bench.run(CREATE_EXPENSE, "b", **TEA)
    undone = await bench.undo(CREATE_EXPENSE, "u", data=data, **TEA)
    assert await bench.undo(CREATE_EXPENSE, "u", data=data, **TEA) == undone
    assert (await bench.run(LIST_EXPENSES)).data["this_month"] == {"EUR": "5.00"}
