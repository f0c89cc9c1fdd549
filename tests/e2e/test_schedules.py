"""Schedules as people make and keep them: said, listed, held, ended; and they come, also after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from bot.run import DEMO_TIMEZONE
from bot.sandbox.limits import Limits
from bot.sandbox.rules import Rules
from bot.sandbox.server import start_sandbox
from tests.e2e.phone import Phones, labels, product_at, running_demo
from tests.e2e.talk import Demo, ask, becomes


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path) as running:
        yield running


async def passes(demo: Demo, seconds: int) -> None:
    """Time passes, and the clockwork does what is due."""
    phones, product = demo
    await phones.post("clock", advance_s=seconds)
    await product.schedules.clock.fire()


async def test_one_is_said_comes_is_listed_held_and_ended(demo: Demo) -> None:
    phones, product = demo
    card = await ask(phones, "member", "in 2 hours create task: call the bank", "Scheduled")
    assert "Add task: call the bank" in card["text"]
    assert "Runs by itself then." in card["text"]
    # Not within the next two hours, whatever the time is.
    hour = (product.clock.now().astimezone(ZoneInfo(DEMO_TIMEZONE)).hour + 12) % 24 or 1
    daily = await ask(
        phones, "member", f"every day at {hour}:00 list tasks", f"Every day at {hour:02}:00, next"
    )
    assert [label.split()[-1] for label in labels(daily)] == ["Pause", "Delete"]
    await passes(demo, 7260)
    line = await phones.see("member", "Added task #1: call the bank")
    assert "🗓 Scheduled" in line["text"]
    assert any("Undo" in label for label in labels(line))
    found = await ask(phones, "member", "/schedules", "What is scheduled")
    assert "call the bank" not in found["text"]
    assert "List the open tasks" in found["text"]
    assert (await phones.tap("member", found, "Pause"))["text"].startswith("Paused")
    await becomes(phones, found, "paused")
    await passes(demo, 86400)
    assert not await product.db.reader.read(lambda r: r.schedules.any_due(product.clock.now()))
    assert (await phones.tap("member", found, "Resume"))["text"] == "It goes on."
    await phones.tap("member", found, "Delete")
    await becomes(phones, found, "Delete this schedule for good?")
    assert (await phones.tap("member", found, "Keep"))["text"] == "It stays."
    await phones.tap("member", found, "Delete")
    await becomes(phones, found, "for good")
    assert (await phones.tap("member", found, "Yes"))["text"] == "Deleted."
    await becomes(phones, found, "Nothing is scheduled")
    await passes(demo, 86400 * 2)
    assert not [m for m in await phones.messages("member") if "your list" in m["text"]]


async def test_what_is_not_clear_is_asked_and_nothing_is_guessed(demo: Demo) -> None:
    phones, _ = demo
    await ask(phones, "member", "every monday expense 12 EUR", "At what time?")
    await ask(phones, "member", "9", "in the morning or in the evening?")
    await ask(phones, "member", "9am", "What was it for?")
    made = await ask(phones, "member", "coffee", "Scheduled")
    assert "12.00 EUR for coffee" in made["text"]
    assert "Every Monday at 09:00, next Mon" in made["text"]
    for said, told in (
        ("every 2 weeks list tasks", "do not know that kind"),
        ("every monday 9:00", "not what to do then"),
        ("every monday 9:00 dance the tango", "did not understand what to do then"),
        ("every monday 9:00 list tasks and then list expenses", "does one thing"),
        ("every day at noon create task: report due friday", "leave it out"),
        ("every monday 9:00 expense -5 EUR coffee", "Nothing was"),
        ("/schedule", "Begin a sentence with a time"),
    ):
        await ask(phones, "member", said, told)
    await ask(phones, "member", "tomorrow create task: buy milk", lambda m: "Scheduled" not in m["text"])
    assert (await ask(phones, "member", "/schedules", "What is scheduled"))["text"].count("#") == 1
    by_command = await ask(phones, "member", "/schedule tomorrow 8am create task: call the bank", "Scheduled")
    assert "Once, " in by_command["text"]


async def test_forwarded_words_are_confirmed_first(demo: Demo) -> None:
    phones, _ = demo
    theirs = await phones.say("approver", "every monday 9:00 create task: water the plants", chat="group")
    asked = await ask(
        phones,
        "member",
        theirs["text"],
        "Shall I do this?",
        forward_of={"chat": "group", "message_id": theirs["message_id"]},
    )
    assert "every Monday at 09:00" in asked["text"]
    assert "Nothing is scheduled" in (await ask(phones, "member", "/schedules"))["text"]
    await phones.tap("member", asked, "Yes")
    await phones.see("member", lambda m: "🗓 Scheduled" in m["text"] and "water the plants" in m["text"])


async def test_a_risky_one_asks_for_its_signature_when_it_comes(demo: Demo) -> None:
    phones, _ = demo
    made = await ask(phones, "member", "in 1 hour expense 900 EUR desk", "Scheduled")
    assert "asks for the signature" in made["text"]
    await passes(demo, 3 * 3600)
    card = await phones.see("member", lambda m: "Approval needed" in m["text"])
    assert "🗓 Scheduled, late: it was due" in card["text"]


async def test_others_have_no_hand_in_it(demo: Demo) -> None:
    phones, _ = demo
    said = "/schedule every day at 9:00 list tasks"
    made = await ask(phones, "member", said, "Scheduled", chat="group")
    for button in ("Pause", "Delete"):
        refused = await phones.tap("approver", made, button, chat="group")
        assert refused["alert"]
        assert "no such schedule" in refused["text"]
    assert "Nothing is scheduled" in (await ask(phones, "approver", "/schedules"))["text"]
    assert "List the open tasks" in (await ask(phones, "member", "/schedules", chat="group"))["text"]
    seen = await ask(phones, "admin", "/schedules", "by Mia Member")
    assert (await phones.tap("admin", seen, "Pause"))["text"].startswith("Paused")
    await ask(phones, "member", "every day at 8:00 list expenses", "Scheduled")
    assert "expenses" not in (await ask(phones, "admin", "/schedules", chat="group"))["text"]


async def test_it_survives_a_restart_and_is_made_up_for_once(tmp_path: Path) -> None:
    sandbox = await start_sandbox(limits=Limits.off(), rules=Rules(same_offset_window=0, burst_window=0))
    try:
        async with aiohttp.ClientSession() as session:
            phones = Phones(sandbox.url, session)
            async with product_at(sandbox, tmp_path / "data"):
                await ask(phones, "member", "/start")
                await ask(phones, "member", "in 2 hours create task: call the bank", "Scheduled")
            await phones.post("clock", advance_s=3 * 3600)
            for _ in range(2):
                async with product_at(sandbox, tmp_path / "data") as product:
                    await product.schedules.clock.fire()
                    line = await phones.see("member", "Added task #1: call the bank")
            assert "late: it was due" in line["text"]
            assert "Added task #2" not in str(await phones.messages("member"))
    finally:
        await sandbox.stop()


async def test_the_file_of_schedules_is_in_force_once_it_is_saved(tmp_path: Path) -> None:
    file, config = tmp_path / "schedules.toml", tmp_path / "config.toml"
    file.write_text("")
    config.write_text(f'[schedules]\nfile = "{file}"\n')
    async with running_demo(tmp_path / "data", config=config) as (phones, product):
        text = '[[schedule]]\nname = "tasks"\ncron = "0 8 * * *"\ntool = "list_tasks"\nas = "Mia Member"\n'
        file.write_text(text)
        await product.schedules.file.look()
        await phones.see("admin", "The file of schedules is in force")
        listed = await ask(phones, "member", "/schedules", "from the file")
        assert [label.split()[1] for label in labels(listed)] == ["Pause"]
        file.write_text(text.replace("list_tasks", "list_taks"))
        await product.schedules.file.look()
        told = await phones.see("admin", "cannot be used")
        assert "line 4, column 1" in told["text"]
        assert "list_tasks" in told["text"]
