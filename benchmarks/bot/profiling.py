"""Where a process spends its time: one cProfile a thread, printed by function when the process ends."""

from __future__ import annotations

import cProfile
import pstats
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOP = 45


@contextmanager
def profile_threads(path: Path) -> Iterator[None]:
    """Profiles this thread and every one started within, by CPU time, and writes `path` at the end."""
    profiles: dict[str, cProfile.Profile] = {}
    original = threading.Thread.run

    def run(self: threading.Thread) -> None:
        own = profiles[self.name] = cProfile.Profile(time.thread_time)
        own.runcall(original, self)

    threading.Thread.run = run  # type: ignore[method-assign]
    own = profiles["main"] = cProfile.Profile(time.thread_time)
    try:
        own.enable()
        yield
    finally:
        own.disable()
        threading.Thread.run = original  # type: ignore[method-assign]
        _write(path, profiles)


def _write(path: Path, profiles: dict[str, cProfile.Profile]) -> None:
    with path.open("w", encoding="utf-8") as out:
        for name, profile in profiles.items():
            out.write(f"===== thread {name}\n")
            for order in ("tottime", "cumulative"):
                pstats.Stats(profile, stream=out).strip_dirs().sort_stats(order).print_stats(TOP)
