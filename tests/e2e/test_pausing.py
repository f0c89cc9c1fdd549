"""The kill switch and the rate limits as people meet them in chat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.engine import Refused
from core.engine.members import at_machine
from core.engine.switches import Resumed, resume
from core.lifecycle import Status
from core.model import Risk, Target
from core.ports import Records
from core.tool import ToolContext, ToolResult
from tests.e2e.phone import running_demo
from tests.e2e.talk import Demo, ask, becomes, card_at, data, short
from tests.kit.tools import tool, wait_for_stop


@pytest.fixture
def begun() -> asyncio.Event:
    """Set once the slow tool runs."""
    return asyncio.Event()


@pytest.fixture
async def demo(tmp_path: Path, begun: asyncio.Event) -> AsyncIterator[Demo]:
    """A tool that runs until it is stopped, and two calls an hour for each tool."""

    async def run(arguments: Any, context: ToolContext) -> ToolResult:
        begun.set()
        return await wait_for_stop(arguments, context)

    config = tmp_path / "config.toml"
    config.write_text('[limits]\nper_tool = "2/hour"\n')
    slow = tool("slow", title="Wait", risk=Risk.LOW, run=run, command="slow", form="{text}")
    async with running_demo(tmp_path / "data", config=config, extra=[slow]) as running:
        yield running


async def test_everything_is_paused_with_two_taps_and_goes_on_afterwards(demo: Demo) -> None:
    phones, _ = demo
    page = await ask(phones, "admin", "/pause", "Nothing is paused")
    asked = await phones.tap("admin", page, "15 min")
    assert asked["answered"]
    question = await phones.see("admin", "why is everything to be paused?")
    await phones.tap("admin", question, "Deploy freeze")
    await becomes(phones, question, "Everything is paused by Ada Admin: deploy freeze, until")
    line = await ask(
        phones, "member", "create task: review the budget", "⏸ paused by Ada Admin: deploy freeze"
    )
    own = await ask(phones, "member", "expense 900 EUR desk", "Approval needed")
    copy = await card_at(phones, "approver", "desk")
    told = await phones.tap("approver", copy, "Approve")
    assert told["text"] == "Approved. It waits: paused by Ada Admin: deploy freeze."
    await becomes(phones, own, "⏸ paused by Ada Admin: deploy freeze, until")
    assert "Everything is paused" in (await ask(phones, "approver", "/pending"))["text"]
    assert "⏸ paused by" in (await ask(phones, "member", f"/call {short(own)}"))["text"]
    assert "2 calls wait" in (await ask(phones, "admin", "/resume", "Resumed"))["text"]
    await becomes(phones, own, "🟢 Done")
    await becomes(phones, line, "Added task #1: review the budget")


async def test_what_runs_is_stopped_too_and_another_process_may_resume(
    demo: Demo, begun: asyncio.Event
) -> None:
    phones, product = demo
    await phones.say("member", "/slow tea")
    await begun.wait()
    told = await ask(phones, "admin", "/pause tool slow for 2h it never ends", "tool slow is paused")
    assert "What runs (1) goes on to its end." in told["text"]
    await phones.tap("admin", told, "Also stop what runs")
    await becomes(phones, told, "1 running call was asked to stop")
    await phones.see("member", "Cancelled")
    rows = await product.db.reader.read(lambda records: records.pulse.running())
    assert not rows
    waiting = await ask(phones, "member", "/slow more", "⏸ paused by Ada Admin: it never ends")
    machine, now = at_machine(product.home), product.clock.both()

    def elsewhere(records: Records) -> Resumed | Refused:
        return resume(
            records,
            by=machine,
            target=Target.TOOL,
            name="slow",
            everywhere=False,
            now=now,
            env=product.env,
        )

    await product.db.writer.run("resume", elsewhere)
    await phones.see("admin", "Resumed: tool slow, paused by Ada Admin")
    await becomes(phones, waiting, lambda m: "paused" not in m["text"])
    await phones.say("member", f"/cancel {short(waiting)}")  # else the product waits for its end
    await becomes(phones, waiting, "Cancelled")


async def test_it_ends_by_itself_and_the_admins_are_told(demo: Demo) -> None:
    phones, _ = demo
    await ask(phones, "admin", "/pause for 2h deploy freeze", "Everything is paused")
    line = await ask(phones, "member", "create task: one", "⏸ paused")
    await phones.post("clock", advance_s=7200)
    await phones.see("admin", "The time of the pause is over")
    await becomes(phones, line, "Added task #1: one")


async def test_who_is_no_admin_pauses_nothing_by_word_or_tap(demo: Demo) -> None:
    phones, product = demo
    page = await ask(phones, "admin", "/pause", "Nothing is paused")
    shown = await ask(phones, "admin", "/pause tool create_task bad data", "is paused by Ada")
    for person in ("member", "approver"):
        assert "Only an admin" in (await ask(phones, person, "/pause everything now"))["text"]
        assert "Only an admin" in (await ask(phones, person, "/resume tool create_task"))["text"]
        theirs = await phones.see(person, lambda m: m["from"]["is_bot"])
        for message, label in ((page, "15 min"), (shown, "Resume")):
            tapped = await phones.tap(person, theirs, data=data(message, label))
            assert (tapped["alert"], "Only an admin" in tapped["text"]) == (True, True)
    live = await product.db.reader.read(lambda r: r.switches.live(now=product.clock.now()))
    assert [each.name for each in live] == ["create_task"]


async def test_a_question_for_the_reason_is_left_and_grows_too_old(demo: Demo) -> None:
    phones, product = demo
    await ask(phones, "admin", "/pause for 2h", "why is everything to be paused?")
    await ask(phones, "admin", "/cancel", "Never mind")
    await ask(phones, "admin", "create task: no reason", "Added task")
    await ask(phones, "admin", "/pause for 2h", "why is everything to be paused?")
    await phones.post("clock", advance_s=601)
    await ask(phones, "admin", "create task: none either", "Added task")
    assert not await product.db.reader.read(lambda r: r.switches.live(now=product.clock.now()))
    await ask(phones, "admin", "/pause until 99:99 x", "does not fit")
    question = await ask(phones, "admin", "/pause tool list_tasks", "why is tool list_tasks to be paused?")
    await ask(phones, "admin", "because I say <b>so</b>", "because I say <b>so</b>")
    assert question["text"].startswith("⏸ Ada Admin")


async def test_a_reply_to_a_card_is_no_reason_and_the_question_stays(demo: Demo) -> None:
    phones, product = demo
    own = await ask(phones, "member", "expense 900 EUR desk", "Approval needed")
    theirs = await card_at(phones, "admin", "desk")
    await ask(phones, "admin", "/pause for 2h", "why is everything to be paused?")
    under = {"reply_to": theirs["message_id"]}
    await ask(phones, "admin", "no: too many desks", "Denied", **under)
    assert "too many desks" in (await becomes(phones, own, "Denied"))["text"]
    assert not await product.db.reader.read(lambda r: r.switches.live(now=product.clock.now()))
    await ask(phones, "admin", "deploy freeze", "Everything is paused by Ada Admin: deploy freeze")


async def test_what_is_forwarded_or_comes_late_to_a_card_is_no_reason(demo: Demo) -> None:
    phones, product = demo
    await ask(phones, "member", "expense 900 EUR desk", "Approval needed")
    theirs = await card_at(phones, "admin", "desk")
    await phones.tap("admin", theirs, "Deny")
    await becomes(phones, theirs, "Denied")
    await ask(phones, "admin", "/pause for 2h", "why is everything to be paused?")
    late = {"reply_to": theirs["message_id"]}
    await ask(phones, "admin", "no: too many desks", "did not understand", **late)
    await ask(phones, "admin", "/pause for 2h", "why is everything to be paused?")
    said = await phones.say("member", "too many desks", chat="group")
    origin = {"chat": "group", "message_id": said["message_id"]}
    await ask(phones, "admin", "", "somebody else's words", forward_of=origin)
    assert not await product.db.reader.read(lambda r: r.switches.live(now=product.clock.now()))


async def test_leave_it_leaves_the_question_of_the_pause_alone(demo: Demo) -> None:
    phones, product = demo
    question = await ask(phones, "admin", "/pause for 2h", "why is everything to be paused?")
    await ask(phones, "admin", "/cancel", "Never mind")
    await ask(phones, "admin", "/task", lambda m: m["force_reply"])
    await phones.tap("admin", question, "Leave it")
    await becomes(phones, question, "Never mind")
    await ask(phones, "admin", "call Mia", "Added task #1: call Mia")
    question = await ask(phones, "admin", "/pause for 2h", "why is everything to be paused?")
    await phones.tap("admin", question, "Leave it")
    await ask(phones, "admin", "create task: no reason", "Added task #2")
    assert not await product.db.reader.read(lambda r: r.switches.live(now=product.clock.now()))


async def test_what_is_over_a_limit_says_so_and_is_taken_once_it_may(demo: Demo) -> None:
    phones, product = demo
    for number in (1, 2):
        await ask(phones, "member", f"create task: number {number}", f"Added task #{number}")
    held = await ask(
        phones, "member", "create task: number 3", "the limit of 2/hour for this tool is reached"
    )
    await phones.post("clock", advance_s=3600)
    await becomes(phones, held, "Added task #3")
    row = await product.db.reader.read(lambda r: r.calls.waiting(Status.PENDING, limit=5))
    assert not row
