"""Signals on their way to webhooks: one lane for each, in order, at least once, from a committed cursor.

Before the cursor everything was taken, or given up and kept as a dead letter. It is moved after a few
deliveries, so a crash in between sends those again, with the same key and the same words.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bot.logs import get_logger
from bot.workers.posting import NotTaken, Poster, Taken
from core.addresses import shown_url
from core.digest import Json
from core.engine.telling import told_of
from core.engine.webhooks import bury
from core.errors import CorruptRecord, StorageUnavailable
from core.ids import TenantId, WebhookId
from core.model import DeadLetter, Signal, Webhook
from core.ports import Clock, Now, Reader, Records, UnitOfWork
from core.registry import ToolRegistry
from core.signals import TTL, dedupe_key, signature

log = get_logger(__name__)

BATCH: Final = 8
"""So many are read, and delivered before the cursor moves."""
STORAGE_RETRY_S: Final = 1.0
STUMBLE_S: Final = 60.0
MOST_WAIT_S: Final = 86_400.0
_UNREADABLE: Final = "what it is about cannot be read here"


class Patience(Struct, frozen=True, kw_only=True):
    """How often a signal is tried, and when: each wait is twice the one before, and up to a quarter longer by
    chance. By default that is about a day; what was refused for good is tried three times."""

    first_s: float = 5.0
    longest_s: float = 3600.0
    tries: int = 30
    tries_for_good: int = 3
    timeout_s: float = 10.0

    def wait(self, tries: int, answer: NotTaken, *, chance: float) -> float:
        """Seconds before the next try: by the rule, or longer where they ask for it. Whoever asks for less
        would be out of tries at once."""
        least_s = min(self.first_s * 2.0 ** (tries - 1), self.longest_s) * (1 + chance / 4)
        return max(least_s, min(answer.after_s or 0.0, MOST_WAIT_S))

    def is_over(self, tries: int, answer: NotTaken) -> bool:
        """Whether this was the last try."""
        return tries >= (self.tries_for_good if answer.for_good else self.tries)


class _Due(Struct, frozen=True, kw_only=True):
    """What is to be sent to a webhook now: dead letters that are sent again, then what follows the cursor.
    `body` None: it cannot be read. `reached`: nothing before this place is for it; `more`: there may be more
    behind it. `waits`: it is too early, and nobody has looked for what follows."""

    webhook: Webhook
    again: Sequence[tuple[DeadLetter, Signal | None, bytes | None]]
    fresh: Sequence[tuple[Signal, bytes | None]]
    reached: int
    more: bool = False
    waits: bool = False


class Webhooks:
    """Delivers to every webhook that has not ended. `chance` gives numbers from 0 to 1."""

    def __init__(
        self,
        *,
        uow: UnitOfWork,
        reader: Reader,
        clock: Clock,
        registry: ToolRegistry,
        allow_private: bool,
        chance: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        self._uow = uow
        self._reader = reader
        self._clock = clock
        self._registry = registry
        self._chance = chance
        self._patience = patience or Patience()
        self._poster = Poster(allow_private=allow_private, timeout_s=self._patience.timeout_s)
        self._changed = asyncio.Event()
        self._lanes: dict[WebhookId, _Lane] = {}

    def wake(self, tenant_id: TenantId) -> None:
        """Something happened in this team: a listener for the writer's topic "signal"."""
        for lane in self._lanes.values():
            if lane.tenant_id == tenant_id:
                lane.woken.set()

    def changed(self, webhook_id: WebhookId) -> None:
        """One was added, ended, or is to send something again: a listener for the topic "webhook"."""
        if webhook_id in self._lanes:
            self._lanes[webhook_id].hurry()
        self._changed.set()

    async def run(self) -> None:
        """Delivers until it is cancelled; then what was delivered is noted."""
        try:
            while True:
                self._changed.clear()
                await self._look()
                await self._changed.wait()
        finally:
            tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._poster.close()

    async def _look(self) -> None:
        """A lane for each webhook."""
        try:
            live = await self._reader.read(lambda records: records.webhooks.live())
        except StorageUnavailable as error:
            log.warning("the webhooks wait for the database", error=str(error))
            await asyncio.sleep(STORAGE_RETRY_S)
            self._changed.set()
            return
        for webhook in live:
            if webhook.id not in self._lanes:
                lane = self._lanes[webhook.id] = _Lane(webhook)
                lane.task = asyncio.get_running_loop().create_task(self._drive(lane))

    async def _drive(self, lane: _Lane) -> None:
        """One webhook's deliveries, until it ends. A mistake of ours is logged and waited out, not raised."""
        try:
            while (wait := await self._try_step(lane)) is not None:
                await lane.rest(wait)
        finally:
            del self._lanes[lane.webhook_id]

    async def _try_step(self, lane: _Lane) -> float | None:
        try:
            return await self._step(lane)
        except StorageUnavailable as error:
            log.warning("a webhook waits for the database", error=str(error))
            return STORAGE_RETRY_S
        except Exception:
            log.exception("a webhook could not be served", webhook=lane.webhook_id)
            return STUMBLE_S

    async def _step(self, lane: _Lane) -> float | None:
        """Sends what is due. Seconds to wait before the next step, perhaps for ever; None: it ended."""
        lane.begin()
        due = await self._reader.read(lambda records: self._due(records, lane))
        if due is None:
            return None
        sent = _Sent(lane, due)
        try:
            await self._send(sent)
        finally:
            await self._note(sent)
        return sent.wait

    def _due(self, records: Records, lane: _Lane) -> _Due | None:
        webhook = records.webhooks.get(lane.webhook_id)
        if webhook is None or webhook.ended_at is not None:
            return None
        letters = records.webhooks.asked(webhook.id, limit=BATCH)
        again = [(letter, signal, self._body(records, signal)) for letter, signal in _found(records, letters)]
        if again or webhook.not_before > self._clock.real():
            return _Due(webhook=webhook, again=again, fresh=(), reached=webhook.cursor, waits=not again)
        newest = records.signals.newest()
        found = records.signals.after(webhook.tenant_id, max(webhook.cursor, lane.seen), limit=BATCH)
        oldest = self._clock.now() - TTL
        fresh = [
            (signal, self._body(records, signal))
            for signal in found
            if signal.kind in webhook.kinds and signal.at > oldest
        ]
        return _Due(
            webhook=webhook,
            again=(),
            fresh=fresh,
            reached=found[-1].seq if found else newest,
            more=bool(found),
        )

    def _body(self, records: Records, signal: Signal | None) -> bytes | None:
        """What is sent of a signal; None where it cannot be read or told."""
        try:
            told = None if signal is None else told_of(records, signal, registry=self._registry)
            return None if told is None else _json(told)
        except CorruptRecord as corrupt:
            log.error("a signal cannot be told", table=corrupt.table, row=corrupt.row_id)
        except (TypeError, ValueError):  # not all errors: those of the database are for the reader
            log.exception("a signal cannot be told", number=None if signal is None else signal.seq)
        return None

    async def _send(self, sent: _Sent) -> None:
        due = sent.due
        for letter, signal, body in due.again:
            answer = await self._post(due.webhook, signal, body)
            sent.tried_again(letter, answer, Now(wall=self._clock.now(), real=self._clock.real()))
        if due.again:
            return  # there may be more of them; what waits comes after
        if due.waits:  # though it may be time by now: no `fresh` does not mean that all was sent
            sent.wait = max(0.0, (due.webhook.not_before - self._clock.real()).total_seconds())
            return
        for signal, body in due.fresh:
            answer = await self._post(due.webhook, signal, body)
            if isinstance(answer, NotTaken):
                self._not_taken(sent, signal, answer)
                return
            sent.cursor, sent.tries = signal.seq, 0
        sent.lane.seen = due.reached
        sent.wait = 0.0 if due.more else math.inf

    async def _post(self, webhook: Webhook, signal: Signal | None, body: bytes | None) -> Taken | NotTaken:
        if signal is None or body is None:
            return NotTaken(_UNREADABLE, for_good=True)
        return await self._poster.post(
            webhook.url, body, headers_of(webhook.secret, signal, body, timestamp=int(time.time()))
        )

    def _not_taken(self, sent: _Sent, signal: Signal, answer: NotTaken) -> None:
        webhook, patience = sent.due.webhook, self._patience
        sent.tries += 1
        log.warning(
            "a webhook did not take a signal",
            webhook=webhook.id,
            to=shown_url(webhook.url),
            number=signal.seq,
            tries=sent.tries,
            answer=answer.error,
        )
        if patience.is_over(sent.tries, answer):
            sent.dead = DeadLetter(
                webhook_id=webhook.id,
                tenant_id=webhook.tenant_id,
                seq=signal.seq,
                tries=sent.tries,
                error=answer.error,
                at=self._clock.now(),
            )
            sent.cursor, sent.tries = signal.seq, 0
            return
        sent.wait = patience.wait(sent.tries, answer, chance=self._chance())

    async def _note(self, sent: _Sent) -> None:
        """Commits how far it came, in one unit; nothing where nothing was sent."""
        if not sent.is_news:
            return
        webhook, now = sent.due.webhook, Now(wall=self._clock.now(), real=self._clock.real())
        not_before = now.real + timedelta(seconds=sent.wait if sent.wait < math.inf else 0.0)

        def work(records: Records) -> None:
            for letter in sent.letters:
                records.webhooks.bury(letter)
            if sent.due.again or not records.webhooks.move(
                webhook.id, cursor=sent.cursor, tries=sent.tries, not_before=not_before
            ):
                return
            if sent.dead is not None:
                bury(records, webhook, sent.dead, now=now)

        await self._uow.run("webhook.sent", work)


