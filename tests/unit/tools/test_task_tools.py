"""The task tools' previews and what they say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.registry import validate
from tests.unit.tools.kit import Bench, message_of
from tools.complete_task import COMPLETE_TASK
from tools.create_task import CREATE_TASK
from tools.list_tasks import LIST_TASKS


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        ({"title": "buy milk"}, "Add task: buy milk"),
        ({"title": "buy\nmilk", "assignee": "Tom"}, "Add task: buy milk (for Tom)"),
        (
            {"title": "review", "due": "2026-11-27", "assignee": "Tom"},
            "Add task: review (due Fri 27 Nov 2026, for Tom)",
        ),
    ],
)
def test_the_preview_of_a_new_task_shows_all_of_it(arguments: dict[str, str], title: str) -> None:
    assert CREATE_TASK.preview(validate(CREATE_TASK, arguments)).title == title


def test_the_other_previews() -> None:
    assert COMPLETE_TASK.preview(validate(COMPLETE_TASK, {"number": "#12"})).title == "Mark task #12 done"
    assert LIST_TASKS.preview(validate(LIST_TASKS, {})).title == "List the open tasks"


async def test_a_new_task_is_told_with_its_number(bench: Bench) -> None:
    result = await bench.run(CREATE_TASK, title="review the budget", due="2026-11-27", assignee="Tom")
    assert result.text == "Added task #1: review the budget (due Fri 27 Nov 2026, for Tom)"
    assert result.data == {"number": 1}


async def test_an_empty_list_tells_how_to_fill_it(bench: Bench) -> None:
    result = await bench.run(LIST_TASKS)
    assert result.text == (
        "Nothing to do: your list is empty. Add something with /task, for example: /task Buy milk"
    )
    assert result.data == {"tasks": []}


async def test_the_list_shows_dated_tasks_first(bench: Bench) -> None:
    await bench.run(CREATE_TASK, "a", title="someday")
    await bench.run(CREATE_TASK, "b", title="later", due="2026-12-01", assignee="Tom")
    await bench.run(CREATE_TASK, "c", title="late", due="2026-11-20")
    await bench.run(CREATE_TASK, "d", title="now", due="2026-11-21")
    result = await bench.run(LIST_TASKS)
    # 23:30 UTC on the 20th is the 21st in Berlin.
    assert result.text.splitlines() == [
        "4 open tasks:",
        "#3 late (overdue since Fri 20 Nov 2026)",
        "#4 now (due Sat 21 Nov 2026)",
        "#2 later (due Tue 1 Dec 2026, for Tom)",
        "#1 someday",
        "Done with one? /done 3",
    ]
    assert result.data["tasks"][2] == {"number": 2, "title": "later", "due": "2026-12-01", "assignee": "Tom"}


async def test_one_task_is_no_plural(bench: Bench) -> None:
    await bench.run(CREATE_TASK, title="buy milk")
    assert (await bench.run(LIST_TASKS)).text.startswith("1 open task:\n#1 buy milk\n")


@pytest.mark.parametrize(
    ("count", "head", "tail"),
    [
        (30, "30 open tasks:", "#30 task 29"),
        (31, "31 open tasks:", "and 1 more"),
        (999, "999 open tasks:", "and 969 more"),
        (1001, "At least 1000 open tasks:", "and at least 970 more"),
    ],
)
async def test_a_long_list_is_cut_and_says_so(bench: Bench, count: int, head: str, tail: str) -> None:
    rows = [("acme", n + 1, "main", f"c{n}", f"task {n}", "", "anna", 0) for n in range(count)]
    bench.store.connection.execute("BEGIN")
    bench.store.connection.executemany(
        "INSERT INTO tasks (tenant_id, number, account_id, call_id, title, assignee, created_by, created_at)"
        " VALUES (?,?,?,?,?,?,?,?)",
        rows,
    )
    bench.store.connection.execute("COMMIT")
    result = await bench.run(LIST_TASKS)
    lines = result.text.splitlines()
    assert (lines[0], lines[-2]) == (head, tail)
    assert len(result.data["tasks"]) == 30


async def test_a_task_is_completed_once_and_a_second_call_is_told(bench: Bench) -> None:
    await bench.run(CREATE_TASK, "a", title="buy milk")
    assert (await bench.run(COMPLETE_TASK, "b", number=1)).text == "Done: task #1, buy milk"
    later = bench.at(now=datetime(2026, 11, 30, tzinfo=UTC))
    for zone, day in (("Europe/Berlin", "Sat 21"), ("America/New_York", "Fri 20")):
        assert message_of(await later.at(timezone=zone).run(COMPLETE_TASK, "c", number=1)) == (
            f"Task #1 was done before, on {day} Nov 2026. /tasks lists the open ones."
        )


async def test_an_unknown_number_names_the_remedy(bench: Bench) -> None:
    result = await bench.run(COMPLETE_TASK, number=99)
    assert message_of(result) == "There is no task #99 here. /tasks lists them."
    assert result.error is not None
    assert result.error.error_class == "task_not_found"


async def test_another_account_s_task_is_not_found(bench: Bench) -> None:
    await bench.run(CREATE_TASK, "a", title="theirs")
    for place in ({"account_id": "other"}, {"tenant_id": "other"}):
        elsewhere = bench.at(**place)
        assert "no task #1 here" in message_of(await elsewhere.run(COMPLETE_TASK, "b", number=1))
        assert (await elsewhere.run(LIST_TASKS)).data == {"tasks": []}
