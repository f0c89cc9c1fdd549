"""A warehouse that fails: tried again, cut off, in safe mode, and back, as people see it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.tool import Retry
from tests.e2e.phone import Phones, Seen, running_demo
from tools.warehouse import Warehouse, warehouse_tools

RETRY = Retry(attempts=4, within_s=30, first_wait_s=0.02, longest_wait_s=0.05, jitter_s=0.01)
CONFIG = '[resilience]\nfailures = 3\nopen_for = "1s"\nopen_at_most = "1s"\n'


@asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[Phones]:
    """The product with the demo's warehouse, which is tried again quickly."""
    config = folder / "config.toml"
    config.write_text(CONFIG)
    tools = warehouse_tools(Warehouse(folder / "warehouse.json"), retry=RETRY)
    async with running_demo(folder / "data", config=config, extra=tools) as (phones, _):
        yield phones


def orders(folder: Path) -> list[str]:
    """What the warehouse was ordered, by its own records."""
    known = json.loads((folder / "warehouse.json").read_text())["orders"].values()
    return [one["parts"] for one in sorted(known, key=lambda one: one["number"])]


async def told(phones: Phones, who: str, *words: str) -> Seen:
    return await phones.see(who, lambda message: all(word in message["text"] for word in words))


async def order(phones: Phones, parts: str) -> None:
    await phones.say("member", f"order parts {parts}")


async def test_a_flaky_warehouse_is_asked_again_and_the_result_says_so(tmp_path: Path) -> None:
    async with shop(tmp_path) as phones:
        await phones.say("member", "set warehouse flaky")
        await told(phones, "member", "flaky now")
        await order(phones, "20 bolts")
        await told(phones, "member", "Ordered 20 bolts", "Done at the 3rd attempt.")
    assert orders(tmp_path) == ["20 bolts"]


async def test_a_warehouse_that_is_down_makes_orders_queue_and_run_in_order(tmp_path: Path) -> None:
    async with shop(tmp_path) as phones:
        await phones.say("member", "set warehouse down")
        await told(phones, "member", "down now")
        await order(phones, "7 nuts")
        await told(phones, "member", "7 nuts", "does not answer")
        for parts in ("8 nuts", "9 nuts"):
            await order(phones, parts)
            await told(phones, "member", parts, "warehouse does not answer")
        await told(phones, "admin", "Safe mode: warehouse does not answer")
        assert orders(tmp_path) == []
        await phones.say("member", "set warehouse up")
        for parts in ("7 nuts", "8 nuts", "9 nuts"):
            await told(phones, "member", f"Ordered {parts}")
        await told(phones, "admin", "warehouse answers again")
    assert sorted(orders(tmp_path)) == ["7 nuts", "8 nuts", "9 nuts"]


async def test_what_queues_outlives_the_process(tmp_path: Path) -> None:
    async with shop(tmp_path) as phones:
        await phones.say("member", "set warehouse down")
        await told(phones, "member", "down now")
        for parts in ("7 nuts", "8 nuts"):
            await order(phones, parts)
            await told(phones, "member", parts, "does not answer")
    await Warehouse(tmp_path / "warehouse.json").set_mode("up")
    async with shop(tmp_path) as phones:
        for parts in ("7 nuts", "8 nuts"):
            await told(phones, "member", f"Ordered {parts}")
    assert sorted(orders(tmp_path)) == ["7 nuts", "8 nuts"]
