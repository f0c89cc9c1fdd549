"""python-telegram-bot, as it is, against the sandbox."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeChat,
    CopyTextButton,
    ForceReply,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    ReplyParameters,
    Update,
)
from telegram.constants import ChatAction, ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
)
from telegram.ext import (
    Application,
    ApplicationBuilder,
    CallbackQueryHandler,
    ChatMemberHandler,
    CommandHandler,
    ContextTypes,
    MessageHandler,
    MessageReactionHandler,
    filters,
)
from telegram.request import HTTPXRequest

from tests.sandbox.conftest import ADMIN, GROUP, MEMBER, PNG, TOKEN, Driver, eventually

App = Application[Any, Any, Any, Any, Any, Any]
Context = ContextTypes.DEFAULT_TYPE
Build = Callable[..., Awaitable[App]]


@pytest.fixture
async def build(sb: Driver) -> AsyncIterator[Build]:
    """Start Applications that poll the sandbox."""
    async with AsyncExitStack() as stack:

        async def start(*handlers: Any, poll: bool = True, token: str = TOKEN) -> App:
            url = sb.sandbox.url
            app: App = (
                ApplicationBuilder()
                .token(token)
                .base_url(f"{url}/bot")
                .base_file_url(f"{url}/file/bot")
                .build()
            )
            app.add_handlers(list(handlers))
            await stack.enter_async_context(_running(app, poll=poll))
            return app

        yield start


@asynccontextmanager
async def _running(app: App, *, poll: bool) -> AsyncIterator[None]:
    async with app:
        await app.start()
        if poll:
            assert app.updater is not None
            await app.updater.start_polling(allowed_updates=Update.ALL_TYPES, poll_interval=0)
        yield
        if poll:
            assert app.updater is not None
            await app.updater.stop()
        await app.stop()


async def newest(sb: Driver, count: int, chat: str = "member") -> dict[str, Any]:
    async def enough() -> list[dict[str, Any]] | None:
        found = await sb.messages(chat)
        return found if len(found) >= count else None

    found: list[dict[str, Any]] = await eventually(enough)
    return found[-1]


async def test_a_conversation(sb: Driver, build: Build) -> None:
    async def start(update: Update, _: Context) -> None:
        assert update.message is not None
        keyboard = InlineKeyboardMarkup(
            [
                [
                    InlineKeyboardButton("✅ Approve", callback_data="ok", style="success"),
                    InlineKeyboardButton("Copy", copy_text=CopyTextButton("id")),
                ]
            ]
        )
        await update.message.reply_text(
            "<b>Card</b> <blockquote expandable>all\nof it</blockquote> "
            '<tg-time unix="1795250000" format="t">14:13</tg-time>',
            parse_mode=ParseMode.HTML,
            reply_markup=keyboard,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
            do_quote=True,
        )

    async def tapped(update: Update, _: Context) -> None:
        query = update.callback_query
        assert query is not None
        await query.answer("Signed", show_alert=True)
        await query.edit_message_text(f"done: {query.data}")

    await build(CommandHandler("start", start), CallbackQueryHandler(tapped))
    await sb.say("member", "/start")
    card = await newest(sb, 2)
    assert card["html"] == (
        "<b>Card</b> <blockquote expandable>all\nof it</blockquote> "
        '<tg-time unix="1795250000" format="t">14:13</tg-time>'
    )
    assert card["reply_to"] == 1
    where = {"from": "member", "chat": "member", "message_id": card["message_id"]}
    assert await sb.post("taps", **where, text="approve") == {
        "answered": True,
        "alert": True,
        "text": "Signed",
    }

    async def edited() -> bool:
        return bool((await sb.messages())[-1]["text"] == "done: ok")

    await eventually(edited)
    assert (await sb.messages())[-1]["buttons"] == []


async def test_files_both_ways(sb: Driver, build: Build) -> None:
    async def document(update: Update, _: Context) -> None:
        message = update.message
        assert message is not None
        assert message.document is not None
        file = await message.document.get_file()
        content = bytes(await file.download_as_bytearray())
        await message.reply_document(content.upper(), filename="b.txt", caption="upper")

    async def photo(update: Update, _: Context) -> None:
        message = update.message
        assert message is not None
        await message.reply_photo(PNG, caption=f"{message.photo[-1].width} wide")

    await build(MessageHandler(filters.Document.ALL, document), MessageHandler(filters.PHOTO, photo))
    await sb.say("member", "", file={"name": "a.txt", "text": "hello"})
    seen = await newest(sb, 2)
    assert (seen["document"]["name"], seen["text"]) == ("b.txt", "upper")
    async with sb.session.get(sb.sandbox.url + seen["document"]["url"]) as response:
        assert await response.read() == b"HELLO"
    await sb.say("member", "", file={"name": "a.gif", "content_base64": "R0lGODlhFAAKAA=="})
    assert (await newest(sb, 4))["text"] == "20 wide"


async def test_every_kind_of_update(sb: Driver, build: Build) -> None:
    seen: list[str] = []

    def note(kind: str) -> Callable[[Update, Context], Coroutine[Any, Any, None]]:
        async def handler(update: Update, _: Context) -> None:
            assert update.effective_chat is not None
            seen.append(kind)

        return handler

    await build(
        MessageHandler(filters.UpdateType.EDITED_MESSAGE, note("edited")),
        MessageHandler(filters.StatusUpdate.MIGRATE, note("migrate")),
        MessageHandler(filters.StatusUpdate.LEFT_CHAT_MEMBER, note("left")),
        MessageHandler(filters.FORWARDED, note("forwarded")),
        MessageHandler(filters.REPLY, note("reply")),
        MessageHandler(filters.TEXT, note("text")),
        ChatMemberHandler(note("my member"), ChatMemberHandler.MY_CHAT_MEMBER),
        ChatMemberHandler(note("member"), ChatMemberHandler.CHAT_MEMBER),
        MessageReactionHandler(note("reaction")),
    )

    async def until(*expected: str) -> None:
        async def there() -> bool:
            return len(seen) >= len(expected)

        await eventually(there)
        assert sorted(seen) == sorted(expected)
        seen.clear()

    said = await sb.say("member", "hello")
    where = {"from": "member", "chat": "member", "message_id": said["message_id"]}
    await until("text")
    await sb.post("edits", **where, text="bye")
    await until("edited")
    await sb.post("reactions", **where, emoji="👍")
    await until("reaction")
    await sb.say("member", "", forward_of=said["message_id"])
    await until("forwarded")
    await sb.say("member", "yes", reply_to=said["message_id"])
    await until("reply")
    await sb.post("people", key="member", action="block")
    await until("my member")
    await sb.post("members", action="remove", key="approver")
    await until("member", "left")
    await sb.post("members", action="migrate")
    await until("migrate", "migrate")


async def test_errors_as_the_library_knows_them(
    sb: Driver, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    app = await build(poll=False)
    bot = app.bot
    with pytest.raises(Forbidden, match="initiate"):
        await bot.send_message(MEMBER, "x")
    await sb.say("member", "/start")
    sent = await bot.send_message(MEMBER, "x")
    with pytest.raises(BadRequest, match="not modified"):
        await sent.edit_text("x")
    with pytest.raises(BadRequest, match="Button_data_invalid"):
        await bot.send_message(
            MEMBER,
            "x",
            reply_markup=InlineKeyboardMarkup.from_button(InlineKeyboardButton("x", callback_data="x" * 65)),
        )
    with pytest.raises(BadRequest, match="Chat not found"):
        await bot.send_message(-5, "x")
    with pytest.raises(BadRequest, match="Message to be replied not found"):
        await bot.send_message(MEMBER, "x", reply_parameters=ReplyParameters(999))
    with pytest.raises(BadRequest, match="Query is too old"):
        await bot.answer_callback_query("5")
    await sb.post("people", key="member", action="block")
    with pytest.raises(Forbidden, match="blocked"):
        await bot.send_message(MEMBER, "x")
    await sb.post("faults", status=502)
    with pytest.raises(NetworkError, match="Bad Gateway"):
        await bot.get_me()
    await sb.post("faults", drop=True)
    with pytest.raises(NetworkError):
        await bot.get_me()
    await sb.post("faults", retry_after=30)
    with pytest.raises(RetryAfter):
        await bot.get_me()
    new = (await sb.post("members", action="migrate"))["id"]
    with pytest.raises(ChatMigrated) as raised:
        await bot.send_message(GROUP, "x")
    assert raised.value.new_chat_id == new
    await bot.delete_webhook(drop_pending_updates=True)
    bots = [bot, (await build(poll=False)).bot]
    polls = [asyncio.create_task(one.get_updates(timeout=20)) for one in bots]
    done, waiting = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
    assert isinstance(done.pop().exception(), Conflict)
    await sb.say("admin", "x")
    assert len(await waiting.pop()) == 1


async def test_a_wrong_token(sb: Driver) -> None:
    async with HTTPXRequest() as request:
        bot = Bot("1:short", base_url=f"{sb.sandbox.url}/bot", request=request)
        with pytest.raises(InvalidToken):
            await bot.get_me()


async def test_what_the_library_reads(sb: Driver, build: Build) -> None:
    app = await build(poll=False)
    bot = app.bot
    await sb.say("member", "/start")
    assert bot.username == "countersign_bot"
    chat = await bot.get_chat(GROUP)
    assert (chat.is_forum, chat.title) == (True, "Team")
    assert (await bot.get_chat(MEMBER)).first_name == "Mia"
    [owner] = await bot.get_chat_administrators(GROUP)
    assert (owner.status, owner.user.id) == ("creator", ADMIN)
    assert (await bot.get_chat_member(GROUP, MEMBER)).status == "member"
    await sb.post("members", action="remove", key="member")
    assert (await bot.get_chat_member(GROUP, MEMBER)).status == "kicked"
    scope = BotCommandScopeChat(MEMBER)
    await bot.set_my_commands([("start", "Start")], scope=scope)
    assert await bot.get_my_commands(scope=scope) == (BotCommand("start", "Start"),)
    await bot.delete_my_commands(scope=scope)
    await bot.send_chat_action(MEMBER, ChatAction.TYPING)
    sent = await bot.send_message(MEMBER, "amount?", reply_markup=ForceReply(input_field_placeholder="42.50"))
    await bot.set_message_reaction(MEMBER, sent.message_id, "👀")
    await sent.delete()
    info = await bot.get_webhook_info()
    assert (info.url, info.pending_update_count) == ("", 2)


async def test_100_callback_queries_through_the_library(sb: Driver, build: Build) -> None:
    async def tapped(update: Update, _: Context) -> None:
        assert update.callback_query is not None
        await update.callback_query.answer(update.callback_query.data)

    app = await build(CallbackQueryHandler(tapped))
    await sb.say("member", "/start")
    keyboard = InlineKeyboardMarkup.from_button(InlineKeyboardButton("x", callback_data="x"))
    sent = await app.bot.send_message(MEMBER, "x", reply_markup=keyboard)
    where = {"from": "member", "chat": "member", "message_id": sent.message_id}
    answers = await asyncio.gather(*(sb.post("taps", **where, data=f"n{number}") for number in range(100)))
    assert [one["text"] for one in answers] == [f"n{number}" for number in range(100)]
