"""A server on loopback whose every answer the test makes, and errors looked at in every corner."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from telegram import Bot
from telegram.error import (
    TelegramError,
)

from bot.telegram.request import AiohttpRequest

TOKEN = "123456789:AAcanaryCanaryCanaryCanaryCanary_-1"
SHORT_TOKEN = "42:canary"  # what no pattern finds
MESSAGE = {"message_id": 7, "date": 1, "chat": {"id": 5, "type": "private"}}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """A web server whose every answer the test makes; counts its connections."""

    def __init__(self) -> None:
        self.handler: Handler = ok
        self.url = ""
        self.connections: set[int] = set()
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(id(request.transport))
        self.asked.append(request.path)
        return await self.handler(request)

    @asynccontextmanager
    async def bot(self, request: AiohttpRequest | None = None) -> AsyncIterator[Bot]:
        """A bot that can ask at once (Bot.initialize would ask getMe first)."""
        async with request or AiohttpRequest() as opened:
            yield Bot(TOKEN, base_url=f"{self.url}/bot", request=opened)


async def ok(_request: web.Request) -> web.Response:
    return web.json_response({"ok": True, "result": MESSAGE})


def everything(error: BaseException) -> str:
    """All that could be shown of an error: its text, its chain, its attributes."""
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    for below in (error.__cause__, error.__context__):
        shown += everything(below) if below else ""
    return shown


async def failure(action: Awaitable[object], token: str = TOKEN) -> TelegramError:
    """The error of an action, which must not hold the token in any corner."""
    with pytest.raises(TelegramError) as caught:
        await action
    assert token not in everything(caught.value)
    assert token.split(":")[1] not in everything(caught.value)
    return caught.value


def responding(status: int, body: object) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body if isinstance(body, bytes) else json.dumps(body))

    return handler


def misbehaving(act: Callable[[asyncio.StreamWriter], None]) -> Callable[..., Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        act(writer)
        writer.close()

    return serve


async def raw(act: Callable[[asyncio.StreamWriter], None]) -> tuple[asyncio.Server, str]:
    server = await asyncio.start_server(misbehaving(act), "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/bot{TOKEN}/getMe"
