"""ToolRunner: the one place that calls tool code. It never raises: every exception becomes an envelope."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from core.errors import CountersignError, InvalidInput, ToolError
from core.lifecycle import Status
from core.live import Partial
from core.model import Started
from core.registry import ToolRegistry, validate
from core.tool import Cancellation, RunResult, Tool, ToolContext, ToolFault, ToolResult

FALLBACK_ERROR: Final = "Tool execution failed"
GRACE_S: Final = 5.0
"""How long a tool may take to stop after it was told to. After that nobody knows what it still does."""
POLITE_S: Final = 2.0
"""How long a tool that is asked to stop may take to end by itself, before it is cancelled."""


class ToolRunner:
    """Runs attempts. `monotonic` measures durations, in seconds; never wall time, which may be moved.
    `clean` takes secrets out of what tools say, before it is recorded or shown."""

    def __init__(
        self,
        registry: ToolRegistry,
        *,
        monotonic: Callable[[], float],
        grace_s: float = GRACE_S,
        polite_s: float = POLITE_S,
        clean: Callable[[str], str] = str,
    ) -> None:
        self._registry = registry
        self._monotonic = monotonic
        self._grace_s = grace_s
        self._polite_s = polite_s
        self._clean = clean

    async def run(self, started: Started, context: ToolContext) -> RunResult:
        """Runs one attempt to its end and tells what became of it. Counts it in the tool's metrics."""
        begun = self._monotonic()
        result = _with_partial(await self._guarded(started, context), context.partial)
        duration_ms = round((self._monotonic() - begun) * 1000)
        if self._registry.find(started.call.tool) is not None:
            self._registry.observe(started.call.tool, status=result.status, duration_ms=duration_ms)
        error = None if result.error is None else self._clean(result.error)
        return replace(result, duration_ms=duration_ms, error=error, text=self._clean(result.text))

    async def _guarded(self, started: Started, context: ToolContext) -> RunResult:
        if context.cancellation.requested:
            return replace(_failed("It was stopped before it began.", "cancelled"), status=Status.CANCELLED)
        try:
            tool = self._registry.get(started.call.tool)
            work = self._work(tool, started, context)
        except CountersignError as error:
            return _failed(
                error.message, "invalid_input" if isinstance(error, InvalidInput) else "tool_error"
            )
        except Exception as error:  # noqa: BLE001 - preparing input runs the tool's own validators
            return _failed(_message(error), type(error).__name__)
        task = asyncio.ensure_future(_contained(work))
        asked = await _ended_or_asked(task, context.cancellation, seconds=tool.timeout_s)
        if task.done():
            return _settle(task, idempotent=tool.idempotent)
        return await (self._cancel(task) if asked else self._stop(task, tool))

    def _work(self, tool: Tool, started: Started, context: ToolContext) -> Awaitable[ToolResult]:
        if started.call.undo_of is None:
            fallback = tool.fallback
            carried = fallback is not None and started.attempt.adapter == fallback.adapter
            run = fallback.run if fallback is not None and carried else tool.run
            return run(validate(tool, started.call.arguments), context)
        original = started.original
        if tool.undo is None or original is None or original.outcome is None:
            raise ToolError(f"{tool.name} cannot be undone.", error_class="not_undoable")
        return tool.undo.run(validate(tool, original.call.arguments), original.outcome.result, context)

    async def _stop(self, task: asyncio.Future[ToolResult], tool: Tool) -> RunResult:
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=self._grace_s)
        limit = f"It did not finish within {tool.timeout_s:g} seconds"
        if done:
            # It is known to have stopped; what it did until then is kept.
            late = _settle(task)
            if late.status is Status.INTERRUPTED:
                return late
            return replace(
                late,
                status=Status.TIMED_OUT,
                error=f"{limit} and was stopped.",
                error_class="timeout",
                transient=False,
                healthy=False,
            )
        task.add_done_callback(_ignore)
        slow = _failed(f"{limit} and did not stop when told to.", "timeout")
        return replace(slow, status=Status.INTERRUPTED, healthy=False)

    async def _cancel(self, task: asyncio.Future[ToolResult]) -> RunResult:
        """Somebody asked it to stop: it may end by itself, then it is cancelled. Where it ended all the same,
        its end counts."""
        await asyncio.wait({task}, timeout=self._polite_s)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=self._grace_s)
        if task.done():
            return _settle(task)
        task.add_done_callback(_ignore)
        still = _failed("It was asked to stop and did not stop when told to.", "cancelled")
        return replace(still, status=Status.INTERRUPTED)


