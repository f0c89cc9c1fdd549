"""When the server is silent, breaks off, is not there, or is not who it should be."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from telegram import Bot
from telegram.error import (
    NetworkError,
    TimedOut,
)

from bot.telegram.request import AiohttpRequest, NotSent, NotSentInTime
from tests.integration.request.stage import (
    MESSAGE,
    TOKEN,
    Server,
    everything,
    failure,
    ok,
    raw,
)


async def test_a_silent_server_times_out(server: Server) -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return await ok(request)

    server.handler = handler
    async with AiohttpRequest() as request:
        error = await failure(request.post(f"{server.url}/bot{TOKEN}/getMe", read_timeout=0.1))
    assert type(error) is TimedOut
    assert "may have received" in str(error)


async def test_a_server_that_stops_in_the_middle_of_its_answer_times_out(server: Server) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"ok":')
        await asyncio.Event().wait()
        return response

    server.handler = handler
    async with AiohttpRequest(read_timeout=0.1) as request:
        assert type(await failure(request.post(f"{server.url}/bot{TOKEN}/getMe"))) is TimedOut


async def test_timeouts_of_a_request_stand_over_the_default_ones(server: Server) -> None:
    released = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await released.wait()
        return await ok(request)

    server.handler = handler
    async with AiohttpRequest(read_timeout=0.1) as request:
        assert request.read_timeout == 0.1
        url = f"{server.url}/bot{TOKEN}/getMe"
        patient = [asyncio.create_task(request.post(url, read_timeout=longer)) for longer in (5, None)]
        assert type(await failure(request.post(url))) is TimedOut  # which was asked after them
        released.set()
        assert await asyncio.gather(*patient) == [MESSAGE, MESSAGE]


@pytest.mark.parametrize("document", [b"x" * 30_000_000, None])
async def test_a_server_that_does_not_read_an_upload_times_out(document: bytes | None) -> None:
    held: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)  # reads nothing but what its small buffer takes by itself

    stuck = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    address = f"http://127.0.0.1:{stuck.sockets[0].getsockname()[1]}/bot"
    request = AiohttpRequest(media_write_timeout=0.3, write_timeout=0.3, read_timeout=0.3)
    async with request:
        bot = Bot(TOKEN, base_url=address, request=request)
        async with asyncio.timeout(5):
            if document is None:
                assert type(await failure(bot.send_message(5, "x" * 30_000_000))) is TimedOut
            else:
                assert type(await failure(bot.send_document(5, document))) is TimedOut
    for writer in held:
        writer.close()
    stuck.close()


async def test_an_upload_that_is_refused_early_gives_the_refusal() -> None:
    body = b'{"ok":false,"description":"Request Entity Too Large"}'

    def refuse(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 413 Too Large\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)

    server, url = await raw(refuse)
    async with AiohttpRequest(media_write_timeout=1) as request:
        bot = Bot(TOKEN, base_url=url.partition("bot")[0] + "bot", request=request)
        error = await failure(bot.send_document(5, b"x" * 30_000_000))
    server.close()
    assert "Request Entity Too Large" in str(error) or "broke off" in str(error)  # as the race goes


async def test_a_slow_upload_that_moves_is_let_through(server: Server) -> None:
    async def handler(request: web.Request) -> web.Response:
        async for _ in request.content.iter_chunked(2_000_000):
            await asyncio.sleep(0.05)
        return await ok(request)

    server.handler = handler
    async with server.bot(request=AiohttpRequest(media_write_timeout=0.5)) as bot:
        await bot.send_document(5, b"x" * 30_000_000, read_timeout=5)


async def test_nobody_listening_is_an_error_of_which_nothing_was_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with AiohttpRequest() as request:
        error = await failure(request.post(f"http://127.0.0.1:{port}/bot{TOKEN}/getMe"))
    assert isinstance(error, NotSent)
    assert not isinstance(error, TimedOut)
    assert "No connection to 127.0.0.1" in str(error)


async def test_an_unknown_host_is_an_error_of_which_nothing_was_sent() -> None:
    async with AiohttpRequest() as request:
        error = await failure(request.post(f"http://nowhere.invalid/bot{TOKEN}/getMe"))
    assert isinstance(error, NotSent)


async def test_a_full_pool_times_out_and_says_that_nothing_was_sent(server: Server) -> None:
    arrived, released = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        arrived.set()
        await released.wait()
        return await ok(request)

    server.handler = handler
    async with AiohttpRequest(connections=1, pool_timeout=0.1, connect_timeout=0.1) as request:
        url = f"{server.url}/bot{TOKEN}/getMe"
        first = asyncio.create_task(request.post(url))
        await arrived.wait()
        error = await failure(request.post(url))
        released.set()
        assert isinstance(error, NotSentInTime)
        assert isinstance(error, TimedOut)
        assert await first == MESSAGE
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda writer: None, "broke off"),
        (lambda writer: writer.write(b"GARBAGE\r\n\r\n"), "is not HTTP"),
        (lambda writer: writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), "broke off"),
        (
            lambda writer: writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
            ),
            "broke off",
        ),
    ],
    ids=["closed", "garbage", "cut", "reset"],
)
async def test_a_connection_that_breaks_is_a_network_error(
    act: Callable[[asyncio.StreamWriter], None], said: str
) -> None:
    server, url = await raw(act)
    async with AiohttpRequest() as request:
        error = await failure(request.post(url))
    server.close()
    assert type(error) is NetworkError
    assert said in str(error)


@pytest.mark.parametrize(
    "url", [f"no-scheme/bot{TOKEN}/getMe", f"http://[/bot{TOKEN}/getMe", f"http:///bot{TOKEN}"]
)
async def test_an_impossible_address_is_told_without_the_token(url: str) -> None:
    async with AiohttpRequest() as request:
        assert isinstance(await failure(request.post(url)), NetworkError)


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_certificate_that_nobody_signed_is_refused(self_signed: ssl.SSLContext) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=self_signed)
    port = server.sockets[0].getsockname()[1]
    async with AiohttpRequest() as request:
        error = await failure(request.post(f"https://localhost:{port}/bot{TOKEN}/getMe"))
    server.close()
    assert isinstance(error, NotSent)
    assert "certificate of localhost was not accepted" in str(error)


async def test_the_proxy_is_used_and_its_password_not_told(server: Server) -> None:
    async with AiohttpRequest(proxy=server.url) as request:
        assert await request.post(f"http://api.example/bot{TOKEN}/getMe") == MESSAGE
    assert server.asked == [f"/bot{TOKEN}/getMe"]
    async with AiohttpRequest(proxy="http://me:canary@127.0.0.1:1") as request:
        error = await failure(request.post(f"http://api.example/bot{TOKEN}/getMe"))
    assert isinstance(error, NotSent)
    assert "canary" not in everything(error)


async def test_proxy_variables_are_not_looked_at(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with AiohttpRequest() as request:
        assert await request.post(f"{server.url}/bot{TOKEN}/getMe") == MESSAGE
