"""Tells everybody who listens what changed."""

import asyncio
from typing import Any, NamedTuple


class Event(NamedTuple):
    """One thing that happened: its name, its change number and its JSON body."""

    name: str
    number: int
    data: dict[str, Any]


_BACKLOG = 10_000


class Events:
    """A stream of events to any number of listeners; one that falls far behind is cut off."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Event | None]] = set()
        self._closed = False

    def listen(self) -> "asyncio.Queue[Event | None]":
        """Return a queue of all later events; None in it is the end."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        if self._closed:
            queue.put_nowait(None)
        self._listeners.add(queue)
        return queue

    def leave(self, queue: "asyncio.Queue[Event | None]") -> None:
        """Stop filling a queue."""
        self._listeners.discard(queue)

    def publish(self, name: str, number: int, data: dict[str, Any]) -> None:
        """Hand one event to every listener."""
        event = Event(name, number, data)
        for queue in tuple(self._listeners):
            if queue.qsize() < _BACKLOG:
                queue.put_nowait(event)
            else:
                queue.put_nowait(None)
                self.leave(queue)

    def wanted(self) -> bool:
        """Return whether anybody listens."""
        return bool(self._listeners)

    def close(self) -> None:
        """End every stream, and those that come later."""
        self._closed = True
        for queue in self._listeners:
            queue.put_nowait(None)
