"""The durable inbox: an update is stored before Telegram is told that it was received.

python-telegram-bot confirms updates by fetching the next ones, which loses what a dying process had in
hand. So the fetching is ours: raw updates are stored, then the offset moves; the handlers are the library's.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from telegram import Bot
from telegram.error import Conflict, InvalidToken, NetworkError, RetryAfter, TelegramError
from telegram.request import BaseRequest

from bot.clock import SystemClock
from bot.logs import get_logger
from core.engine.readable import set_aside
from core.errors import CorruptRecord, StorageUnavailable
from core.json_text import read_json
from core.ports import Reader, Records, UnitOfWork

log = get_logger(__name__)

ALLOWED_UPDATES: Final = ["message", "callback_query", "my_chat_member"]
BATCH: Final = 100
MOST_BACKOFF_S: Final = 30.0
CONFLICTS_UNTIL_UNREADY: Final = 3
FLOOD: Final = 8
"""A chat of which more updates than these wait lets others go first."""
COURTESY_S: Final = 0.1
"""So long it waits, at most, after another chat began to say something."""
Raw = Mapping[str, Any]


class Inbox:
    """Fetches, stores and hands over updates: in order within a chat, side by side across chats; those with
    much to say let the others go first.

    `handle` gets each raw update; it must mark it done, in the transaction of its effect. One that raises
    StorageUnavailable is handed over again later. `boundary` names the places where a crash is worth trying.
    """

    def __init__(
        self,
        bot: Bot,
        request: BaseRequest,
        *,
        uow: UnitOfWork,
        reader: Reader,
        clock: SystemClock,
        handle: Callable[[Raw], Awaitable[None]],
        poll_timeout_s: int,
        boundary: Callable[[str], None] = lambda place: None,
    ) -> None:
        self._bot = bot
        self._request = request
        self._uow = uow
        self._reader = reader
        self._clock = clock
        self._handle = handle
        self._poll_timeout_s = poll_timeout_s
        self._boundary = boundary
        self._lanes: dict[int, deque[Raw]] = {}
        self._newest = (0, 0.0)  # the chat that began to say something last, and when
        self._tasks: set[asyncio.Task[None]] = set()
        self.ready = asyncio.Event()
        self.conflicts = 0

    async def run(self) -> None:
        """Hands over what an earlier process left, then fetches until cancelled. Raises InvalidToken."""
        await self._replay()
        offset: int | None = None
        backoff = 1.0
        while True:
            try:
                updates = await self._fetch(offset)
                backoff = 1.0
                self.conflicts = 0
                self.ready.set()
                if updates:
                    offset = await self._take(updates)
            except InvalidToken:
                raise
            except RetryAfter as error:
                await asyncio.sleep(_seconds(error))
            except (TelegramError, StorageUnavailable) as error:
                self._note(error)
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, MOST_BACKOFF_S)

    async def drain(self) -> None:
        """Waits until every update in hand has been handled."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _note(self, error: Exception) -> None:
        if isinstance(error, Conflict):
            self.conflicts += 1
            if self.conflicts >= CONFLICTS_UNTIL_UNREADY:
                self.ready.clear()
                log.error("another process polls with this bot's token; stop one of the two")
                return
        level = log.warning if isinstance(error, NetworkError) else log.error
        level("updates could not be fetched", error=str(error))

    async def _fetch(self, offset: int | None) -> Sequence[Raw]:
        arguments = {
            # The first answer comes at once: from then on the bot is known to be connected.
            "timeout": self._poll_timeout_s if self.ready.is_set() else 0,
            "allowed_updates": json.dumps(ALLOWED_UPDATES),
            "limit": BATCH,
        }
        if offset is not None:
            self._boundary("inbox.before_confirm")
            arguments["offset"] = offset
        # Raw JSON instead of the library's objects: one malformed update must not block all others.
        answer = await self._request.post(
            f"{self._bot.base_url}/getUpdates?{urlencode(arguments)}",
            read_timeout=self._poll_timeout_s + 10,
        )
        return [raw for raw in _listed(answer) if isinstance(raw, dict) and _update_id(raw) is not None]

    async def _take(self, updates: Sequence[Raw]) -> int:
        """Stores updates and hands them over; the offset that confirms them, once they are stored."""
        pairs = [(_number(raw), json.dumps(raw, ensure_ascii=False)) for raw in updates]
        now = self._clock.real()
        stored = asyncio.ensure_future(
            self._uow.run("inbox.store", lambda records: records.inbox.store(self._bot.id, pairs, now=now))
        )
        # The writer takes turns first come first served: what a handler commits comes after the row.
        await asyncio.sleep(0)
        for raw in updates:
            self._enqueue(raw)
        await stored
        self._boundary("inbox.stored")
        return max(number for number, _ in pairs) + 1

    async def _replay(self) -> None:
        """Hands over everything that was stored and not done, in order."""
        rows = await self._reader.read(lambda records: records.inbox.undone(self._bot.id, limit=100_000))
        for update_id, payload in rows:
            raw = _stored(payload)
            if raw is not None and _update_id(raw) == update_id:
                self._enqueue(raw)
            else:
                await self._uow.run("inbox.corrupt", partial(self._set_aside, update_id=update_id))

    def _set_aside(self, records: Records, *, update_id: int) -> None:
        log.error("a stored update cannot be read", update_id=update_id)
        now = self._clock.both()
        set_aside(records, CorruptRecord("inbox", f"{self._bot.id}:{update_id}", "payload"), now=now.wall)
        records.inbox.done(self._bot.id, update_id, now=now.real, error="corrupt_record")

    def _enqueue(self, raw: Raw) -> None:
        chat = chat_of(raw)
        lane = self._lanes.get(chat)
        if lane is None:
            lane = self._lanes[chat] = deque()
            loop = asyncio.get_running_loop()
            self._newest = chat, loop.time()
            task = loop.create_task(self._drive(chat, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        lane.append(raw)

    async def _drive(self, chat: int, lane: deque[Raw]) -> None:
        backoff = 0.5
        while lane:
            try:
                await self._handle(lane[0])
                backoff = 0.5
            except StorageUnavailable as error:
                log.warning("an update waits for the database", error=str(error))
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, MOST_BACKOFF_S)
                continue
            except Exception:
                # It stays undone, and is handed over again at the next start.
                log.exception("an update could not be handled", update_id=_update_id(lane[0]))
            lane.popleft()
            if len(lane) > FLOOD:
                await self._let_others_go_first(chat)
        del self._lanes[chat]

    async def _let_others_go_first(self, chat: int) -> None:
        newest, began = self._newest
        wait_s = began + COURTESY_S - asyncio.get_running_loop().time()
        if newest != chat and wait_s > 0:
            await asyncio.sleep(wait_s)


def chat_of(raw: Raw) -> int:
    """The chat that an update belongs to, for its order; 0 where it names none."""
    for kind in ("message", "my_chat_member"):
        found = _id_in(raw.get(kind), "chat")
        if found is not None:
            return found
    query = raw.get("callback_query")
    if isinstance(query, dict):
        found = _id_in(query.get("message"), "chat")
        return found if found is not None else (_id_in(query, "from") or 0)
    return 0


def _id_in(holder: object, key: str) -> int | None:
    inner = holder.get(key) if isinstance(holder, dict) else None
    found = inner.get("id") if isinstance(inner, dict) else None
    return found if isinstance(found, int) else None


def _stored(payload: str) -> Raw | None:
    try:
        raw = read_json(payload)
    except ValueError:
        return None
    return raw if isinstance(raw, dict) else None


def _listed(answer: object) -> Sequence[object]:
    return answer if isinstance(answer, list) else []


def _update_id(raw: Raw) -> int | None:
    number = raw.get("update_id")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _number(raw: Raw) -> int:
    return int(raw["update_id"])


def _seconds(error: RetryAfter) -> float:
    after = error.retry_after
    return after if isinstance(after, int | float) else after.total_seconds()
