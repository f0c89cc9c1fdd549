"""First taps on Approve of critical calls: they sign nothing, the second within ten seconds does."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from core.ids import CallId, PersonId

WITHIN: Final = timedelta(seconds=10)
_KEPT: Final = 1000

_Key = tuple[PersonId, CallId, int]


class FirstTaps:
    """Who tapped Approve once, on which revision of what, and when in real time. Kept in memory: after a
    restart a tap is a first one again."""

    def __init__(self) -> None:
        self._taps: OrderedDict[_Key, tuple[int, datetime]] = OrderedDict()

    def is_second(
        self, person: PersonId, call_id: CallId, revision: int, *, update_id: int, now: datetime
    ) -> bool:
        """Whether this tap comes within ten seconds after another one of the same person on the same
        revision; else it is the first from now on. The same update again is the same tap."""
        key = (person, call_id, revision)
        earlier = self._taps.get(key)
        if earlier is not None and earlier[0] != update_id and now - earlier[1] <= WITHIN:
            return True
        if earlier is None or earlier[0] != update_id:
            self._taps[key] = (update_id, now)
            self._taps.move_to_end(key)
        while len(self._taps) > _KEPT:
            self._taps.popitem(last=False)
        return False
