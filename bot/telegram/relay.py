"""The relay: takes the outbox to Telegram, in order per chat, chats side by side.

A card row says only "bring this card up to date": the committed state is read and rendered when it is sent,
so ten changes cost one edit and nothing stale is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.clock import SystemClock
from bot.logs import get_logger
from bot.telegram.outgoing import CARD, DOCUMENT, END_REPLY, Outgoing, from_payload
from bot.telegram.pace import Pace
from bot.telegram.render import card as render
from bot.telegram.render.message import Document, Shown
from bot.telegram.sender import Answer, Delivered, Gone, Later, Moved, Sender
from core.engine import Env
from core.engine.readable import set_aside
from core.engine.routing import follow_chat
from core.errors import CorruptRecord, StorageUnavailable
from core.ids import CallId, PersonId
from core.lifecycle import EXECUTING
from core.model import CallView, Card, Channel
from core.ports import OutboxRow, Reader, Records, UnitOfWork, view

log = get_logger(__name__)

PROGRESS_EVERY_S = 1.0
GROUP_PROGRESS_EVERY_S = 3.0
STORAGE_RETRY_S = 1.0
LONG_S = 5.0
MOST_TRIES = 5
_ANY_VERSION = 1 << 30
ProgressOf = Callable[[CallId], tuple[float, str] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What a row asks for, read in one snapshot."""

    row: OutboxRow
    card: Card | None = None
    view: CallView | None = None
    reply_to: int | None = None


