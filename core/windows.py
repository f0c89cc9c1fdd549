"""The library `limits` over our records: what it needs of a storage for moving windows, and no more.

Loaded with the first limit that a call counts for: importing it takes as long as a tenth of a start.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NoReturn, Protocol

from limits import RateLimitItem, parse
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter

_ONLY_MOVING: Final = "there are moving windows only"


class Hits(Protocol):
    """Where starts are counted: see `core.ports.Rates`."""

    def hit(self, bucket: str, *, now: datetime, since: datetime) -> None:
        """Counts one, and forgets those of this bucket up to `since`, and those ahead of `now`."""
        ...

    def window(
        self, bucket: str, *, now: datetime, since: datetime, most: int
    ) -> tuple[int, datetime | None]:
        """Of the newest `most` after `since` and not ahead of `now` (by `AHEAD`): how many there are, and
        when the oldest of them was."""
        ...


def wait_s(hits: Hits, bucket: str, limit: str, *, now: datetime) -> float | None:
    """After how many seconds one more may start; None where it may now."""
    limiter, item = MovingWindowRateLimiter(_Storage(hits, now)), _item(limit)
    if limiter.test(item, bucket):
        return None
    reset = limiter.get_window_stats(item, bucket).reset_time
    return max(0.001, reset - now.timestamp())


def hit(hits: Hits, bucket: str, limit: str, *, now: datetime) -> None:
    """Counts one start, where the window is not full."""
    MovingWindowRateLimiter(_Storage(hits, now)).hit(_item(limit), bucket)


@lru_cache(maxsize=256)
def _item(limit: str) -> RateLimitItem:
    return parse(limit)


class _Storage(Storage, MovingWindowSupport):
    """Hits in our records, at a time that is given."""

    STORAGE_SCHEME = None
    base_exceptions = ()

    def __init__(self, hits: Hits, now: datetime) -> None:
        super().__init__()
        self._hits = hits
        self._now = now

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest of the newest `limit` within the window was, and how many those are."""
        since = self._now - timedelta(seconds=expiry)
        number, oldest = self._hits.window(key, now=self._now, since=since, most=limit)
        return (oldest or self._now).timestamp(), number

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Counts one. False, and nothing counted, where the window is full."""
        if self.get_moving_window(key, limit, expiry)[1] + amount > limit:
            return False
        for _ in range(amount):
            self._hits.hit(key, now=self._now, since=self._now - timedelta(seconds=expiry))
        return True

    def incr(self, key: str, expiry: int, amount: int = 1) -> NoReturn:
        """Not of moving windows."""
        raise NotImplementedError(_ONLY_MOVING)

    def get(self, key: str) -> NoReturn:
        """Not of moving windows."""
        raise NotImplementedError(_ONLY_MOVING)

    def get_expiry(self, key: str) -> NoReturn:
        """Not of moving windows."""
        raise NotImplementedError(_ONLY_MOVING)

    def check(self) -> bool:
        """It is there as long as our records are."""
        return True

    def reset(self) -> None:
        """Hits are forgotten as they leave their windows."""

    def clear(self, key: str) -> None:
        """As `reset`."""
