"""The demo's warehouse: what it says in each of its modes, and that it keeps each order once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.errors import ToolError
from tools import warehouse as module
from tools.warehouse import Warehouse, warehouse_adapter


async def failed(warehouse: Warehouse, key: str = "k") -> str:
    """The class of the error that an order of this key meets, which may be tried again; "" for none."""
    try:
        await warehouse.order(key, "20 bolts")
    except ToolError as error:
        return error.error_class if error.transient else "not transient"
    return ""


async def test_one_key_is_one_order(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "state.json")
    assert [await warehouse.order(key, "bolts") for key in ("a", "b", "a")] == [1, 2, 1]
    assert await Warehouse(tmp_path / "state.json").order("b", "bolts") == 2, "also after a restart"


async def test_a_flaky_one_answers_each_order_at_the_third_time(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "state.json")
    await warehouse.set_mode("flaky")
    assert [await failed(warehouse) for _ in range(3)] == ["busy", "busy", ""]
    assert await failed(warehouse, "another") == "busy"
    await warehouse_adapter(warehouse).check()  # type: ignore[misc]


async def test_one_that_is_down_says_so_until_it_is_up(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "state.json")
    await warehouse.set_mode("down")
    assert await failed(warehouse) == "unreachable"
    with pytest.raises(ToolError, match="cannot be reached"):
        await warehouse.check()
    await warehouse.set_mode("up")
    assert await failed(warehouse) == ""


async def test_a_slow_one_takes_longer_than_its_tool_may(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "state.json")
    await warehouse.set_mode("slow")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(warehouse.order("k", "bolts"), 0.05)
    order, _ = module.warehouse_tools(warehouse)
    assert order.timeout_s < module._SLOW_S
