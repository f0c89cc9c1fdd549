"""What waits for each bot, and the long poll that fetches it, by the rules of Telegram's own server."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from bot.sandbox.clock import Clock
from bot.sandbox.errors import ApiError
from bot.sandbox.records import Bot, Json
from bot.sandbox.rules import Rules
from bot.sandbox.store import Store

DEFAULT_TYPES = ("message", "edited_message", "callback_query", "my_chat_member")
ALL_TYPES = (*DEFAULT_TYPES, "chat_member", "message_reaction")
MAX_LIMIT = 100
_EPOCH = 1_600_000_000
MAX_TIMEOUT = 50

CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


def read_allowed(given: object) -> list[str] | None:
    """Return the update types that a bot asks for; None where it leaves them as they are."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return None
    if not isinstance(given, list):
        return None
    known = [kind for kind in ALL_TYPES if kind in given]
    return known or list(DEFAULT_TYPES)


class Waiting(Struct, frozen=True):
    """One update, and when it is thrown away."""

    body: Json
    expires: float


@dataclass
class _Held:
    """A long poll that waits; `wake` gets True for news, False when another one takes its place."""

    wake: "asyncio.Future[bool]"
    alive: Callable[[], bool]


@dataclass
class _Queue:
    tail: int
    """The id of the next update."""
    updates: dict[int, Waiting] = field(default_factory=dict)
    held: _Held | None = None
    last_offset: int = -1
    last_start: float = -1e9
    next_conflict: float = -1e9


class UpdateQueues:
    """One queue per bot. An update stays until a later offset confirms it, or its time is over."""

    def __init__(self, store: Store, clock: Clock, rules: Rules) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._queues: dict[int, _Queue] = {}
        self._closing = asyncio.Event()

    def load(self, bots: Iterable[int]) -> None:
        """Read what was waiting before a restart."""
        tails = {key: record["value"] for key, record in self._store.load("tail")}
        for bot in bots:
            self._queues[bot] = _Queue(tails.get(str(bot)) or self._first_id())
        found = [(int(key.split("/")[0]), Waiting(**one)) for key, one in self._store.load("update")]
        for bot, waiting in sorted(found, key=lambda one: one[1].body["update_id"]):
            self._queues[bot].updates[waiting.body["update_id"]] = waiting

    def _queue(self, bot: int) -> _Queue:
        if bot not in self._queues:
            self._queues[bot] = _Queue(self._first_id())
        return self._queues[bot]

    def _first_id(self) -> int:
        """Return a number that a bot with a memory has not seen from an earlier, forgotten sandbox."""
        return max(int(self._clock.now()) - _EPOCH, 1)

    def offer(self, bot: Bot, kind: str, payload: Any) -> None:
        """Put an update into a bot's queue if it wants this type, and wake its long poll."""
        if kind not in bot.allowed:
            return
        queue = self._queue(bot.id)
        number, queue.tail = queue.tail, queue.tail + 1
        ttl = self._rules.callback_ttl if kind == "callback_query" else self._rules.update_ttl
        waiting = Waiting({"update_id": number, kind: payload}, self._clock.now() + ttl)
        queue.updates[number] = waiting
        self._store.put("update", f"{bot.id}/{number}", asdict(waiting))
        self._store.put("tail", str(bot.id), {"value": queue.tail})
        _wake(queue, news=True)

    def pending(self, bot: int) -> int:
        """Return how many updates wait for a bot."""
        queue = self._queue(bot)
        self._expire(bot, queue)
        return len(queue.updates)

    def held(self, bot: int) -> object | None:
        """Return the long poll that waits for news of a bot, to be told from others by identity."""
        return self._queue(bot).held

    def drop(self, bot: int) -> None:
        """Throw away what waits for a bot."""
        queue = self._queue(bot)
        self._forget(bot, queue, tuple(queue.updates))

    def forget(self) -> None:
        """Throw away what waits for every bot; the numbers go on."""
        for bot in self._queues:
            self.drop(bot)

    def close(self) -> None:
        """Answer every long poll, now and later, with what there is."""
        self._closing.set()
        for queue in self._queues.values():
            _wake(queue, news=True)

    async def poll(
        self, bot: int, *, offset: int, limit: int, seconds: float, alive: Callable[[], bool]
    ) -> list[Json]:
        """Return updates from `offset` on, at once or when there are some; raise 409 when another poll waits.

        `alive` tells whether the asking client is still there: one that left is no competitor.
        """
        queue = self._queue(bot)
        limit = min(max(limit, 1), MAX_LIMIT)
        seconds = min(max(seconds, 0), MAX_TIMEOUT)
        now = time.monotonic()
        if offset == queue.last_offset:
            if (
                seconds < self._rules.same_offset_window
                and now < queue.last_start + self._rules.same_offset_window
            ):
                seconds = self._rules.same_offset_window
            if now < queue.last_start + self._rules.burst_window:
                limit = 1
        queue.last_offset, queue.last_start = offset, now
        found = self._take(bot, queue, offset, limit)
        if not found and seconds > 0 and not self._closing.is_set():
            await self._wait(queue, seconds, alive)
            found = self._take(bot, queue, offset, limit)
        return found

    def _take(self, bot: int, queue: _Queue, offset: int, limit: int) -> list[Json]:
        self._expire(bot, queue)
        if offset < 0:
            offset = queue.tail + offset
        if offset > queue.tail:
            # It stems from another life of this sandbox and must not hide what comes now.
            offset = 0
        self._forget(bot, queue, [number for number in queue.updates if number < offset])
        self._store.commit()
        return [waiting.body for waiting in list(queue.updates.values())[:limit]]

    async def _wait(self, queue: _Queue, seconds: float, alive: Callable[[], bool]) -> None:
        _wake(queue, news=False)
        held = _Held(asyncio.get_running_loop().create_future(), alive)
        queue.held = held
        try:
            news = await asyncio.wait_for(held.wake, seconds)
        except TimeoutError:
            return
        finally:
            if queue.held is held:
                queue.held = None
        if not news and alive():
            await self._conflict(queue)

    async def _conflict(self, queue: _Queue) -> None:
        """Raise the 409: the first one at once, further ones held back so that two bots do not spin."""
        now = time.monotonic()
        if now < queue.next_conflict:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._rules.conflict_delay)
        else:
            queue.next_conflict = now + self._rules.conflict_delay
        raise ApiError(409, CONFLICT)

    def _expire(self, bot: int, queue: _Queue) -> None:
        now = self._clock.now()
        self._forget(bot, queue, [number for number, one in queue.updates.items() if one.expires <= now])

    def _forget(self, bot: int, queue: _Queue, numbers: Iterable[int]) -> None:
        for number in numbers:
            del queue.updates[number]
            self._store.drop("update", f"{bot}/{number}")


def _wake(queue: _Queue, *, news: bool) -> None:
    if queue.held is not None and not queue.held.wake.done():
        queue.held.wake.set_result(news)
