"""/health through the chat, and what the probe says of things that are unwell."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from bot import health
from bot.bootstrap import Countersign
from bot.health import Health
from tests.e2e.phone import running_demo
from tests.e2e.talk import Demo, ask
from tools.system_health_check import HealthItem

ITEMS = ("database", "queue", "worker", "disk", "memory", "Telegram")


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path) as running:
        yield running


async def items(probe: Health) -> Mapping[str, HealthItem]:
    return {item.name: item for item in (await probe()).items}


def probe_of(product: Countersign) -> Health:
    return Health(reader=product.db.reader, folder=product.settings.storage.folder)


@pytest.mark.parametrize("text", ["/health", "how are you", "system_health_check"])
async def test_the_report_has_every_item_and_its_figure(demo: Demo, text: str) -> None:
    phones, _ = demo
    told = (await ask(phones, "member", text, "checks passed"))["text"]
    lines = {line.split(": ", 1)[1].split(",")[0]: line for line in told.splitlines()[1:]}
    assert tuple(lines) == ITEMS
    assert all("ok" in line and "PROBLEM" not in line for line in lines.values())
    for name, figure in (
        ("database", " ms"),
        ("queue", "0 to run"),
        ("worker", "in hand"),
        ("disk", "GB free"),
        ("memory", "MB"),
        ("Telegram", " ms"),
    ):
        assert figure in lines[name]


async def test_what_is_unwell_is_told_in_the_chat(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    phones, _ = demo
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 10**12 - 1, 1))
    await phones.post("faults", method="getMe", status=502, description="Bad Gateway")
    told = (await ask(phones, "member", "/health", "PROBLEM"))["text"]
    assert "2 of 6 checks failed" in told
    problems = [line for line in told.splitlines()[1:] if "PROBLEM" in line]
    assert "disk, 0.0 GB free" in problems[0]
    assert "Telegram" in problems[1]


async def test_without_a_worker_and_without_telegram(demo: Demo) -> None:
    _, product = demo
    found = await items(probe_of(product))
    assert tuple(found) == ITEMS[:-1]
    assert not found["worker"].ok
    assert found["worker"].detail == "not started"


async def test_what_is_slow_or_fails_without_a_word_is_a_problem(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, product = demo
    probe = probe_of(product)

    async def fails() -> None:
        raise ConnectionError

    probe.ping_telegram = fails
    monkeypatch.setattr(health, "SLOW_S", 0.0)
    found = await items(probe)
    assert not found["database"].ok
    assert "ms" in found["database"].detail
    assert not found["Telegram"].ok
    assert found["Telegram"].detail == "ConnectionError"
