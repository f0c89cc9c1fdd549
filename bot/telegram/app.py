"""The Telegram front door as one thing: library, inbox, relay, and the table of what goes where.

Match and act apart: this file says which update goes to which function, the functions do it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from telegram import Message, Update
from telegram.error import InvalidToken, TelegramError
from telegram.ext import (
    ApplicationBuilder,
    CallbackContext,
    ChatMemberHandler,
    ExtBot,
    MessageHandler,
    TypeHandler,
    filters,
)

from bot.clock import SystemClock
from bot.config import TelegramSettings
from bot.logs import get_logger
from bot.machine import Machine
from bot.metrics import Metrics
from bot.telegram import commands, membership, menu, messages, pages
from bot.telegram.api import Api
from bot.telegram.buttons import CallButton, RunButton, decode
from bot.telegram.inbox import Inbox
from bot.telegram.jobs import ProgressOf
from bot.telegram.members import admins_chats
from bot.telegram.pace import Pace
from bot.telegram.relay import Relay
from bot.telegram.render import texts, toasts
from bot.telegram.render.message import Shown
from bot.telegram.replies import reply
from bot.telegram.request import AiohttpRequest
from bot.telegram.sender import Sender
from bot.telegram.taps import Query, answer, read_tap, tap
from bot.telegram.turn import AlreadyHandled, Front, Turn, turn_of
from core.engine import Env
from core.engine.readable import set_aside
from core.errors import ConfigError, CorruptRecord, StorageUnavailable
from core.ids import TenantId
from core.ports import Reader, Records, UnitOfWork
from core.queries import Pages

log = get_logger(__name__)

_NOT_KNOWN: Final = "telegram.token is not known to Telegram. Ask @BotFather for it (/mybots, API Token)."
FIRST_RETRY_S: Final = 0.5
MOST_RETRY_S: Final = 30.0
FLUSH_S: Final = 5.0


class TelegramBot:
    """One bot at Telegram. `run` never returns by itself but for a token that Telegram refuses."""

    def __init__(
        self,
        settings: TelegramSettings,
        *,
        uow: UnitOfWork,
        reader: Reader,
        pages: Pages,
        env: Env,
        clock: SystemClock,
        home: TenantId,
        pace: Pace,
        progress_of: ProgressOf,
        metrics: Metrics,
        machine: Machine,
        boundary: Callable[[str], None],
    ) -> None:
        proxy = settings.proxy.get_secret_value() if settings.proxy else None
        request, updates_request = AiohttpRequest(proxy=proxy), AiohttpRequest(proxy=proxy)
        self._requests = (request, updates_request)
        self._bot: ExtBot[None] = ExtBot(
            token=settings.required_token(),
            base_url=f"{settings.api_base_url}/bot",
            base_file_url=f"{settings.api_base_url}/file/bot",
            request=request,
            get_updates_request=updates_request,
        )
        self._application: Any = (
            ApplicationBuilder()
            .bot(self._bot)
            .updater(None)
            .job_queue(None)
            .concurrent_updates(False)
            .build()
        )
        self._uow = uow
        self._reader = reader
        self._pages = pages
        self._env = env
        self._clock = clock
        self._home = home
        self._metrics = metrics
        self._machine = machine
        self.relay = Relay(
            Sender(self._bot),
            uow=uow,
            reader=reader,
            env=env,
            clock=clock,
            pace=pace,
            progress_of=progress_of,
            on_throttled=metrics.throttled,
            boundary=boundary,
        )
        self.inbox = Inbox(
            self._bot,
            updates_request,
            uow=uow,
            reader=reader,
            clock=clock,
            handle=self._handle,
            poll_timeout_s=settings.poll_timeout_s,
            boundary=boundary,
        )
        self._held: dict[int, list[StorageUnavailable]] = {}
        self._front: Front | None = None
        self._taking: asyncio.Task[None] | None = None
        self._register()

    @property
    def username(self) -> str:
        """The bot's name at Telegram, without @."""
        return str(self._bot.username)

    @property
    def bot_id(self) -> int:
        """The bot's id at Telegram."""
        return int(self._bot.id)

    async def ready(self) -> None:
        """Returns once updates are being fetched."""
        await self.inbox.ready.wait()

    async def run(self) -> None:
        """Connects (however long that takes), then serves until stopped. Raises ConfigError for a token
        that Telegram does not know."""
        await self._connect()
        self._front = Front(
            machine=self._machine,
            uow=self._uow,
            reader=self._reader,
            pages=self._pages,
            registered=lambda chat, role: menu.set_for(self._bot, self._env.registry, chat, role),
            env=self._env,
            clock=self._clock,
            relay=self.relay,
            api=Api(self._bot),
            home=self._home,
            bot_id=self._bot.id,
            bot_username=self.username,
        )
        await self.relay.start()
        self._taking = asyncio.ensure_future(self.inbox.run())
        await menu.set_general(self._bot, self._env.registry)
        try:
            await self._taking
        except InvalidToken:
            raise ConfigError(_NOT_KNOWN) from None

    async def stop_taking(self) -> None:
        """No new updates; those in hand are handled to their end, unless the database holds them up: then
        the next start finds them."""
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.gather(self._taking, return_exceptions=True)
        await asyncio.wait({asyncio.ensure_future(self.inbox.drain())}, timeout=FLUSH_S)

    async def stop(self) -> None:
        """Sends what still waits (a few seconds at most), then closes the connections."""
        if self._front is not None:
            await asyncio.wait({asyncio.ensure_future(self._flush())}, timeout=FLUSH_S)
        await self.relay.stop()
        await self._application.shutdown()
        # The library leaves them open where the token was refused before it was initialised.
        for request in self._requests:
            await request.shutdown()

    async def _flush(self) -> None:
        try:
            chats = await self._reader.read(lambda records: records.outbox.chats())
        except StorageUnavailable as error:
            log.warning("what waits is sent after the next start", error=str(error))
            return
        await asyncio.gather(*(self.relay.settled(chat) for chat in chats))

    async def ping(self) -> object:
        """Asks Telegram something small."""
        return await self._bot.get_me()

    async def post_head(self) -> None:
        """Tells every admin the head of their team's audit chain, so that history cannot be rewritten
        unseen."""

        def work(records: Records) -> None:
            for tenant in records.people.tenants():
                seq, digest = records.audit.head(tenant.id)
                shown = texts.audit_head(seq=seq, digest=digest)
                for chat in admins_chats(records, tenant.id):
                    reply(records, tenant.id, chat, shown, now=self._clock.now())

        await self._uow.run("head", work)

    async def _connect(self) -> None:
        wait = FIRST_RETRY_S
        while True:
            try:
                await self._application.initialize()
            except InvalidToken:
                raise ConfigError(_NOT_KNOWN) from None
            except TelegramError as error:
                log.warning("Telegram cannot be reached yet", error=str(error), again_in_s=wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, MOST_RETRY_S)
            else:
                return

    def _register(self) -> None:
        add = self._application.add_handler
        add(ChatMemberHandler(self._on_membership, ChatMemberHandler.MY_CHAT_MEMBER))
        add(MessageHandler(filters.StatusUpdate.MIGRATE, self._on_migration))
        for name, act in commands.COMMANDS.items():
            add(MessageHandler(_Command(name), self._on(act)))
        add(MessageHandler(filters.TEXT | filters.CAPTION, self._on(messages.said)))
        add(MessageHandler(filters.ChatType.PRIVATE & ~filters.StatusUpdate.ALL, self._on(messages.not_text)))
        add(TypeHandler(Update, self._on_anything_else))
        self._application.add_error_handler(self._on_error)

    async def _handle(self, raw: Mapping[str, Any]) -> None:
        """One raw update, to its end. Raises StorageUnavailable where it must be tried again."""
        if "callback_query" in raw:
            await self._on_tap(raw)
            return
        try:
            update = Update.de_json(dict(raw), self._bot)
        except Exception:
            log.exception("an update cannot be read", update_id=raw.get("update_id"))
            await self._done(int(raw["update_id"]), error="malformed")
            return
        held: list[StorageUnavailable] = []
        self._held[update.update_id] = held
        try:
            await self._application.process_update(update)
        finally:
            del self._held[update.update_id]
        if held:
            raise held[0]

    def _turn(self, update: Update) -> Turn | None:
        if self._front is None:
            raise LookupError("updates are handled after the start")
        return turn_of(self._front, update)

    def _on(self, act: messages.Act) -> Callable[[Update, CallbackContext[Any, Any, Any, Any]], Any]:
        async def run(update: Update, _: CallbackContext[Any, Any, Any, Any]) -> None:
            turn, message = self._turn(update), update.effective_message
            if turn is None or message is None or update.edited_message is not None:
                await self._done(update.update_id)
                return
            await act(turn, message)

        return run

    async def _on_tap(self, raw: Mapping[str, Any]) -> None:
        """A tap is read by hand: of the card that comes back with it, only the number is needed, and the
        library would make objects of all of it."""
        if self._front is None:
            raise LookupError("updates are handled after the start")
        update_id = int(raw["update_id"])
        try:
            turn, query = read_tap(self._front, raw)
        except (KeyError, TypeError, ValueError, AttributeError):
            log.warning("a tap cannot be read", update_id=update_id)
            await self._done(update_id, error="malformed")
            return
        try:
            await self._tapped(turn, query)
        except AlreadyHandled:
            return
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - told, and marked so
            await self._went_wrong(update_id, error, chat=turn.chat.id)

    async def _tapped(self, turn: Turn, query: Query) -> None:
        button = decode(query.data)
        if isinstance(button, CallButton | RunButton):
            await tap(turn, query, button)
        elif button is not None:
            await pages.tap(turn, query, button)
        else:
            await turn.effect("tap.unknown", lambda records: messages.note_forged(records, turn))
            await answer(turn, query, toasts.unknown_button())

    async def _on_membership(self, update: Update, _: CallbackContext[Any, Any, Any, Any]) -> None:
        turn = self._turn(update)
        if turn is None or update.my_chat_member is None:
            await self._done(update.update_id)
        else:
            await membership.changed(turn, update.my_chat_member)

    async def _on_migration(self, update: Update, _: CallbackContext[Any, Any, Any, Any]) -> None:
        turn, message = self._turn(update), update.effective_message
        if turn is None or message is None:
            await self._done(update.update_id)
        else:
            await membership.migrated(turn, message)

    async def _on_anything_else(self, update: Update, _: CallbackContext[Any, Any, Any, Any]) -> None:
        await self._done(update.update_id)

    async def _on_error(self, update: object, context: CallbackContext[Any, Any, Any, Any]) -> None:
        """An update that could not be handled is marked so and told, never tried for ever."""
        error = context.error
        if not isinstance(update, Update) or isinstance(error, AlreadyHandled):
            return
        if isinstance(error, StorageUnavailable):
            self._held.setdefault(update.update_id, []).append(error)
            return
        chat = update.effective_chat
        try:
            await self._went_wrong(update.update_id, error, chat=None if chat is None else chat.id)
        except StorageUnavailable as unavailable:
            self._held.setdefault(update.update_id, []).append(unavailable)

    async def _went_wrong(self, update_id: int, error: BaseException | None, *, chat: int | None) -> None:
        reference = f"{update_id:x}"[-6:]
        if isinstance(error, CorruptRecord):
            log.error("a record cannot be read", table=error.table, row=error.row_id, column=error.column)
            shown = texts.unreadable(error)
            await self._done(update_id, error="corrupt_record", chat=chat, shown=shown, corrupt=error)
            return
        log.error("an update could not be handled", reference=reference, exc_info=error)
        self._metrics.handler_failed()
        await self._done(update_id, error=type(error).__name__, chat=chat, shown=texts.went_wrong(reference))

    async def _done(
        self,
        update_id: int,
        *,
        error: str | None = None,
        chat: int | None = None,
        shown: Shown | None = None,
        corrupt: CorruptRecord | None = None,
    ) -> None:
        now = self._clock.real()

        def work(records: Records) -> None:
            fresh = records.inbox.done(self._bot.id, update_id, now=now, error=error)
            if corrupt is not None:
                set_aside(records, corrupt, now=self._clock.now())
            if fresh and chat is not None and shown is not None:
                reply(records, self._home, chat, shown, now=self._clock.now())

        await self._uow.run("inbox.done", work)


class _Command(filters.MessageFilter):
    """A command by its name, addressed to nobody or to this bot."""

    def __init__(self, name: str) -> None:
        super().__init__(name=f"/{name}")
        self._pattern = re.compile(rf"/{name}(@(?P<bot>\w+))?(\s|$)", re.IGNORECASE)

    def filter(self, message: Message) -> bool:
        """Whether the message is this command, in the sender's own words."""
        if message.forward_origin is not None:
            return False
        found = self._pattern.match(message.text or message.caption or "")
        if found is None:
            return False
        return found["bot"] is None or found["bot"].lower() == message.get_bot().username.lower()