class _Lane:
    """One webhook's way: what wakes it, and how far it has looked."""

    def __init__(self, webhook: Webhook) -> None:
        self.webhook_id = webhook.id
        self.tenant_id = webhook.tenant_id
        self.woken = asyncio.Event()  # there may be something new
        self.seen = 0  # up to here nothing is left that is for it
        self.task: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()  # it is to be tried at once, whatever it waits for

    def hurry(self) -> None:
        """Ends any wait."""
        self._hurried.set()
        self.woken.set()

    def begin(self) -> None:
        """What happens from here on is seen by the next step."""
        self.woken.clear()
        self._hurried.clear()

    async def rest(self, seconds: float) -> None:
        """Waits for ever: until something is new. Or so long, which only a change of the webhook itself cuts
        short."""
        waits_for = self.woken if seconds == math.inf else self._hurried
        with suppress(TimeoutError):
            await asyncio.wait_for(waits_for.wait(), None if seconds == math.inf else seconds)


class _Sent:
    """What came of a step, to be committed."""

    def __init__(self, lane: _Lane, due: _Due) -> None:
        self.lane = lane
        self.due = due
        self.cursor = due.webhook.cursor
        self.tries = due.webhook.tries
        self.dead: DeadLetter | None = None
        self.letters: list[DeadLetter] = []
        self.wait = 0.0

    @property
    def is_news(self) -> bool:
        """Whether anything is to be written."""
        moved = (self.cursor, self.tries) != (self.due.webhook.cursor, self.due.webhook.tries)
        return moved or self.dead is not None or bool(self.letters)

    def tried_again(self, letter: DeadLetter, answer: Taken | NotTaken, now: Now) -> None:
        """A dead letter was sent once more: it was taken, or stays one."""
        if isinstance(answer, Taken):
            self.letters.append(replace(letter, asked_at=None, replayed_at=now.wall))
        else:
            self.letters.append(
                replace(letter, asked_at=None, tries=letter.tries + 1, error=answer.error, at=now.wall)
            )


def headers_of(secret: str, signal: Signal, body: bytes, *, timestamp: int) -> Mapping[str, str]:
    """What goes with a body: what it is about, which one it is, and what proves that we sent it."""
    return {
        "Content-Type": "application/json",
        "X-Countersign-Event": signal.kind.value,
        "X-Countersign-Id": dedupe_key(signal),
        "X-Countersign-Timestamp": str(timestamp),
        "X-Countersign-Signature": f"sha256={signature(secret, timestamp=timestamp, body=body)}",
    }


def _found(records: Records, letters: Sequence[DeadLetter]) -> Sequence[tuple[DeadLetter, Signal | None]]:
    return [(letter, records.signals.get(letter.seq)) for letter in letters]


def _json(told: Mapping[str, Json]) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
