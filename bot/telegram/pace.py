"""Telegram's sending limits, kept before they are hit: sliding windows, overall and per chat.

Windows and not a token bucket: a bucket of 30 with a burst of 30 lets 60 through in one second.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import Struct


class Window(Struct, frozen=True):
    """At most `most` in any `seconds`."""

    most: int
    seconds: float


OVERALL: Final = Window(30, 1.0)
PRIVATE: Final = Window(10, 10.0)
GROUP: Final = Window(20, 60.0)


class Pace:
    """Waits before a message to a chat until all windows have room. `off` lets everything through."""

    def __init__(self, *, off: bool = False, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._off = off
        self._monotonic = monotonic
        self._overall: deque[float] = deque()
        self._chats: dict[int, deque[float]] = {}

    async def wait(self, chat: int) -> None:
        """Returns when the message may go, and counts it."""
        if self._off:
            return
        while (seconds := self._room_in(chat)) > 0:  # noqa: ASYNC110 - what is awaited is time itself
            await asyncio.sleep(seconds)
        now = self._monotonic()
        self._overall.append(now)
        self._chats.setdefault(chat, deque()).append(now)

    def delay(self, chat: int, *, leave: int) -> float:
        """Seconds until there is room for a message and as many others as are to be left room for."""
        if self._off:
            return 0.0
        now, window = self._monotonic(), GROUP if chat < 0 else PRIVATE
        sent = self._chats.get(chat, deque())
        return max(_wait(self._overall, OVERALL, now, leave), _wait(sent, window, now, leave))

    def _room_in(self, chat: int) -> float:
        """Seconds until there is room; 0 if there is now."""
        now = self._monotonic()
        window = GROUP if chat < 0 else PRIVATE
        sent = self._chats.get(chat, deque())
        wait = max(_wait(self._overall, OVERALL, now), _wait(sent, window, now))
        if not sent:
            self._chats.pop(chat, None)
        return wait


def _wait(sent: deque[float], window: Window, now: float, leave: int = 0) -> float:
    while sent and sent[0] <= now - window.seconds:
        sent.popleft()
    over = len(sent) - (window.most - leave)
    return 0.0 if over < 0 else sent[over] + window.seconds - now
