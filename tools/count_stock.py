"""count_stock: the demo's example of a long look around, which can be watched and stopped.

It goes through a pretend store shelf by shelf and changes nothing. Stopped, it tells what it has counted.
"""

from __future__ import annotations

import asyncio
from typing import Final

from core.model import Risk
from core.tool import Effect, Preview, Run, Tool, ToolContext, ToolInput, ToolResult

_SHELVES: Final = 20
_EACH: Final = 17


class CountStockInput(ToolInput):
    """It is all of it that is counted."""


def _run(shelf_s: float) -> Run:
    async def run(_arguments: CountStockInput, context: ToolContext) -> ToolResult:
        boxes = 0
        for shelf in range(1, _SHELVES + 1):
            if context.cancellation.requested:
                raise asyncio.CancelledError
            await context.progress((shelf - 1) / _SHELVES, f"shelf {shelf} of {_SHELVES}")
            await asyncio.sleep(shelf_s)
            there = _on(shelf)
            boxes += there
            await context.output(f"shelf {shelf}: {there} boxes")
            counted = {"shelves": shelf, "of": _SHELVES, "boxes": boxes}
            context.partial(f"Counted {boxes} boxes on {shelf} of {_SHELVES} shelves.", counted)
        return ToolResult(
            text=f"Counted {boxes} boxes on {_SHELVES} shelves.",
            data={"shelves": _SHELVES, "of": _SHELVES, "boxes": boxes},
        )

    return run


def _on(shelf: int) -> int:
    """How many boxes lie there: always as many, so that a count can be checked."""
    return shelf * 7 % _EACH + 3


def _preview(_arguments: CountStockInput) -> Preview:
    return Preview(title="Count the stock")


def count_stock(*, shelf_s: float = 3.0) -> Tool:
    """The tool, taking so many seconds for each of its twenty shelves. Data: {"shelves", "of", "boxes"}."""
    return Tool(
        name="count_stock",
        title="Count the stock",
        version="1",
        description="Counts the boxes on all shelves, which takes a minute. It can be watched and stopped.",
        input=CountStockInput,
        risk=Risk.LOW,
        effects=frozenset({Effect.READS}),
        run=_run(shelf_s),
        preview=_preview,
        idempotent=True,
        timeout_s=300.0,
        examples=("count the stock", "count stock", "count our stock", "how many boxes do we have"),
    )
