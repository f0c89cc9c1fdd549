"""How long to wait before an attempt. The waits are stamina's; how many there were, and whether there is
another one, is in our records: a call may be tried again by another process than before.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from core.engine import Started
from core.registry import ToolRegistry
from core.tool import Retry


class _Failed(Exception):
    """So that stamina goes on."""


class Backoff:
    """The wait after an attempt that failed: longer each time, and never the same for two calls."""

    def __init__(self, registry: ToolRegistry) -> None:
        self._registry = registry

    def __call__(self, started: Started) -> float:
        """Seconds until the next attempt, at least; 0 for a tool that is not tried again."""
        tool = self._registry.find(started.call.tool)
        if tool is None or tool.retry is None:
            return 0.0
        least = _wait(tool.retry, started.attempt.number)
        return least + random.uniform(0.0, tool.retry.jitter_s)  # noqa: S311 - it spreads, it guards nothing


@lru_cache(maxsize=256)
def _wait(retry: Retry, number: int) -> float:
    """The wait after attempt `number`, without its jitter."""
    return next(islice(_waits(retry), number - 1, None))


def _waits(retry: Retry) -> Iterator[float]:
    import stamina  # noqa: PLC0415 - it takes 70 ms, which a start without failures must not
    from stamina.instrumentation import set_on_retry_hooks  # noqa: PLC0415

    set_on_retry_hooks([])  # what is logged and counted of attempts is ours to say
    for turn in stamina.retry_context(
        on=lambda error: 0.0,  # nobody sleeps here
        attempts=None,
        timeout=None,
        wait_initial=retry.first_wait_s,
        wait_max=retry.longest_wait_s,
    ):
        yield turn.next_wait
        with turn:
            raise _Failed