class Relay:
    """Implements the notifier: one lane a chat, alive while something waits for the chat."""

    def __init__(
        self,
        sender: Sender,
        *,
        uow: UnitOfWork,
        reader: Reader,
        env: Env,
        clock: SystemClock,
        pace: Pace,
        progress_of: ProgressOf = lambda call: None,
        boundary: Callable[[str], None] = lambda place: None,
    ) -> None:
        self._sender = sender
        self._uow = uow
        self._reader = reader
        self._env = env
        self._clock = clock
        self._pace = pace
        self._progress_of = progress_of
        self._boundary = boundary
        self._lanes: dict[int, asyncio.Event] = {}
        self._idle: dict[int, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._moving: set[CallId] = set()
        self._stale: dict[int, set[int]] = {}
        self._held: dict[int, datetime] = {}
        self._stopping = False

    async def start(self) -> None:
        """Takes up what an earlier process left."""
        for chat in await self._reader.read(lambda records: records.outbox.chats()):
            self.wake(chat)

    def wake(self, chat: int) -> None:
        """Something waits for this chat."""
        event = self._lanes.get(chat)
        if event is not None:
            event.set()
            return
        self._lanes[chat] = asyncio.Event()
        self._idle[chat] = asyncio.Event()
        self._spawn(self._drive(chat))

    def refresh(self, chat: int, message_id: int) -> None:
        """Brings one message that is a card up to date, whatever is recorded of it."""
        self._stale.setdefault(chat, set()).add(message_id)
        self.wake(chat)

    async def settled(self, chat: int) -> None:
        """Returns once nothing is under way to this chat, but for what Telegram puts off for long."""
        idle = self._idle.get(chat)
        if idle is not None:
            await idle.wait()

    def progress(self, call_id: CallId) -> None:
        """The call takes a while, or reported progress: its cards are edited, no more often than every
        second (three seconds in groups). The end of the call never waits behind it."""
        if call_id not in self._moving:
            self._moving.add(call_id)
            self._spawn(self._follow(call_id))

    async def stop(self) -> None:
        """Ends all lanes. What was not sent stays in the outbox."""
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, call_id: CallId) -> None:
        """Refreshes the cards of a running call while it runs."""
        try:
            turn = 0
            while turn == 0 or self._progress_of(call_id) is not None:
                cards = await self._reader.read(lambda records: records.cards.of(call_id))
                for card in cards:
                    every = GROUP_PROGRESS_EVERY_S if card.chat < 0 else PROGRESS_EVERY_S
                    if card.message_id is not None and turn % round(every / PROGRESS_EVERY_S) == 0:
                        self.refresh(card.chat, card.message_id)
                turn += 1
                await asyncio.sleep(PROGRESS_EVERY_S)
        except StorageUnavailable:
            return  # nothing is lost: the call's end comes through the outbox
        finally:
            self._moving.discard(call_id)

    async def _drive(self, chat: int) -> None:
        event = self._lanes[chat]
        try:
            while True:
                event.clear()
                wait = await self._try_step(chat)
                if wait is None and not event.is_set():
                    return
                if wait:
                    await self._wait(chat, event, wait)
        finally:
            del self._lanes[chat]
            self._idle.pop(chat).set()
            # What was queued between the last look and here.
            if event.is_set() and not self._stopping:
                self.wake(chat)

    async def _wait(self, chat: int, event: asyncio.Event, seconds: float) -> None:
        """Waits. Where that is long, whoever waits for the chat to settle goes on: no tap waits an hour."""
        if seconds > LONG_S:
            self._idle[chat].set()
        await _until(event, seconds)
        self._idle[chat].clear()

    async def _try_step(self, chat: int) -> float | None:
        """One step; a database that is held up is waited for."""
        try:
            return await self._step(chat)
        except StorageUnavailable as error:
            log.warning("the outbox waits for the database", error=str(error))
            return STORAGE_RETRY_S

    async def _step(self, chat: int) -> float | None:
        """Sends the chat's next message. Seconds to wait before the next step; None: nothing is left."""
        try:
            if (held := self._held_for(chat)) > 0:
                return held
            job = await self._reader.read(lambda records: _next(records, chat))
            if job is None:
                return await self._refresh_stale(chat)
            due = (job.row.not_before - self._clock.real()).total_seconds()
            if due > 0:
                return due
            return await self._send(job)
        except StorageUnavailable:
            raise
        except CorruptRecord as error:
            log.error("an outgoing message cannot be read", table=error.table, row=error.row_id)
            return await self._drop_corrupt(chat, error)
        except Exception:
            log.exception("an outgoing message could not be sent", chat=chat)
            return await self._stumble(chat)

    async def _send(self, job: _Job) -> float | None:
        row = job.row
        await self._pace.wait(row.chat)
        self._boundary("relay.before_send")
        if job.card is not None and job.view is not None and row.kind == CARD:
            answer, card, document = await self._send_card(job.card, job.view)
        elif row.kind == DOCUMENT:
            answer, card, document = await self._send_file(row), None, False
        else:
            answer, card, document = await self._sender.put(row.chat, self._message(job)), None, False
        self._boundary("relay.after_send")
        return await self._record(job, answer, card, document)

    def _message(self, job: _Job) -> Outgoing:
        if job.row.kind == END_REPLY and job.view is not None:
            return Outgoing(shown=render.end_reply(job.view), reply_to=job.reply_to)
        return from_payload(job.row.payload)

    async def _send_file(self, row: OutboxRow) -> Answer:
        kept = row.payload
        file = Document(name=kept["name"], content=kept["content"], caption_html=kept["caption_html"])
        return await self._sender.document(row.chat, file, thread=kept["thread"], reply_to=None)

    async def _send_card(self, card: Card, view: CallView) -> tuple[Answer, Card, bool]:
        """Sends or edits a card; then its document, where arguments do not fit and the chat is private."""
        shown = self._render(card, view)
        outgoing = Outgoing(shown=shown, thread=card.thread, reply_to=card.reply_to, edit=card.message_id)
        answer = await self._sender.put(card.chat, outgoing)
        if not isinstance(answer, Delivered):
            return answer, card, False
        after = replace(
            card,
            message_id=answer.message_id,
            shown_version=view.call.version,
            shown_digest=view.call.consent_digest if shown.complete else None,
        )
        if shown.document is None or not card.private or card.shown_digest == view.call.consent_digest:
            return answer, after, False
        if await self._has_document(card, view):
            return answer, after, False
        await self._pace.wait(card.chat)
        sent = await self._sender.document(
            card.chat, shown.document, thread=card.thread, reply_to=answer.message_id
        )
        if not isinstance(sent, Delivered):
            # The card is there; keep it, and try the document again with the same row.
            return sent, after, False
        return answer, after, True

    async def _has_document(self, card: Card, view: CallView) -> bool:
        def asked(records: Records) -> bool:
            owner = _owner(records, card)
            digest = view.call.consent_digest
            return owner is not None and records.cards.was_delivered(view.call.id, owner, digest)

        return await self._reader.read(asked)

    def _render(self, card: Card, view: CallView) -> Shown:
        tool = self._env.registry.find(view.call.tool)
        now = self._clock.now()
        registry = self._env.registry
        if card.line:
            return render.line(view, tool=tool, now=now, registry=registry, private=card.private)
        progress = self._progress_of(view.call.id) if view.call.status in EXECUTING else None
        return render.card(
            view, tool=tool, now=now, registry=registry, private=card.private, progress=progress
        )

    async def _record(self, job: _Job, answer: Answer, card: Card | None, document: bool) -> float | None:
        """Writes down what became of a row, in one unit. Seconds to wait before the chat's next message;
        None: nothing is left."""
        row, now = job.row, self._clock.real()

        def work(records: Records) -> bool:
            if card is not None and card.message_id is not None:
                records.cards.shown(card)
            owner = _owner(records, card) if document and card is not None else None
            if owner is not None and job.view is not None:
                call = job.view.call
                records.cards.delivered(call.id, owner, call.consent_digest, now=now)
            reached = row if card is None else replace(row, card_version=card.shown_version)
            _settle(records, reached, answer, now=now)
            return records.outbox.waits(row.chat)

        more = await self._uow.run("relay.sent", work)
        if isinstance(answer, Gone):
            log.warning("a message could not be delivered", chat=row.chat, reason=answer.reason)
        if isinstance(answer, Moved):
            self.wake(answer.chat)
        if isinstance(answer, Later):
            return answer.seconds
        return 0.0 if more or row.chat in self._stale else None

    async def _refresh_stale(self, chat: int) -> float | None:
        """Edits messages that somebody saw out of date: nothing is recorded but what they show now."""
        waiting = self._stale.get(chat)
        if not waiting:
            self._stale.pop(chat, None)
            return None
        message_id = waiting.pop()
        job = await self._reader.read(lambda records: _card_at(records, chat, message_id))
        if job is None:
            return 0.0
        card, current = job
        await self._pace.wait(chat)
        outgoing = Outgoing(shown=self._render(card, current), edit=message_id)
        answer = await self._sender.put(chat, outgoing)
        if not isinstance(answer, Later):
            return 0.0
        # No row in the outbox remembers this wait, and what is queued meanwhile must not come before its end.
        self._held[chat] = self._clock.real() + timedelta(seconds=answer.seconds)
        self._stale.setdefault(chat, set()).add(message_id)
        return answer.seconds

    def _held_for(self, chat: int) -> float:
        """Seconds for which a message beside the outbox was told to wait; 0 or less once they are over."""
        until = self._held.get(chat)
        seconds = 0.0 if until is None else (until - self._clock.real()).total_seconds()
        if seconds <= 0:
            self._held.pop(chat, None)
        return seconds

    async def _stumble(self, chat: int) -> float:
        """A mistake of ours must not hold up the chat for ever: a few more tries, then the next message."""
        now = self._clock.real()

        def work(records: Records) -> float:
            row = records.outbox.first(chat)
            if row is None:
                return 0.0
            if row.tries >= MOST_TRIES:
                records.outbox.drop_first(chat, now=now, error="failed")
                return 0.0
            wait = float(2**row.tries)
            records.outbox.postpone(row, until=now + timedelta(seconds=wait))
            return wait

        return await self._uow.run("relay.stumble", work)

    async def _drop_corrupt(self, chat: int, error: CorruptRecord) -> float:
        now = self._clock.real()

        def work(records: Records) -> None:
            set_aside(records, error, now=now)
            records.outbox.drop_first(chat, now=now, error="corrupt_record")

        await self._uow.run("relay.corrupt", work)
        return 0.0


