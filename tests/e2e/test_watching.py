"""Watching the bot from the chat: an alarm comes, is seen and clears; /status, on a phone and by command."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from core.model import Risk
from core.tool import Effect, Preview, Tool, ToolContext, ToolFault, ToolInput, ToolResult
from tests.e2e.phone import Phones, Seen, labels, running_demo
from tests.e2e.talk import Demo, ask, becomes
from tests.kit.cli import countersign

WIDTH = 64
"""Characters of a line that a phone shows in two lines at most."""


class Usage(NamedTuple):
    total: int
    used: int
    free: int


class NoInput(ToolInput):
    pass


def failing() -> Tool:
    """A tool that says that it failed."""

    async def run(_arguments: NoInput, _context: ToolContext) -> ToolResult:
        return ToolResult(error=ToolFault(message="no paper", error_class="paper"))

    return Tool(
        name="jam",
        title="Jam",
        version="1",
        description="Fails.",
        input=NoInput,
        risk=Risk.LOW,
        effects=frozenset({Effect.READS}),
        run=run,
        preview=lambda _: Preview(title="Jam the printer"),
    )


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path, extra=[failing()]) as running:
        yield running


async def alarm_of(phones: Phones, text: str) -> Seen:
    return await phones.see("admin", lambda m: m["from"]["is_bot"] and text in m["text"])


async def alarms(phones: Phones) -> list[str]:
    """All messages to the admin that are alarms, or their ends."""
    seen = [message["text"] for message in await phones.messages("admin")]
    return [text.partition("\n")[0] for text in seen if re.match("[🚨👀✅]", text)]


async def fail(phones: Phones, times: int) -> None:
    for _ in range(times):
        await ask(phones, "member", "jam", "no paper")


async def test_an_alarm_comes_once_is_seen_and_clears(demo: Demo) -> None:
    phones, product = demo
    await fail(phones, 4)
    await product.watching.look()
    assert not await alarms(phones), "four are none yet"
    await fail(phones, 3)
    for _ in range(3):
        await product.watching.look()
    raised = await alarm_of(phones, "Calls fail")
    assert "7 calls in 5 minutes: jam (7)." in raised["text"]
    assert "What to do" in raised["text"]
    assert labels(raised) == ["👀 Seen", "🩺 Status"]
    assert "tg-time" in raised["html"], "since when, in the reader's own zone"
    told = await phones.tap("admin", raised, "Seen")
    assert told["answered"]
    await becomes(phones, raised, "Ada Admin has seen this")
    await phones.post("clock", advance_s=301)
    await product.watching.look()
    await alarm_of(phones, "Calls fail: this is over.")
    assert await alarms(phones) == ["👀 Calls fail", "✅ Calls fail: this is over."]
    assert not [m for m in await phones.messages("member") if "🚨" in m["text"]]


async def test_only_an_admin_says_that_it_was_seen(demo: Demo) -> None:
    phones, product = demo
    await fail(phones, 5)
    await product.watching.look()
    raised = await alarm_of(phones, "Calls fail")
    (alarm,) = await product.db.reader.read(lambda records: records.alarms.live())
    button = next(b["data"] for row in raised["buttons"] for b in row if "Seen" in b["text"])
    asked = await ask(phones, "member", "/help", "How to ask")
    forged = await phones.post(
        "taps", **{"from": "member", "chat": "member", "message_id": asked["message_id"], "data": button}
    )
    assert forged["alert"]
    assert "admins" in forged["text"]
    (after,) = await product.db.reader.read(lambda records: records.alarms.live())
    assert after.seen_at is None
    assert after.id == alarm.id


async def test_the_status_is_one_screen_of_a_phone(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    phones, product = demo
    await ask(phones, "member", "expense 900 EUR new desk", "new desk")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 97 * 10**10, 3 * 10**10))
    await product.watching.look()
    await alarm_of(phones, "The disk is nearly full")
    shown = await ask(phones, "admin", "/status", "Status · Countersign")
    for expected in (
        "1 to sign · 0 to run · 0 running",
        "1 worker, up",
        "0 to send",
        "0 to read",
        "30.0 GB free · database",
        "🚨 The disk is nearly full: since",
    ):
        assert expected in shown["text"]
    lines = shown["text"].splitlines()
    assert len(lines) <= 16
    assert max(map(len, lines)) <= WIDTH
    monkeypatch.undo()
    await phones.post("clock", advance_s=61)
    await product.watching.look()
    assert (await phones.tap("admin", shown, "Refresh"))["answered"]
    await becomes(phones, shown, "✅ The disk is nearly full: over since")
    refused = await ask(phones, "member", "/status", "Only admins")
    assert "Countersign" not in refused["text"]


async def test_the_status_of_an_alarm_comes_below_it(demo: Demo) -> None:
    phones, product = demo
    await fail(phones, 5)
    await product.watching.look()
    raised = await alarm_of(phones, "Calls fail")
    await phones.tap("admin", raised, "Status")
    below = await alarm_of(phones, "Status · Countersign")
    assert below["message_id"] > raised["message_id"]
    assert "🚨 Calls fail" in below["text"]


def status(data: Path, *more: str) -> str:
    return countersign("status", "--data", str(data), *more).output


async def test_the_command_tells_the_same_beside_a_running_bot_and_after_it(tmp_path: Path) -> None:
    async with running_demo(tmp_path) as (phones, _):
        await ask(phones, "member", "expense 900 EUR new desk", "new desk")
        found = json.loads(await asyncio.to_thread(status, tmp_path, "--json"))
    assert found["running"]
    assert (found["queue"]["proposed"]["count"], found["queue"]["running"]) == (1, 0)
    assert found["queue"]["proposed"]["oldest_s"] >= 0
    assert len(found["workers"]) == 1
    assert found["disk"]["free_bytes"] > 0
    told = await asyncio.to_thread(status, tmp_path)
    assert ", not running" in told
    assert "Calls: 1 " in told
    assert "No alarms so far." in told


async def test_telegrams_limits_are_counted_and_other_failures_are_not(demo: Demo) -> None:
    phones, product = demo
    await phones.post("faults", method="sendMessage", status=502, times=1)
    await ask(phones, "member", "/tools", "What I can do")
    assert product.watching.metrics.throttles == 0
    await phones.post("faults", method="sendMessage", status=429, retry_after=1, times=1)
    await ask(phones, "approver", "/tools", "What I can do")
    assert product.watching.metrics.throttles == 1
