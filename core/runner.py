"""ToolRunner: the one place that calls tool code. It never raises: every exception becomes an envelope."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeGuard

from msgspec.structs import replace

from core.errors import CountersignError, InvalidInput, ToolError
from core.lifecycle import Status
from core.live import Partial
from core.model import Started
from core.parsing.text import storable
from core.registry import ToolRegistry, validate
from core.tool import Cancellation, RunResult, Tool, ToolContext, ToolFault, ToolResult

FALLBACK_ERROR: Final = "Tool execution failed"
GRACE_S: Final = 5.0
"""How long a tool may take to stop after it was told to. After that nobody knows what it still does."""
POLITE_S: Final = 2.0
"""How long a tool that is asked to stop may take to end by itself, before it is cancelled."""
LONGEST_WAIT_S: Final = 31_536_000.0
"""A year. What a tool wants to be waited for is cut to that: far longer ones lead out of the calendar."""
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
"""What not every database can hold, as `core.parsing.text.storable` says."""


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
        try:
            result = self._cleaned(_with_partial(await self._guarded(started, context), context.partial))
        except Exception:  # noqa: BLE001 - raised here, it would leave the call running until its lease ends
            result = _bad_result()
        duration_ms = round((self._monotonic() - begun) * 1000)
        if self._registry.find(started.call.tool) is not None:
            self._registry.observe(started.call.tool, status=result.status, duration_ms=duration_ms)
        return replace(result, duration_ms=duration_ms)

    def _cleaned(self, result: RunResult) -> RunResult:
        error = None if result.error is None else _kept(self._clean(result.error))
        return replace(result, error=error, text=_kept(self._clean(result.text)))

    async def _guarded(self, started: Started, context: ToolContext) -> RunResult:
        if context.cancellation.requested:
            return replace(_failed("It was stopped before it began.", "cancelled"), status=Status.CANCELLED)
        try:
            tool = self._registry.get(started.call.tool)
            work = self._work(tool, started, context)
        except CountersignError as error:
            return _failed(error, "invalid_input" if isinstance(error, InvalidInput) else "tool_error")
        except Exception as error:  # noqa: BLE001 - preparing input runs the tool's own validators
            return _failed(error, type(error).__name__)
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
    if result.status is Status.COMPLETED or result.text or result.data is not None:
        return result
    kept = ToolResult(text=partial.text, data=partial.data)
    if not _is_proper(kept) or kept == ToolResult():
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


def _is_proper(result: object) -> TypeGuard[ToolResult]:
    """Whether it is what a tool may give back, and its data and references can be kept: JSON and whole
    Unicode. Its text need not be: `_kept` sees to that, as to the text of an error."""
    if not isinstance(result, ToolResult) or not isinstance(result.error, ToolFault | None):
        return False
    try:
        json.dumps(result.data, ensure_ascii=False, allow_nan=False).encode()
        words = [word for pair in dict(result.references).items() for word in pair]
        texts = all(isinstance(word, str) for word in (result.text, *words))
        return texts and isinstance(result.references, Mapping) and all(map(storable, words))
    except Exception:  # noqa: BLE001 - whatever was handed over may raise anything where it is looked at
        return False


def _settle(task: asyncio.Future[ToolResult], *, idempotent: bool = False) -> RunResult:
    """The envelope of a task that has ended."""
    if task.cancelled():
        return replace(_failed("The tool was stopped.", "cancelled"), status=Status.CANCELLED)
    error = task.exception()
    if error is not None:
        return _raised(error, idempotent=idempotent)
    result: object = task.result()
    if not _is_proper(result):
        return _bad_result()
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
            _failed(error, type(error).__name__),
            transient=lost,
            healthy=False,
            unclear=lost and not isinstance(error, ConnectionRefusedError),
        )
    if error.unclear:
        unclear = _failed(error.message, error.error_class)
        return replace(unclear, status=Status.INTERRUPTED, healthy=False)
    return _refused(error)


def _refused(error: ToolError | ToolFault) -> RunResult:
    """The envelope of a failure that its tool tells of. Whoever says no in so many words, works."""
    return replace(
        _failed(error.message, error.error_class),
        transient=error.transient,
        retry_after_s=_wait_of(error.retry_after_s),
        healthy=not error.transient,
    )


def _bad_result() -> RunResult:
    """The envelope of what is none: nobody can say what was done."""
    return replace(_failed(FALLBACK_ERROR, "bad_result"), healthy=False)


def _failed(said: object, error_class: object) -> RunResult:
    return RunResult(
        status=Status.FAILED,
        text="",
        data=None,
        references={},
        error=_words(said, FALLBACK_ERROR),
        error_class=_words(error_class, "tool_error"),
        duration_ms=0,
    )


def _words(said: object, otherwise: str) -> str:
    """What was said, as text that can be kept; `otherwise` where that is nothing, or cannot be told."""
    try:
        return _kept(str(said or "")).strip() or otherwise
    except Exception:  # noqa: BLE001 - an exception of a tool's own may break where it is to tell of itself
        return otherwise


def _kept(text: str) -> str:
    """The text with a sign in the place of what not every database can hold."""
    return _UNSTORABLE.sub("\ufffd", text)


def _wait_of(seconds: object) -> float | None:
    """How long a tool wants to be waited for; None where that is no length of time."""
    if isinstance(seconds, int | float) and seconds >= 0:
        return min(seconds, LONGEST_WAIT_S)
    return None


def _ignore(task: asyncio.Future[ToolResult]) -> None:
    """A tool that ended after it was given up: its result is refused by the fence; fetch its exception."""
    if not task.cancelled():
        task.exception()
