"""python-telegram-bot over our request layer, against the sandbox and its faults."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from telegram import Bot, InputFile
from telegram.error import (
    Conflict,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bot.sandbox import Limits, RunningSandbox, start_sandbox
from bot.telegram.request import AiohttpRequest
from tests.integration.request.stage import (
    TOKEN,
    failure,
)


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    running = await start_sandbox(limits=Limits.off())
    yield running
    await running.stop()


@asynccontextmanager
async def bot_in(sandbox: RunningSandbox) -> AsyncIterator[Bot]:
    """A bot that the member has opened."""
    ours, polling = AiohttpRequest(), AiohttpRequest()
    api, files = f"{sandbox.url}/bot", f"{sandbox.url}/file/bot"
    async with Bot(
        TOKEN, base_url=api, base_file_url=files, request=ours, get_updates_request=polling
    ) as bot:
        await say(sandbox, bot.id)
        yield bot


async def say(sandbox: RunningSandbox, bot: int) -> None:
    async with aiohttp.ClientSession() as people:
        body = {"from": "member", "chat": "member", "text": "/start", "bot": bot}
        async with people.post(f"{sandbox.url}/sandbox/messages", json=body) as answer:
            assert answer.status == 200


async def fault(sandbox: RunningSandbox, **what: object) -> None:
    async with (
        aiohttp.ClientSession() as people,
        people.post(f"{sandbox.url}/sandbox/faults", json=what) as answer,
    ):
        assert answer.status == 200


async def test_a_file_goes_to_the_sandbox_and_comes_back(sandbox: RunningSandbox) -> None:
    content = random.Random(3).randbytes(1_000_003)
    async with bot_in(sandbox) as bot:
        updates = await bot.get_updates(timeout=5, allowed_updates=[])
        assert updates[-1].message is not None
        chat = updates[-1].message.chat.id
        sent = await bot.send_document(chat, InputFile(content, filename="grüße.bin"), caption="🎁")
        assert sent.document is not None
        assert (sent.document.file_name, sent.document.file_size) == ("grüße.bin", len(content))
        file = await bot.get_file(sent.document.file_id)
        assert bytes(await file.download_as_bytearray()) == content


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ({"status": 429, "retry_after": 3}, RetryAfter),
        ({"status": 409, "description": "Conflict: terminated by other getUpdates request"}, Conflict),
        ({"status": 502}, NetworkError),
        ({"drop": True}, NetworkError),
        ({"delay": 2}, TimedOut),
    ],
)
async def test_the_sandboxes_faults_are_the_errors_that_they_should_be(
    sandbox: RunningSandbox,
    what: dict[str, object],
    kind: type[TelegramError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    async with bot_in(sandbox) as bot:
        await fault(sandbox, method="sendMessage", times=1, **what)
        assert type(await failure(bot.send_message(1001, "hello", read_timeout=0.3))) is kind
        assert (await bot.send_message(1001, "again")).text == "again"