async def _until(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


def _settle(records: Records, row: OutboxRow, answer: Answer, *, now: datetime) -> None:
    """Takes a row off the queue, or leaves it there, as Telegram's answer says."""
    match answer:
        case Delivered():
            records.outbox.done(row, now=now)
        case Later(seconds):
            records.outbox.postpone(row, until=now + timedelta(seconds=seconds))
        case Moved(chat):
            follow_chat(records, old=row.chat, new=chat, now=now)
        case Gone(reason, blocked):
            records.outbox.done(replace(row, card_version=_ANY_VERSION), now=now, error=reason)
            if blocked and row.chat > 0:
                records.people.set_private_chat(Channel.TELEGRAM, str(row.chat), None)


def _next(records: Records, chat: int) -> _Job | None:
    row = records.outbox.first(chat)
    if row is None:
        return None
    if row.kind == CARD and row.card_id is not None:
        card = records.cards.get(row.card_id)
        call = None if card is None else records.calls.get(card.call_id)
        if card is not None and call is not None:
            return _Job(row=row, card=card, view=view(records, call))
    if row.kind == END_REPLY:
        call = records.calls.get(CallId(str(row.payload["call_id"])))
        if call is not None:
            there = [card for card in records.cards.of(call.id) if card.chat == chat]
            reply_to = there[0].message_id if there else call.source_message
            return _Job(row=row, view=view(records, call), reply_to=reply_to)
    return _Job(row=row)


def _card_at(records: Records, chat: int, message_id: int) -> tuple[Card, CallView] | None:
    card = records.cards.at(chat, message_id)
    call = None if card is None else records.calls.get(card.call_id)
    return None if card is None or call is None else (card, view(records, call))


def _owner(records: Records, card: Card) -> PersonId | None:
    """Whose private chat a card is in."""
    if not card.private:
        return None
    identity = records.people.identity(Channel.TELEGRAM, str(card.chat))
    return None if identity is None else identity.person_id
