"""What the peers' scripts share: waits for a line, runs one round, checks it, prints one JSON object.

Standard library only: it runs in each peer's own environment, where nothing of Countersign is installed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

ALONE = 60
AT_ONCE = 64
EACH = 3
"""So many lifecycles, one after the other, by each of those that work at once."""
WARM_UP = 8

Many = Callable[[Sequence[str]], None]
"""Takes every one of these lifecycles from its proposal to its end."""


def serve(alone: Many, at_once: Many, *, effects: list[str], completed: Callable[[], int]) -> None:
    """Runs a round for each line of stdin, until it ends.

    `alone` takes one lifecycle after another, `at_once` 64 at a time. `effects` is what the tool wrote down,
    `completed` counts what the peer's own file says is done, by a connection of its own.
    """
    keys = [f"warm-{number}" for number in range(WARM_UP)]
    alone(keys)
    _report({"ready": True, **_checked(keys, effects=effects, completed=completed)})
    for number, _ in enumerate(sys.stdin):
        one = [f"{number}-alone-{index}" for index in range(ALONE)]
        many = [f"{number}-at-once-{index}" for index in range(AT_ONCE * EACH)]
        keys += one + many
        figures = {"alone_per_s": _rate(alone, one), "at_once_per_s": _rate(at_once, many)}
        _report({**figures, **_checked(keys, effects=effects, completed=completed)})


def in_threads(lifecycle: Callable[[str], None]) -> tuple[Many, Many]:
    """`alone` and `at_once` of a peer that blocks: 64 threads."""
    pool = ThreadPoolExecutor(AT_ONCE)

    def alone(keys: Sequence[str]) -> None:
        for key in keys:
            lifecycle(key)

    def at_once(keys: Sequence[str]) -> None:
        list(pool.map(lifecycle, keys))

    return alone, at_once


def in_loop(runner: asyncio.Runner, lifecycle: Callable[[str], Awaitable[None]]) -> tuple[Many, Many]:
    """`alone` and `at_once` of a peer that awaits: 64 tasks in one event loop, which lasts."""

    async def one_by_one(keys: Iterable[str]) -> None:
        for key in keys:
            await lifecycle(key)

    async def together(keys: Sequence[str]) -> None:
        await asyncio.gather(*(one_by_one(keys[first::AT_ONCE]) for first in range(AT_ONCE)))

    return lambda keys: runner.run(one_by_one(keys)), lambda keys: runner.run(together(keys))


def _rate(run: Many, keys: Sequence[str]) -> float:
    begun = time.perf_counter()
    run(keys)
    return len(keys) / (time.perf_counter() - begun)


def _checked(keys: list[str], *, effects: list[str], completed: Callable[[], int]) -> dict[str, object]:
    """Each lifecycle had its effect once, and is durably done; otherwise why the round is void."""
    if sorted(effects) != sorted(keys):
        return {
            "void": f"{len(effects)} effects of {len(keys)} lifecycles, {len(set(effects))} of them distinct"
        }
    if (done := completed()) != len(keys):
        return {"void": f"{done} of {len(keys)} lifecycles completed in the peer's own file"}
    return {"lifecycles": len(keys)}


def _report(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)