async def _ended_or_asked(
    task: asyncio.Future[ToolResult], cancellation: Cancellation, *, seconds: float
) -> bool:
    """Returns once the task ended, somebody asks it to stop, or the time is over: whether somebody asked."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def tell(_task: object = None) -> None:
        if not over.done():
            over.set_result(None)

    cancellation.on_asked(tell)
    task.add_done_callback(tell)
    timer = loop.call_later(seconds, tell)
    try:
        await over
    finally:
        timer.cancel()
        task.remove_done_callback(tell)
    return cancellation.requested


def _with_partial(result: RunResult, partial: Partial) -> RunResult:
    """A call that did not complete keeps what its tool had by then, where it gave nothing else back."""
    there = partial.text or partial.data is not None
    if not there or result.status is Status.COMPLETED or result.text or result.data is not None:
        return result
    if not _storable(ToolResult(text=partial.text, data=partial.data)):
        return result
    if result.status is Status.INTERRUPTED:  # it has no outcome yet that could keep more than words
        return replace(result, error=f"{result.error} Until then: {partial.text}")
    return replace(result, text=partial.text, data=partial.data)


async def _contained(work: Awaitable[ToolResult]) -> ToolResult:
    """A tool that exits ends itself, not the process."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise ToolError(f"The tool tried to end the process: {error}", error_class="exit") from None


def _storable(result: ToolResult) -> bool:
    """Whether the result can be kept: JSON and whole Unicode."""
    try:
        json.dumps([result.data, result.text, dict(result.references)], ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _settle(task: asyncio.Future[ToolResult], *, idempotent: bool = False) -> RunResult:
    """The envelope of a task that has ended."""
    if task.cancelled():
        return replace(_failed("The tool was stopped.", "cancelled"), status=Status.CANCELLED)
    error = task.exception()
    if error is not None:
        return _raised(error, idempotent=idempotent)
    result: object = task.result()
    if not isinstance(result, ToolResult) or not _storable(result):
        return replace(_failed(FALLBACK_ERROR, "bad_result"), healthy=False)
    if result.error is not None:
        failed = _refused(result.error)
        return replace(failed, text=result.text, data=result.data, references=result.references)
    return RunResult(
        healthy=True,
        status=Status.COMPLETED,
        text=result.text,
        data=result.data,
        references=result.references,
        error=None,
        error_class=None,
        duration_ms=0,
    )


def _raised(error: BaseException, *, idempotent: bool) -> RunResult:
    """The envelope of an exception. A lost connection is transient where repeating is harmless."""
    if not isinstance(error, ToolError):
        lost = idempotent and isinstance(error, TimeoutError | ConnectionError)
        return replace(
            _failed(_message(error), type(error).__name__),
            transient=lost,
            healthy=False,
            unclear=lost and not isinstance(error, ConnectionRefusedError),
        )
    if error.unclear:
        unclear = _failed(error.message or FALLBACK_ERROR, error.error_class)
        return replace(unclear, status=Status.INTERRUPTED, healthy=False)
    return _refused(error)


def _refused(error: ToolError | ToolFault) -> RunResult:
    """The envelope of a failure that its tool tells of. Whoever says no in so many words, works."""
    return replace(
        _failed(error.message or FALLBACK_ERROR, error.error_class),
        transient=error.transient,
        retry_after_s=error.retry_after_s,
        healthy=not error.transient,
    )


def _failed(message: str, error_class: str) -> RunResult:
    return RunResult(
        status=Status.FAILED,
        text="",
        data=None,
        references={},
        error=message,
        error_class=error_class,
        duration_ms=0,
    )


def _message(error: BaseException) -> str:
    return str(error).strip() or FALLBACK_ERROR


def _ignore(task: asyncio.Future[ToolResult]) -> None:
    """A tool that ended after it was given up: its result is refused by the fence; fetch its exception."""
    if not task.cancelled():
        task.exception()
