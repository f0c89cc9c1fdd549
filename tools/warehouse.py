"""order_parts and set_warehouse: the demo's example of a tool whose other side fails, and of making it fail.

The warehouse is a small file in the data folder. It can be up, flaky (it answers an order at the third time
that it is asked), slow (it takes longer than anybody waits) or down.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from core.adapters import Adapter
from core.errors import ToolError
from core.model import Risk
from core.tool import Effect, Preview, Retry, Run, Slot, SlotKind, Tool, ToolContext, ToolInput, ToolResult

WAREHOUSE: Final = "warehouse"
_MOST: Final = 100
_FLAKY_UNTIL: Final = 3
_SLOW_S: Final = 60.0
_TIMEOUT_S: Final = 5.0
_RETRY: Final = Retry(attempts=6, within_s=120, first_wait_s=0.5, longest_wait_s=4.0, jitter_s=0.3)

T = TypeVar("T")


def _read_parts(text: str) -> str:
    if not text or len(text) > _MOST or not text.isprintable():
        raise ValueError(f"it should be 1 to {_MOST} printable characters on one line")
    return text


class OrderPartsInput(ToolInput):
    """What is ordered, in words."""

    parts: Annotated[
        str, AfterValidator(_read_parts), Field(json_schema_extra={"minLength": 1, "maxLength": _MOST})
    ]


class SetWarehouseInput(ToolInput):
    """How the warehouse is from now on."""

    mode: Annotated[
        Literal["up", "flaky", "slow", "down"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    ]


class Warehouse:
    """The pretend warehouse. What it knows lies in its file, so that a restart changes nothing."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    async def check(self) -> None:
        """Raises where it would not answer."""
        state = await asyncio.to_thread(self._read)
        await self._answer(str(state["mode"]))

    async def set_mode(self, mode: str) -> None:
        """From now on it is so."""

        def work(state: dict[str, Any]) -> None:
            state["mode"] = mode
            state["asked"] = {}

        await self._do(work)

    async def order(self, key: str, parts: str) -> int:
        """The number of the order under this key, made the first time. Raises ToolError."""

        def work(state: dict[str, Any]) -> str:
            state["asked"][key] = state["asked"].get(key, 0) + 1
            early = state["mode"] == "flaky" and state["asked"][key] < _FLAKY_UNTIL
            return "busy" if early else str(state["mode"])

        await self._answer(await self._do(work))
        return await self._do(lambda state: _numbered(state["orders"], key, parts))

    async def _answer(self, mode: str) -> None:
        if mode == "slow":
            await asyncio.sleep(_SLOW_S)
        if mode == "busy":
            raise ToolError("The warehouse is busy.", error_class="busy", transient=True)
        if mode == "down":
            raise ToolError("The warehouse cannot be reached.", error_class="unreachable", transient=True)

    async def _do(self, work: Callable[[dict[str, Any]], T]) -> T:
        return await asyncio.to_thread(self._write, work)

    def _read(self) -> dict[str, Any]:
        known = json.loads(self._file.read_text()) if self._file.exists() else {}
        return {"mode": "up", "asked": {}, "orders": {}, **known}

    def _write(self, work: Callable[[dict[str, Any]], T]) -> T:
        with self._lock:
            state = self._read()
            result = work(state)
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps(state, ensure_ascii=False))
            new.replace(self._file)
        return result


def _numbered(orders: dict[str, Any], key: str, parts: str) -> int:
    order = orders.setdefault(key, {"number": len(orders) + 1, "parts": parts})
    return int(order["number"])


def warehouse_adapter(warehouse: Warehouse) -> Adapter:
    """What carries order_parts; it can be asked whether it works."""
    return Adapter(name=WAREHOUSE, check=warehouse.check)


def warehouse_tools(warehouse: Warehouse, *, retry: Retry = _RETRY) -> tuple[Tool, Tool]:
    """Ordering from this warehouse, and making it fail."""
    return _order_parts(_order(warehouse), retry), _set_warehouse(_set(warehouse))


def _order(warehouse: Warehouse) -> Run:
    async def run(arguments: OrderPartsInput, context: ToolContext) -> ToolResult:
        number = await warehouse.order(context.idempotency_key, arguments.parts)
        return ToolResult(
            text=f"Ordered {arguments.parts} (order {number}).",
            data={"number": number, "parts": arguments.parts},
            references={"order": str(number)},
        )

    return run


def _set(warehouse: Warehouse) -> Run:
    async def run(arguments: SetWarehouseInput, _context: ToolContext) -> ToolResult:
        await warehouse.set_mode(arguments.mode)
        return ToolResult(text=f"The warehouse is {arguments.mode} now.", data={"mode": arguments.mode})

    return run


def _order_parts(run: Run, retry: Retry) -> Tool:
    return Tool(
        name="order_parts",
        title="Order parts",
        version="1",
        description="Orders parts from the demo's warehouse, which may be down; then it is tried again.",
        input=OrderPartsInput,
        risk=Risk.LOW,
        effects=frozenset({Effect.WRITES}),
        run=run,
        preview=lambda arguments: Preview(title=f"Order parts: {arguments.parts}"),
        idempotent=True,
        timeout_s=_TIMEOUT_S,
        adapter=WAREHOUSE,
        retry=retry,
        examples=("order parts {parts}", "order parts: {parts}", "order the parts {parts}"),
        slots={
            "parts": Slot(kind=SlotKind.TEXT, question="Which parts, and how many?", placeholder="20 bolts")
        },
        scope=("parts",),
    )


def _set_warehouse(run: Run) -> Tool:
    return Tool(
        name="set_warehouse",
        title="Set the warehouse",
        version="1",
        description="Makes the demo's warehouse up, flaky, slow or down, to see what becomes of orders.",
        input=SetWarehouseInput,
        risk=Risk.LOW,
        effects=frozenset({Effect.WRITES}),
        run=run,
        preview=lambda arguments: Preview(title=f"Set the warehouse: {arguments.mode}"),
        idempotent=True,
        examples=("set the warehouse {mode}", "set the warehouse to {mode}", "set warehouse {mode}"),
        slots={
            "mode": Slot(
                kind=SlotKind.WORD, question="Should it be up, flaky, slow or down?", placeholder="flaky"
            )
        },
    )
