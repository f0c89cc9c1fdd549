"""Dry runs: what people saw of a call's target is what it is when the call runs, or they are asked again."""

from __future__ import annotations

from typing import Any

import pytest

from core.engine import Refused
from core.lifecycle import Status
from core.model import Risk, ToolCall
from core.tool import InspectContext, Preview, ToolContext, ToolResult
from tests.kit.tools import tool
from tests.kit.waiting import edited
from tests.kit.world import World, code_of
from tools.complete_task import COMPLETE_TASK
from tools.create_task import CREATE_TASK

ASKS = '[[rule]]\ntool = "complete_task"\ndecision = "requires_approval"\napprovers = "approver"\n'


@pytest.fixture
def tasks(world: World) -> World:
    """A world with the real task tools, in which completing one needs an approver."""
    world.registry.register(CREATE_TASK)
    world.registry.register(COMPLETE_TASK)
    world.rules(ASKS)
    return world


async def created(world: World, title: str = "Buy milk") -> None:
    await world.done("create_task", arguments={"title": title})


async def done(world: World, number: str = "1") -> ToolCall:
    return await world.propose("complete_task", arguments={"number": number})


def renamed(world: World, title: str) -> None:
    """Somebody changes the first task."""
    world.place.damage("UPDATE tasks SET title = ? WHERE number = 1", title)


async def asked_again(world: World, call: ToolCall) -> ToolCall:
    """The call after a worker tried to start it and its target was not what was signed."""
    answer = await world.start(call)
    assert isinstance(answer, Refused)
    assert answer.refusal.code.value == "approval_invalid"
    return await world.call(call)


async def test_the_card_says_what_the_target_is(tasks: World) -> None:
    await created(tasks)
    call = await done(tasks)
    assert call.title == "Mark task #1 done: Buy milk"
    assert call.dry_run_pin is not None


async def test_what_was_signed_runs_while_its_target_is_what_it_was(tasks: World) -> None:
    await created(tasks)
    outcome = await tasks.execute(await tasks.approve(await done(tasks)))
    assert (outcome.status, outcome.formatted) == (Status.COMPLETED, "Done: task #1, Buy milk")


async def test_a_target_that_was_changed_after_it_was_signed_is_shown_anew(tasks: World) -> None:
    await created(tasks)
    call = await tasks.approve(await done(tasks))
    renamed(tasks, "Sell the house")
    after = await asked_again(tasks, call)
    assert (after.status, after.revision) == (Status.PROPOSED, 2)
    assert after.title == "Mark task #1 done: Sell the house"
    assert after.note == "Task #1 was changed after you looked at it."
    assert after.consent_digest != call.consent_digest
    assert tasks.sql("SELECT completed_at FROM tasks") == [(None,)]
    outcome = await tasks.execute(await tasks.approve(after))
    assert outcome.status is Status.COMPLETED


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("title", "other"),
        ("due", "2026-12-31"),
        ("assignee", "Bob"),
        ("removed_by_call", "x"),
        ("completed_at", 5),
    ],
)
async def test_everything_that_people_know_a_task_by_counts(tasks: World, column: str, value: object) -> None:
    await created(tasks)
    call = await tasks.approve(await done(tasks))
    tasks.place.damage(f"UPDATE tasks SET {column} = ? WHERE number = 1", value)
    after = await asked_again(tasks, call)
    assert after.status is Status.PROPOSED


async def test_a_target_that_comes_or_goes_has_changed_too(tasks: World) -> None:
    call = await tasks.approve(await done(tasks))
    assert call.title == "Mark task #1 done"
    await created(tasks)
    assert (await asked_again(tasks, call)).title == "Mark task #1 done: Buy milk"


async def test_a_signature_covers_the_target(tasks: World) -> None:
    """Somebody who owns the database and changes target and pin alike changes what was signed."""
    await created(tasks)
    call = await tasks.approve(await done(tasks))
    renamed(tasks, "Sell the house")
    other = await done(tasks)
    tasks.change(call, "dry_run_pin", other.dry_run_pin)
    assert code_of(await tasks.start(call)) == "approval_invalid"


