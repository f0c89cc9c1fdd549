"""Follows running calls: has their cards say how far they are, as often as Telegram's limits allow."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Final

from bot.telegram.jobs import ProgressOf, cards_showing
from core.errors import CorruptRecord, StorageUnavailable
from core.ids import CallId
from core.live import Progress
from core.model import Card
from core.ports import Reader

PROGRESS_EVERY_S: Final = 1.0
GROUP_EVERY: Final = 3
"""In groups only every third time."""
EARLY: Final = 2
"""A harmless call has no message before its end; one that takes so many seconds gets it while it runs."""
MOST_LOST: Final = 100
"""So many messages that are gone are remembered; one that is forgotten is tried once more."""


class Following:
    """Says which cards are out of date: `refresh` is told of those that are shown, `early` of those that are
    not yet. A card is named only where what it would show has changed."""

    def __init__(
        self,
        reader: Reader,
        *,
        progress_of: ProgressOf,
        refresh: Callable[[int, int], None],
        early: Callable[[Card], None],
    ) -> None:
        self._reader = reader
        self._progress_of = progress_of
        self._refresh = refresh
        self._early = early
        self._followed: set[CallId] = set()
        self._lost: deque[tuple[int, int]] = deque(maxlen=MOST_LOST)

    def lost(self, chat: int, message_id: int) -> None:
        """This message cannot be edited: no progress is shown there."""
        self._lost.append((chat, message_id))

    def takes_up(self, call_id: CallId) -> bool:
        """Whether nobody follows this call yet; from now on somebody does."""
        new = call_id not in self._followed
        self._followed.add(call_id)
        return new

    async def follow(self, call_id: CallId) -> None:
        """Follows a call to its end, which comes through the outbox."""
        said: dict[int, Progress] = {}
        try:
            for turn in count():
                progress = self._progress_of(call_id)
                if progress is None:
                    return
                if any(each != progress for each in said.values()) or turn <= EARLY:
                    await self._tell(call_id, progress, said, turn=turn)
                await asyncio.sleep(PROGRESS_EVERY_S)
        except (StorageUnavailable, CorruptRecord):
            return  # nothing is lost: the call's end comes through the outbox
        finally:
            self._followed.discard(call_id)

    async def _tell(
        self, call_id: CallId, progress: Progress, said: dict[int, Progress], *, turn: int
    ) -> None:
        for card in await self._reader.read(lambda records: cards_showing(records, call_id)):
            if said.get(card.chat) == progress or (card.chat < 0 and turn % GROUP_EVERY):
                said.setdefault(card.chat, _NOTHING)
            elif card.message_id is not None:
                said[card.chat] = progress
                if (card.chat, card.message_id) not in self._lost:
                    self._refresh(card.chat, card.message_id)
            elif turn >= EARLY:
                said[card.chat] = _NOTHING
                self._early(card)


_NOTHING: Final = Progress(-1.0, "")
"""What no call says: the card is to be looked at again."""
