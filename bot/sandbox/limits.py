"""How much a bot may send before it gets a 429."""

import math
from collections import deque

from msgspec import Struct

from bot.sandbox.clock import Clock
from bot.sandbox.errors import flood


class Limits(Struct, frozen=True, kw_only=True):
    """Telegram's limits on sends and edits; `Limits.off()` has none.

    A private chat takes about one a second, and a short burst before that; a group twenty a minute.
    """

    per_second: int = 30
    private_per_second: float = 1.0
    private_burst: int = 10
    group_per_minute: int = 20
    on: bool = True

    @classmethod
    def off(cls) -> "Limits":
        """Return limits that never refuse."""
        return cls(on=False)


class FloodGate:
    """Counts sends and edits per bot and chat; what it refuses is not counted."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._overall: dict[int, deque[float]] = {}
        self._groups: dict[tuple[int, str], deque[float]] = {}
        self._private: dict[tuple[int, str], float] = {}

    def pass_one(self, bot: int, chat: str, *, private: bool) -> None:
        """Count one message of `bot` to `chat`, or raise the 429 that says when it may come."""
        if not self._limits.on:
            return
        now = self._clock.now()
        overall = self._overall.setdefault(bot, deque())
        wait = _window_wait(overall, now, size=self._limits.per_second, span=1.0)
        group = None if private else self._groups.setdefault((bot, chat), deque())
        if group is None:
            wait = max(wait, self._private_wait((bot, chat), now))
        else:
            wait = max(wait, _window_wait(group, now, size=self._limits.group_per_minute, span=60.0))
        if wait > 0:
            raise flood(max(1, math.ceil(wait)))
        overall.append(now)
        if group is None:
            step = 1 / self._limits.private_per_second
            self._private[bot, chat] = max(self._private.get((bot, chat), now), now) + step
        else:
            group.append(now)

    def _private_wait(self, key: tuple[int, str], now: float) -> float:
        """Return how long until the bucket of a private chat has room (GCRA: one number per chat)."""
        step = 1 / self._limits.private_per_second
        return max(self._private.get(key, now), now) - now - step * (self._limits.private_burst - 1)

    def forget(self) -> None:
        """Start counting anew."""
        self._overall.clear()
        self._groups.clear()
        self._private.clear()


def _window_wait(sent: deque[float], now: float, *, size: int, span: float) -> float:
    while sent and sent[0] <= now - span:
        sent.popleft()
    return sent[0] + span - now if len(sent) >= size else 0.0