async def test_an_edit_looks_at_the_new_target(tasks: World) -> None:
    await created(tasks)
    await created(tasks, "Sell the house")
    call = await done(tasks)
    after = await edited(tasks, call, number=2)
    assert after.title == "Mark task #2 done: Sell the house"
    assert after.dry_run_pin != call.dry_run_pin
    assert (await tasks.execute(await tasks.approve(after))).formatted == "Done: task #2, Sell the house"


# --------------------------------------------------------------------------- between the start and the write


async def test_a_target_changed_while_the_tool_was_starting_is_left_alone(tasks: World) -> None:
    await created(tasks)
    started = await tasks.started(await tasks.approve(await done(tasks)))
    renamed(tasks, "Sell the house")
    result = await tasks.run(started)
    outcome = await tasks.finish(started, result)
    assert outcome is not None
    assert (outcome.status, outcome.error_class) == (Status.FAILED, "target_changed")
    assert tasks.sql("SELECT completed_at FROM tasks") == [(None,)]


async def test_a_task_done_by_another_meanwhile_is_told_as_that(tasks: World) -> None:
    await created(tasks)
    started = await tasks.started(await tasks.approve(await done(tasks)))
    tasks.place.damage("UPDATE tasks SET completed_at = 5, completed_by_call = 'x' WHERE number = 1")
    assert (await tasks.run(started)).error_class == "task_done"


async def test_a_repeated_attempt_finds_its_own_work(tasks: World) -> None:
    await created(tasks)
    started = await tasks.started(await tasks.approve(await done(tasks)))
    await tasks.run(started)
    (again,) = await tasks.recover(sole=True)
    outcome = await tasks.finish(again, await tasks.run(again))
    assert outcome is not None
    assert outcome.status is Status.COMPLETED


async def test_what_nobody_looked_at_is_not_asked_for_because_its_target_changed(tasks: World) -> None:
    tasks.rules("")
    await created(tasks)
    call = await done(tasks)
    renamed(tasks, "Sell the house")
    outcome = await tasks.execute(call)
    assert (outcome.status, outcome.error_class) == (Status.FAILED, "target_changed")


async def test_the_undo_of_what_had_a_target_is_bound_to_its_original(tasks: World) -> None:
    await created(tasks)
    call = await tasks.approve(await done(tasks))
    await tasks.execute(call)
    answer = await tasks.undo(call)
    assert not isinstance(answer, Refused)
    renamed(tasks, "Sell the house")
    outcome = await tasks.execute(await tasks.approve(answer.call))
    assert outcome.status is Status.COMPLETED
    assert tasks.sql("SELECT completed_at FROM tasks") == [(None,)]


# --------------------------------------------------------------------------- records that cannot be read


async def test_a_target_that_cannot_be_read_fails_when_it_is_run(tasks: World) -> None:
    await created(tasks)
    tasks.place.damage("UPDATE tasks SET due = 'soon'")
    call = await done(tasks)
    assert call.title == "Mark task #1 done"
    outcome = await tasks.execute(await tasks.approve(call))
    assert outcome.status is Status.FAILED


async def test_a_target_that_cannot_be_read_any_more_has_changed(tasks: World) -> None:
    await created(tasks)
    call = await tasks.approve(await done(tasks))
    tasks.place.damage("UPDATE tasks SET due = 'soon'")
    assert (await asked_again(tasks, call)).status is Status.PROPOSED


async def test_the_tool_is_given_the_pin_that_was_signed(world: World) -> None:
    given: list[str | None] = []

    async def look(_arguments: Any, context: ToolContext) -> ToolResult:
        given.append(context.pin)
        return ToolResult(text="seen")

    def inspect(_arguments: Any, context: InspectContext) -> Preview:
        return Preview(title="Look", pin=f"{context.tenant_id}/{context.account_id}")

    world.registry.register(tool("look", risk=Risk.HIGH, run=look, inspect=inspect))
    call = await world.approve(await world.propose("look"))
    await world.execute(call)
    assert given == ["acme/acme-account-ann"]
