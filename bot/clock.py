"""The two clocks: wall time, which a sandbox may move, and real time, by which leases are measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from core.ports import Now


class SystemClock:
    """Implements `core.ports.Clock`. `wall` gives seconds since the epoch; the sandbox's may be moved."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall

    def now(self) -> datetime:
        """The wall time, aware UTC."""
        return datetime.fromtimestamp(self._wall(), UTC)

    def real(self) -> datetime:
        """The unmoved time, aware UTC."""
        return datetime.fromtimestamp(time.time(), UTC)

    def both(self) -> Now:
        """Both, as verbs take them."""
        return Now(wall=self.now(), real=self.real())
