"""The relay: takes the outbox to Telegram, in order per chat, chats side by side.

A card row says only "bring this card up to date": the committed state is read and rendered when it is sent,
so ten changes cost one edit and nothing stale is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta

from msgspec.structs import replace

from bot.clock import SystemClock
from bot.logs import get_logger
from bot.telegram.following import Following
from bot.telegram.jobs import (
    Job,
    Opened,
    ProgressOf,
    Subject,
    card_at,
    has_all,
    next_job,
    note_sent,
    rendered,
    still_unsent,
)
from bot.telegram.outgoing import CARD, DOCUMENT, Outgoing, from_payload
from bot.telegram.pace import Pace
from bot.telegram.render.message import Document, Shown
from bot.telegram.sender import Answer, Delivered, Gone, Later, Moved, Sender
from core.engine import Env
from core.engine.readable import set_aside
from core.engine.routing import ask_others, follow_chat
from core.errors import CorruptRecord, StorageUnavailable
from core.ids import CallId, CardId
from core.model import Card, Channel
from core.ports import Now, OutboxRow, Reader, Records, UnitOfWork

log = get_logger(__name__)

STORAGE_RETRY_S = 1.0
LONG_S = 5.0
LEFT_FOR_OTHERS = 3
"""So many messages of each window are kept free of progress."""
MOST_TRIES = 5
_ANY_VERSION = 1 << 30


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
        on_throttled: Callable[[int], None] = lambda chat: None,
        boundary: Callable[[str], None] = lambda place: None,
    ) -> None:
        self._sender = sender
        self._uow = uow
        self._reader = reader
        self._env = env
        self._clock = clock
        self._pace = pace
        self._progress_of = progress_of
        self._on_throttled = on_throttled
        self._boundary = boundary
        self._lanes: dict[int, asyncio.Event] = {}
        self._idle: dict[int, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._following = Following(reader, progress_of=progress_of, refresh=self.refresh, early=self.early)
        self._unsent: dict[int, set[CardId]] = {}
        self._stale: dict[int, set[int]] = {}
        self._opened = Opened()
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

    def step_buttons(self, chat: int, message_id: int, *, opened: bool) -> None:
        """A run's card has buttons for each step the next time that it is shown, or has not. Any thread may
        call this."""
        self._opened.set(chat, message_id, opened=opened)

    async def settled(self, chat: int) -> None:
        """Returns once nothing is under way to this chat, but for what Telegram puts off for long."""
        idle = self._idle.get(chat)
        if idle is not None:
            await idle.wait()

    def progress(self, call_id: CallId) -> None:
        """The call takes a while, or reported progress: its cards are edited, no more often than every
        second (three seconds in groups). The end of the call never waits behind it."""
        if self._following.takes_up(call_id):
            self._spawn(self._following.follow(call_id))

    def early(self, card: Card) -> None:
        """Sends a card that would have no message before the end of its call."""
        self._unsent.setdefault(card.chat, set()).add(card.id)
        self.wake(card.chat)

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
            job = await self._reader.read(
                lambda records: next_job(records, chat, now=self._clock.now(), env=self._env)
            )
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

    async def _send(self, job: Job) -> float | None:
        row = job.row
        await self._pace.wait(row.chat)
        self._boundary("relay.before_send")
        if job.subject is not None and row.kind == CARD:
            answer, card, file = await self._send_card(job.subject, silent=job.silent)
        elif row.kind == DOCUMENT:
            answer, card, file = await self._send_file(row), None, None
        else:
            answer, card, file = await self._sender.put(row.chat, _message(job)), None, None
        self._boundary("relay.after_send")
        return await self._record(job, answer, card, file)

    async def _send_file(self, row: OutboxRow) -> Answer:
        kept = row.payload
        file = Document(name=kept["name"], content=kept["content"], caption_html=kept["caption_html"])
        return await self._sender.document(row.chat, file, thread=kept["thread"], reply_to=None)

    async def _send_card(self, subject: Subject, *, silent: bool) -> tuple[Answer, Card, Document | None]:
        """Sends or edits a card; then, in a private chat, the document with what did not fit, once."""
        card, shown = subject.card, self._render(subject)
        outgoing = Outgoing(
            shown=shown, thread=card.thread, reply_to=card.reply_to, edit=card.message_id, silent=silent
        )
        answer = await self._sender.put(card.chat, outgoing)
        if not isinstance(answer, Delivered):
            return answer, card, None
        after = replace(
            card,
            message_id=answer.message_id,
            shown_version=subject.version,
            shown_digest=subject.digest if shown.complete else None,
        )
        file = shown.document
        if file is None or not card.private or (not file.about and card.shown_digest == subject.digest):
            return answer, after, None
        if await self._reader.read(lambda records: has_all(records, subject, file.about)):
            return answer, after, None
        await self._pace.wait(card.chat)
        sent = await self._sender.document(card.chat, file, thread=card.thread, reply_to=answer.message_id)
        if not isinstance(sent, Delivered):
            # The card is there; keep it, and try the document again with the same row.
            return sent, after, None
        return answer, after, file

    def _render(self, subject: Subject) -> Shown:
        return rendered(
            subject,
            env=self._env,
            now=self._clock.now(),
            progress_of=self._progress_of,
            one_by_one=self._opened.has(subject.card),
        )

    async def _record(
        self, job: Job, answer: Answer, card: Card | None, file: Document | None
    ) -> float | None:
        """Writes down what became of a row, in one unit. Seconds to wait before the chat's next message;
        None: nothing is left."""
        row, now = job.row, self._clock.real()

        def work(records: Records) -> bool:
            if card is not None and card.message_id is not None:
                records.cards.shown(card)
            if file is not None and job.subject is not None:
                note_sent(records, job.subject, file.about, now=now)
            reached = row if card is None else replace(row, card_version=card.shown_version)
            _settle(records, reached, answer, now=now)
            if isinstance(answer, Gone) and job.subject is not None:
                for call in job.subject.to_sign:
                    both = Now(wall=self._clock.now(), real=now)
                    ask_others(records, call.id, lost=row.chat, now=both, env=self._env)
            return records.outbox.waits(row.chat)

        more = await self._uow.run("relay.sent", work)
        if isinstance(answer, Gone):
            log.warning("a message could not be delivered", chat=row.chat, reason=answer.reason)
        if isinstance(answer, Moved):
            self.wake(answer.chat)
        if isinstance(answer, Later):
            if answer.throttled:
                self._on_throttled(row.chat)
            return answer.seconds
        return 0.0 if more or row.chat in self._stale or row.chat in self._unsent else None

    async def _refresh_stale(self, chat: int) -> float | None:
        """Edits messages that somebody saw out of date: nothing is recorded but what they show now."""
        waiting = self._stale.get(chat)
        if not waiting:
            self._stale.pop(chat, None)
            return await self._send_early(chat)
        # What is shown meanwhile must not take the place of what is to be told: that goes before it.
        if (full := self._pace.delay(chat, leave=LEFT_FOR_OTHERS)) > 0:
            return full
        message_id = waiting.pop()
        subject = await self._reader.read(
            lambda records: card_at(records, chat, message_id, now=self._clock.now(), env=self._env)
        )
        if subject is None:
            return 0.0
        await self._pace.wait(chat)
        outgoing = Outgoing(shown=self._render(subject), edit=message_id)
        answer = await self._sender.put(chat, outgoing, anew=False)  # no record would name the new message
        if isinstance(answer, Gone):
            self._following.lost(chat, message_id)
        if not isinstance(answer, Later):
            return 0.0
        self._stale.setdefault(chat, set()).add(message_id)
        return self._hold(chat, answer)

    async def _send_early(self, chat: int) -> float | None:
        """Sends what has no message yet of a call that runs. Only then is it recorded, so that a process that
        dies in between leaves a message that says nothing wrong."""
        waiting = self._unsent.get(chat)
        if not waiting:
            self._unsent.pop(chat, None)
            return None
        if (full := self._pace.delay(chat, leave=LEFT_FOR_OTHERS)) > 0:
            return full
        card_id = waiting.pop()
        now = self._clock.now()
        subject = await self._reader.read(
            lambda records: still_unsent(records, card_id, now=now, env=self._env)
        )
        if subject is None:
            return 0.0
        await self._pace.wait(chat)
        answer, card, _ = await self._send_card(subject, silent=False)
        if card.message_id is not None:  # also where its file comes later
            await self._uow.run("relay.sent", lambda records: records.cards.shown(card))
        if not isinstance(answer, Later):
            return 0.0
        self._unsent.setdefault(chat, set()).add(card_id)
        return self._hold(chat, answer)

    def _hold(self, chat: int, answer: Later) -> float:
        """Seconds to wait. No row in the outbox remembers them, and what is queued meanwhile must not come
        before their end."""
        if answer.throttled:
            self._on_throttled(chat)
        self._held[chat] = self._clock.real() + timedelta(seconds=answer.seconds)
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


def _message(job: Job) -> Outgoing:
    if job.reply is not None:
        return Outgoing(shown=job.reply, reply_to=job.reply_to)
    return from_payload(job.row.payload)
