"""A wall clock that can be moved forward."""

import math
import time
from collections.abc import Callable


class Clock:
    """Tells the time, plus whatever it was advanced by; it never goes back by itself."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._ahead = 0.0
        self._listeners: list[Callable[[float], None]] = []

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._source() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move time forward and tell every listener by how much; a step back is a ValueError."""
        if not math.isfinite(seconds) or seconds < 0:
            raise ValueError("time moves forward only")
        self._ahead += seconds
        for listener in tuple(self._listeners):
            listener(seconds)

    def listen(self, listener: Callable[[float], None]) -> Callable[[], None]:
        """Call `listener` with the seconds of every later step; the returned function ends that."""
        self._listeners.append(listener)

        def forget() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return forget
