"""Rate limits: so many starts within a moving window, per person, per team, per tool of a team.

The library `limits` decides (`core.windows`); the hits lie in our records, so all processes share them, and
are counted in the transaction that starts a call, so a start that is rolled back counts nothing. Times are
passed in. Where no limit is set nothing is asked for, and the library is not imported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from core.ids import PersonId, TenantId

if TYPE_CHECKING:
    from core.windows import Hits

AHEAD: Final = timedelta(minutes=1)
"""So far clocks of processes may be apart, or a unit have waited. What was counted further ahead of now was
counted by a clock that has been set back since, and stands for nothing."""
_SHAPE: Final = re.compile(r"([1-9]\d{0,5})/(second|minute|hour|day)")


class RateLimits(Struct, frozen=True, kw_only=True):
    """What the configuration sets, such as "60/minute"; "" is no limit. `per_tool` holds for each tool."""

    per_user: str = ""
    per_tenant: str = ""
    per_tool: str = ""


class Window(Struct, frozen=True, kw_only=True):
    """One limit that a call counts for, and whose it is."""

    whose: str  # in plain words
    bucket: str
    limit: str


class Limited(Struct, frozen=True, kw_only=True):
    """A window that is full, and after how long it lets one through."""

    window: Window
    retry_after_s: float


def is_limit(text: str) -> bool:
    """Whether this is a limit such as "60/minute" or "1000/day"."""
    return _SHAPE.fullmatch(text) is not None


def windows_of(
    limits: RateLimits, *, tenant_id: TenantId, person_id: PersonId, tool: str, own: str
) -> tuple[Window, ...]:
    """The limits that hold for such a call. `own` is the tool's, which stands besides the configured one."""
    if not (limits.per_user or limits.per_tenant or limits.per_tool or own):
        return ()  # as for most calls: each start asks
    given = (
        Window(whose="this person", bucket=f"user/{tenant_id}/{person_id}", limit=limits.per_user),
        Window(whose="this team", bucket=f"tenant/{tenant_id}", limit=limits.per_tenant),
        Window(whose="this tool", bucket=f"tool/{tenant_id}/{tool}", limit=limits.per_tool),
        Window(whose="this tool", bucket=f"own/{tenant_id}/{tool}", limit=own),
    )
    return tuple(each for each in given if each.limit)


def limited_by(hits: Hits, windows: Sequence[Window], *, now: datetime) -> Limited | None:
    """Of the full windows the one that stays so the longest; None where one more may start."""
    if not windows:
        return None
    from core.windows import wait_s  # noqa: PLC0415 - it loads the library

    waits = ((window, wait_s(hits, window.bucket, window.limit, now=now)) for window in windows)
    full = [Limited(window=window, retry_after_s=wait) for window, wait in waits if wait is not None]
    return max(full, key=lambda each: each.retry_after_s, default=None)


def count(hits: Hits, windows: Sequence[Window], *, now: datetime) -> None:
    """Counts one start for each of these windows, which let it through in the same transaction."""
    if not windows:
        return
    from core.windows import hit  # noqa: PLC0415 - it loads the library

    for window in windows:
        hit(hits, window.bucket, window.limit, now=now)
