"""Running one attempt at a tool that behaves as a test wants."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from core.engine import Started
from core.live import Stop
from core.model import Channel
from core.registry import ToolRegistry
from core.runner import ToolRunner
from core.tool import RunResult, Tool, ToolContext, ToolResult
from tests.kit.clock import NOON
from tests.kit.records import attempt, call
from tests.kit.tools import tool

Behaviour = Callable[[Any, ToolContext], Awaitable[ToolResult]]


async def _progress(_fraction: float, _text: str) -> None: ...


def context() -> ToolContext:
    made = call()
    return ToolContext(
        call_id=made.id,
        tenant_id=made.tenant_id,
        account_id=made.account_id,
        conversation_id=made.conversation_id,
        channel=Channel.TELEGRAM,
        person_id=made.requester_id,
        person_name=made.requester_name,
        roles=frozenset(),
        timezone="UTC",
        currency="EUR",
        idempotency_key="key",
        attempt=1,
        now=NOON,
        deadline=NOON + timedelta(seconds=30),
        progress=_progress,
        cancellation=Stop(),
        store=None,  # type: ignore[arg-type]
    )


def started(**changes: Any) -> Started:
    made = call(**changes)
    return Started(call=made, attempt=attempt(made))


def runner(*tools: Tool, grace_s: float = 0.05) -> ToolRunner:
    ticks = itertools.count()
    return ToolRunner(ToolRegistry(tools), monotonic=lambda: next(ticks) * 0.25, grace_s=grace_s)


async def ran(behaviour: Any, **changes: Any) -> RunResult:
    """What becomes of one attempt at a tool that behaves so."""
    return await runner(tool(run=behaviour, **changes)).run(started(), context())


def raising(error: BaseException) -> Behaviour:
    async def behaviour(_arguments: Any, _context: ToolContext) -> ToolResult:
        raise error

    return behaviour


def giving(result: Any) -> Behaviour:
    async def behaviour(_arguments: Any, _context: ToolContext) -> ToolResult:
        return result  # type: ignore[no-any-return]

    return behaviour
