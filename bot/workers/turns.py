"""Turns: slots in the order of the queue, for what workers take by themselves and for who waits here."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Final

from bot.workers.queue import Queue, Slots
from core.errors import StorageUnavailable
from core.ids import CallId
from core.live import Stop
from core.ports import Reader, Records, Waiting

SOONEST_S: Final = 0.2
"""Nothing that was refused is tried again before this, whatever it says."""
_PAGE: Final = 500


class Turns:
    """The queue in an event loop. `begin` is called with each call whose turn has come; its slots are taken
    until `done`."""

    def __init__(self, slots: Slots, *, begin: Callable[[Waiting], None]) -> None:
        self._queue = Queue(slots)
        self._begin = begin
        self._tickets: dict[Waiting, asyncio.Future[None]] = {}
        self._numbers = itertools.count(1)
        self._soon = False
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.releases = 0
        """How often what holds calls back was let go."""

    def __len__(self) -> int:
        return len(self._queue)

    def offer(self, waiting: Waiting) -> None:
        """This call waits for its turn."""
        if not self._closed:
            self._queue.put(waiting)
            self._look_soon()

    async def come(self, waiting: Waiting, *, unless: Stop | None = None) -> Waiting:
        """Returns once it is the turn of this one, which somebody waits for here: what `done` is to be given.
        What is asked to stop waits for nobody: it has slots at once, however many are taken.
        Raises StorageUnavailable where no more turns come."""
        ticket = waiting._replace(ticket=next(self._numbers))
        if unless is not None and unless.requested:
            self.take(ticket)
            return ticket
        if self._closed:
            raise stopping()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tickets[ticket] = turn
        self.offer(ticket)
        if unless is not None:
            unless.on_asked(lambda: self._let_pass(ticket, turn))
        await turn
        return ticket

    def _let_pass(self, ticket: Waiting, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            self.take(ticket)
            turn.set_result(None)

    def take(self, waiting: Waiting) -> None:
        """Takes slots without a turn, for what runs already."""
        self._queue.occupy(waiting)

    def done(self, waiting: Waiting) -> None:
        """Gives the slots back, to whoever is next."""
        self._queue.release(waiting)
        self._look_soon()

    def put_back(self, waiting: Waiting, *, seconds: float, grows: bool, since: int | None = None) -> None:
        """Something holds this call back: it is tried after so many seconds, or once it is let go; at once
        where that was while it was tried, which began after `since` releases."""
        if not self._closed:
            now = asyncio.get_running_loop().time()
            missed = since is not None and since != self.releases
            wait_s = SOONEST_S if missed else max(seconds, SOONEST_S)
            self._queue.hold(waiting, now=now, seconds=wait_s, grows=grows)

    def started(self, waiting: Waiting) -> None:
        """Nothing holds calls like this one back."""
        self._queue.started(waiting)

    def let_go(self) -> None:
        """What held calls back may be over."""
        self.releases += 1
        self._queue.let_go()
        self._look_soon()

    def close(self) -> None:
        """No more turns come. What waits is found in the records by whoever is next."""
        self._closed = True
        self._queue.drop()
        tickets, self._tickets = self._tickets, {}
        for ticket in tickets.values():
            if not ticket.done():
                ticket.set_exception(stopping())
        if self._timer is not None:
            self._timer.cancel()

    def _look_soon(self) -> None:
        """What is offered in one go is put into its order before any of it starts."""
        if not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._soon = False
        now = asyncio.get_running_loop().time()
        while (waiting := self._queue.next(now)) is not None:
            ticket = self._tickets.pop(waiting, None)
            if ticket is None:
                self._begin(waiting)
            elif ticket.done():
                self._queue.release(waiting)  # nobody waits for it any more
            else:
                ticket.set_result(None)
        self._look_again(now)

    def _look_again(self, now: float) -> None:
        """At the end of the next hold."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._queue.next_at(now)
        if at is not None and not self._closed:
            self._timer = asyncio.get_running_loop().call_at(at, self._look)


async def all_waiting(reader: Reader) -> AsyncIterator[Waiting]:
    """All calls that wait for a worker, oldest first, read a page at a time."""
    after: CallId | None = None
    while True:
        page = await reader.read(partial(_page, after=after))
        for waiting in page:
            yield waiting
        if len(page) < _PAGE:
            return
        after = page[-1].call_id


def _page(records: Records, *, after: CallId | None) -> Sequence[Waiting]:
    return records.calls.to_start(after=after, limit=_PAGE)


def stopping() -> StorageUnavailable:
    """What is said to whoever comes too late."""
    return StorageUnavailable("Countersign is stopping; nothing was begun. Please try again.")
