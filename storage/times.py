"""Times as they are stored: integer milliseconds since the epoch, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@overload
def to_ms(when: datetime) -> int: ...
@overload
def to_ms(when: None) -> None: ...
@overload
def to_ms(when: datetime | None) -> int | None: ...
def to_ms(when: datetime | None) -> int | None:
    """Milliseconds since the epoch of an aware time; None stays None."""
    return None if when is None else (when - _EPOCH) // _MILLISECOND


def from_ms(stored: int) -> datetime:
    """The aware UTC time of stored milliseconds."""
    return _EPOCH + stored * _MILLISECOND


def maybe_from_ms(stored: int | None) -> datetime | None:
    """Like `from_ms`; None stays None."""
    return None if stored is None else from_ms(stored)
