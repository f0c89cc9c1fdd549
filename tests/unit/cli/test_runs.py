"""run-file and execute --run: what they take, what they refuse and where, and beside a running bot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.plan_file import PlanError, read_plan
from storage.database import Database
from tests.kit.cli import add, countersign, logs_as_before, refused, told
from tests.kit.world import ids

PLAN = """
title = "Two expenses and a task"

[[step]]
tool = "create_expense"
args = { amount = "12.00", currency = "EUR", description = "taxi" }

[[step]]
tool = "create_task"
args = { title = "Book the hotel", due = 2027-01-31 }

[[step]]
tool = "list_tasks"
needs = [2]
"""


@pytest.fixture(autouse=True)
def _logs_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with logs_as_before(monkeypatch):
        yield


@pytest.fixture
def admin() -> None:
    add(1, "Ann", "admin")


def plan(text: str = PLAN, name: str = "plan.toml") -> str:
    Path(name).write_text(text)
    return name


def wrong(name: str) -> str:
    """Why this file is no plan."""
    with pytest.raises(PlanError) as raised:
        read_plan(Path(name))
    return raised.value.message


def statuses(found: Any) -> list[str]:
    return [step["status"] for step in found["steps"]]


@pytest.mark.usefixtures("admin")
def test_a_file_is_proposed_and_later_executed() -> None:
    proposed = told("run-file", plan())
    assert proposed["title"] == "Two expenses and a task"
    assert statuses(proposed) == ["pending", "pending", "pending"]
    assert [step["needs"] for step in proposed["steps"]] == [[], [1], [2]]
    done = told("execute", "--run", proposed["run"].lower())
    assert statuses(done) == ["completed", "completed", "completed"]
    assert "Book the hotel" in done["steps"][2]["told"]
    assert statuses(told("execute", "--run", proposed["run_id"])) == statuses(done)


@pytest.mark.usefixtures("admin")
def test_waiting_runs_what_needs_no_signature() -> None:
    found = told("run-file", plan(), "--wait")
    assert statuses(found) == ["completed", "completed", "completed"]
    again = countersign("run-file", plan(), "--wait").stdout
    assert "Two expenses and a task" in again
    assert "completed" in again
    assert "It has ended: 3 done, " in again
    assert found["summary"].startswith("3 done, ")
    results = json.loads(Path(found["results"]).read_text(encoding="utf-8"))
    assert [each["status"] for each in results["calls"]] == ["completed"] * 3


@pytest.mark.usefixtures("admin")
def test_what_needs_a_signature_waits_for_the_bot() -> None:
    countersign("members", "add", "--telegram-id", "2", "--name", "Bob")
    text = PLAN.replace('amount = "12.00"', 'amount = "900.00"')
    found = told("run-file", plan(text), "--as", "bob", "--wait")
    assert statuses(found) == ["proposed", "pending", "pending"]
    assert statuses(told("execute", "--run", found["run"])) == ["proposed", "pending", "pending"]
    assert "waits for signatures" in countersign("execute", "--run", found["run"]).stdout


@pytest.mark.usefixtures("admin")
def test_a_step_that_fails_ends_the_command_with_1_and_stops_the_rest() -> None:
    text = '[[step]]\ntool = "complete_task"\nargs = { number = 77 }\n[[step]]\ntool = "list_tasks"\n'
    found = told("run-file", plan(text), "--wait", ends=1)
    assert statuses(found) == ["failed", "cancelled"]
    assert statuses(told("execute", "--run", found["run"], ends=1)) == ["failed", "cancelled"]


@pytest.mark.usefixtures("admin")
def test_json_is_read_as_well() -> None:
    text = json.dumps({"title": "t", "on_failure": "continue", "step": [{"tool": "list_tasks"}]})
    assert statuses(told("run-file", plan(text, "plan.json"), "--wait")) == ["completed"]


@pytest.mark.usefixtures("admin")
def test_a_dry_run_records_nothing_and_works_beside_a_running_bot() -> None:
    (file,) = Path("data").glob("*.sqlite3")
    database = Database(file, new_id=ids())
    try:
        found = told("run-file", plan(PLAN.replace('"12.00"', '"900.00"')), "--dry-run")
        assert [step["decision"] for step in found["steps"]] == ["requires_approval", "allow", "allow"]
        assert "Nothing was proposed" in countersign("run-file", plan(), "--dry-run").stdout
        assert "in use" in refused("run-file", plan())
        assert "in use" in refused("execute", "--run", "A7F3Q2")
    finally:
        asyncio.run(database.close())


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("title = ", "line 1", "Invalid value"),
        ("", "plan.toml", "one [[step]]"),
        ('on_failur = "stop"\n[[step]]\ntool="list_tasks"', "line 1", "title, on_failure, step"),
        ('title = ""\n[[step]]\ntool="list_tasks"', "line 1", "1 to 200"),
        ('on_failure = "go"\n[[step]]\ntool="list_tasks"', "line 1", '"stop" or "continue"'),
        ("[[step]]\ntool = 7", "line 2", "step 1, tool"),
        ("[[step]]\nargs = {}", "line 1", "step 1, tool"),
        ('[[step]]\ntool = "list_tasks"\n\n[[step]]\nargs = 3\ntool = "a"', "line 5", "step 2, args"),
        ('[[step]]\ntool = "list_tasks"\nneed = [1]', "line 3", "tool, args, needs"),
        ('[[step]]\ntool = "list_tasks"\nneeds = [1]', "line 3", "the first step needs none"),
        ('[[step]]\ntool = "list_tasks"\nneeds = ["1"]', "line 3", "numbers of earlier steps"),
        ('step = ["list_tasks"]', "plan.toml", "a table with tool"),
        pytest.param(
            f"[[step]]\nneeds = [{'1' * 5_000}]",
            "plan.toml",
            "a number that is far too long",
            id="long number",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(text: str, place: str, remedy: str) -> None:
    told_so = wrong(plan(text))
    assert place in told_so
    assert remedy in told_so


@pytest.mark.usefixtures("admin")
def test_arguments_that_do_not_fit_are_told_with_their_line() -> None:
    text = '[[step]]\ntool = "create_task"\n[step.args]\ntitle = "x"\ntitel = "x"'
    for more in ((), ("--dry-run",)):
        line = refused("run-file", plan(text), *more)
        assert "plan.toml, line 5: step 1, titel" in line
        assert "create_task knows only" in line


@pytest.mark.parametrize(
    ("text", "told_of"),
    [
        ("{", "line 1"),
        ("[]", "an object"),
        ("[" * 100_000, "nested"),
        pytest.param(f'{{"title": {"1" * 5_000}}}', "a number that is far too long", id="long number"),
        ('{"step": [3]}', "step 1"),
    ],
)
def test_a_mistake_in_json_is_told(text: str, told_of: str) -> None:
    assert told_of in wrong(plan(text, "plan.json"))


@pytest.mark.usefixtures("admin")
def test_an_unknown_tool_is_told_by_its_step() -> None:
    assert "Step 1" in refused("run-file", plan('[[step]]\ntool = "fly"'))


def test_only_toml_and_json_are_read() -> None:
    assert ".toml or .json" in wrong(plan(PLAN, "plan.txt"))
    Path("plan.toml").write_bytes(b"\xff\xfe")
    assert "cannot be read" in refused("run-file", "plan.toml")


def test_who_asks_must_be_clear() -> None:
    countersign("members", "add", "--telegram-id", "1", "--name", "Ann")
    assert "no admin yet" in refused("run-file", plan())
    countersign("members", "add", "--telegram-id", "2", "--name", "Bo", "--role", "admin")
    countersign("members", "add", "--telegram-id", "3", "--name", "Bo", "--role", "admin")
    assert "There are 2 admins" in refused("run-file", plan())
    assert "2 members are called 'bo'" in refused("run-file", plan(), "--as", "bo")
    assert "No member is called 'cy'" in refused("run-file", plan(), "--as", "cy")
    assert statuses(told("run-file", plan(), "--as", "3")) == ["pending"] * 3


@pytest.mark.usefixtures("admin")
def test_a_run_that_is_not_there() -> None:
    assert "no run 'A7F3Q2'" in refused("execute", "--run", "A7F3Q2")


@pytest.mark.usefixtures("admin")
def test_wrong_calls_end_with_2() -> None:
    countersign("execute", ends=2)
    countersign("run-file", "absent.toml", ends=2)
    countersign("run-file", plan(), "--wait", "--dry-run", ends=2)


@pytest.mark.usefixtures("admin")
def test_the_plan_in_the_documentation_is_one() -> None:
    file = Path(__file__).parents[3] / "docs" / "plans" / "month.toml"
    found = told("run-file", str(file), "--dry-run")
    assert [step["decision"] for step in found["steps"]] == ["allow", "requires_approval", "allow"]
    assert read_plan(file).needs == {1: (), 2: (), 3: (1, 2)}
