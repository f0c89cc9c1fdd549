"""Many at once, cancelled, closed; and what the log of a bad day holds."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiohttp import web
from telegram.request import RequestData
from telegram.request._requestparameter import RequestParameter

from bot.telegram.request import AiohttpRequest
from tests.integration.request.stage import (
    MESSAGE,
    TOKEN,
    Handler,
    Server,
    failure,
    ok,
    responding,
)


async def test_a_hundred_at_once_and_their_connections_are_used_again(server: Server) -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0.01)
        return web.json_response({"ok": True, "result": int(str((await request.post())["n"]))})

    server.handler = handler
    async with AiohttpRequest(connections=20) as request:

        async def ask(number: int) -> object:
            data = RequestData([RequestParameter("n", number, None)])
            return await request.post(f"{server.url}/bot{TOKEN}/getMe", data, pool_timeout=30)

        assert await asyncio.gather(*map(ask, range(100))) == list(range(100))
    assert len(server.connections) <= 20


async def test_one_connection_serves_one_after_the_other(server: Server, request_: AiohttpRequest) -> None:
    for _ in range(10):
        await request_.post(f"{server.url}/bot{TOKEN}/getMe")
    assert len(server.connections) == 1


async def test_a_cancelled_request_frees_its_connection(server: Server) -> None:
    arrived = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        if "slow" in request.path:
            arrived.set()
            await asyncio.Event().wait()
        return await ok(request)

    server.handler = handler
    async with AiohttpRequest(connections=1, pool_timeout=2) as request:
        for _ in range(5):
            slow = asyncio.create_task(request.post(f"{server.url}/bot{TOKEN}/slow"))
            await arrived.wait()
            arrived.clear()
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
        assert await request.post(f"{server.url}/bot{TOKEN}/getMe") == MESSAGE


async def test_it_must_be_opened_and_can_be_opened_again(server: Server) -> None:
    request = AiohttpRequest()
    url = f"{server.url}/bot{TOKEN}/getMe"
    await request.shutdown()
    with pytest.raises(RuntimeError, match="not initialized"):
        await request.do_request(url, "POST")
    for _ in range(2):
        await request.initialize()
        await request.initialize()
        assert await request.post(url) == MESSAGE
        await request.shutdown()
        await request.shutdown()
    assert len(server.connections) == 2


async def test_the_token_is_in_no_log_line_of_a_bad_day(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    answers: list[Handler] = [responding(500, b"oops"), responding(200, f"<p>{TOKEN}".encode()), ok]
    async with AiohttpRequest(read_timeout=0.2) as request:
        for handler in answers[:2]:
            server.handler = handler
            await failure(request.post(f"{server.url}/bot{TOKEN}/getMe"))
        await failure(request.post(f"http://127.0.0.1:1/bot{TOKEN}/getMe"))
    shown = "\n".join(
        f"{record.getMessage()} {record.args}" for record in caplog.records if record.name != "aiohttp.access"
    )
    assert TOKEN not in shown
