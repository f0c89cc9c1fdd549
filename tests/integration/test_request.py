"""python-telegram-bot over our request layer, against real HTTP on loopback."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import random
import socket
import ssl
import subprocess
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from telegram import Bot, InputFile, InputMediaDocument
from telegram.error import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.request import RequestData
from telegram.request._requestparameter import RequestParameter

from bot.sandbox import Limits, RunningSandbox, start_sandbox
from bot.telegram.request import AiohttpRequest, NotSent, NotSentInTime

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


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application(client_max_size=100_000_000)
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def request_() -> AsyncIterator[AiohttpRequest]:
    async with AiohttpRequest(read_timeout=5.0) as made:
        yield made


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


# --- what is sent -----------------------------------------------------------------------------------------


async def test_parameters_arrive_as_they_were_given(server: Server) -> None:
    seen: dict[str, str] = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update({name: str(value) for name, value in (await request.post()).items()})
        return await ok(request)

    server.handler = handler
    text = "a & b = c + d % ü 🎉 \u202e <b>&amp;\n"
    async with server.bot() as bot:
        await bot.send_message(5, text, reply_to_message_id=3, disable_notification=True)
    assert seen["text"] == text
    assert seen["chat_id"] == "5"
    assert seen["disable_notification"] == "true"
    assert json.loads(seen["reply_parameters"])["message_id"] == 3
    assert server.asked[-1] == f"/bot{TOKEN}/sendMessage"


class Pipe(io.BytesIO):
    """A file that cannot go back."""

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("kind", ["bytes", "file read now", "file read while sending", "pipe"])
@pytest.mark.parametrize("size", [1, 65_536, 65_537, 3_000_001])
async def test_an_upload_arrives_byte_for_byte(server: Server, tmp_path: Path, kind: str, size: int) -> None:
    content = random.Random(size).randbytes(size)
    file = tmp_path / "upload.bin"
    file.write_bytes(content)
    got: dict[str, object] = {}

    async def handler(request: web.Request) -> web.Response:
        assert request.content_length is not None
        async for part in await request.multipart():
            assert not isinstance(part, type(None))
            got[str(part.name)] = (part.filename, part.headers.get("Content-Type"), await part.read())  # type: ignore[union-attr]
        return await ok(request)

    server.handler = handler
    name = 'grüße "1"\r\n.txt'
    async with server.bot() as bot:
        with file.open("rb") as handle:
            document: InputFile = {
                "bytes": lambda: InputFile(content, filename=name),
                "file read now": lambda: InputFile(handle, filename=name),
                "file read while sending": lambda: InputFile(handle, filename=name, read_file_handle=False),
                "pipe": lambda: InputFile(Pipe(content), filename=name, read_file_handle=False),
            }[kind]()
            await bot.send_document(5, document, caption="ein 🎁 & mehr")
    assert got["document"] == ("grüße %221%22%0D%0A.txt", "text/plain", bytearray(content))
    assert got["caption"] == (None, None, bytearray("ein 🎁 & mehr".encode()))
    assert got["chat_id"] == (None, None, b"5")


async def test_a_group_of_files_arrives_whole(server: Server) -> None:
    got: dict[str, bytes] = {}

    async def handler(request: web.Request) -> web.Response:
        for name, value in (await request.post()).items():
            got[name] = value.encode() if isinstance(value, str) else value.file.read()  # type: ignore[union-attr]
        return web.json_response({"ok": True, "result": [MESSAGE]})

    server.handler = handler
    async with server.bot() as bot:
        await bot.send_media_group(5, [InputMediaDocument(b"one"), InputMediaDocument(b"two")])
    attached = [item["media"].removeprefix("attach://") for item in json.loads(got["media"])]
    assert [got[name] for name in attached] == [b"one", b"two"]


async def test_a_file_read_twice_is_sent_from_its_beginning(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"abc")
    got: list[bytes] = []

    async def handler(request: web.Request) -> web.Response:
        got.append((await request.post())["document"].file.read())  # type: ignore[union-attr]
        return await ok(request)

    server.handler = handler
    async with server.bot() as bot:
        with file.open("rb") as handle:
            upload = InputFile(handle, read_file_handle=False)
            await bot.send_document(5, upload)
            await bot.send_document(5, upload)
    assert got == [b"abc", b"abc"]


async def test_a_big_file_comes_down_byte_for_byte(server: Server) -> None:
    content = random.Random(1).randbytes(20_000_000)
    server.handler = responding(200, content)
    async with AiohttpRequest() as request:
        assert await request.retrieve(f"{server.url}/file/bot{TOKEN}/documents/file_1.bin") == content


async def test_text_without_a_utf8_form_is_a_bad_request_and_not_tried(server: Server) -> None:
    async with server.bot() as bot:
        error = await failure(bot.send_message(5, "half a pair \ud83d"))
    assert type(error) is BadRequest
    assert "sendMessage" not in "".join(server.asked)


# --- what comes back --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (400, {"ok": False, "description": "Bad Request: chat not found"}, BadRequest, "Chat not found"),
        (401, {"ok": False, "description": "Unauthorized"}, InvalidToken, "Unauthorized"),
        (
            403,
            {"ok": False, "description": "Forbidden: bot was blocked by the user"},
            Forbidden,
            "bot was blocked",
        ),
        (404, {"ok": False, "description": "Not Found"}, InvalidToken, "Not Found"),
        (409, {"ok": False, "description": "Conflict: terminated by other getUpdates"}, Conflict, "Conflict"),
        (500, {"ok": False, "description": "Internal Server Error"}, NetworkError, "Internal Server Error"),
        (502, b"<html>Bad Gateway</html>", NetworkError, "Bad Gateway (502)"),
        (302, b"", NetworkError, "Found (302)"),
        (200, b"<html>a captive portal</html>", NetworkError, "Invalid server response"),
        (200, b"", NetworkError, "Invalid server response"),
        (200, b"[1]", NetworkError, "Invalid server response"),
        (200, b'{"ok":true}', NetworkError, "Invalid server response"),
        (200, b"\xff\xfe\x00", NetworkError, "Invalid server response"),
        (200, b"[" * 100_000, NetworkError, "Invalid server response"),
        (200, {"ok": False, "description": "no success at all"}, NetworkError, "no success at all"),
    ],
)
async def test_refusals_and_garbage_become_errors(
    server: Server, status: int, body: object, kind: type[TelegramError], said: str
) -> None:
    server.handler = responding(status, body)
    async with AiohttpRequest() as request:
        error = await failure(request.post(f"{server.url}/bot{TOKEN}/sendMessage"))
    assert type(error) is kind
    assert said in str(error)


async def test_flood_control_says_how_long(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    server.handler = responding(
        429, {"ok": False, "description": "Too Many Requests", "parameters": {"retry_after": 17}}
    )
    async with AiohttpRequest() as request:
        error = await failure(request.post(f"{server.url}/bot{TOKEN}/sendMessage"))
    assert isinstance(error, RetryAfter)
    assert error.retry_after == timedelta(seconds=17)


@pytest.mark.parametrize("token", [TOKEN, SHORT_TOKEN])
async def test_an_error_page_that_repeats_the_url_does_not_give_the_token_away(
    server: Server, token: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=404, text=f"<h1>{request.path} was not found here</h1>")

    server.handler = handler
    async with AiohttpRequest() as request:
        error = await failure(request.post(f"{server.url}/bot{token}/getMe"), token)
    assert "was not found here" in str(error)


async def test_a_redirect_is_not_followed(server: Server) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"{server.url}/elsewhere")

    server.handler = handler
    async with AiohttpRequest() as request:
        status, _ = await request.do_request(f"{server.url}/bot{TOKEN}/getMe", "POST")
    assert status == 302
    assert len(server.asked) == 1


async def test_cookies_are_not_kept(server: Server, request_: AiohttpRequest) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert "Cookie" not in request.headers
        assert request.headers["User-Agent"].startswith("python-telegram-bot")
        response = await ok(request)
        response.set_cookie("tracked", "yes")
        return response

    server.handler = handler
    for _ in range(2):
        assert await request_.post(f"{server.url}/bot{TOKEN}/getMe") == MESSAGE


# --- when it goes wrong -----------------------------------------------------------------------------------


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
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return await ok(request)

    server.handler = handler
    async with AiohttpRequest(read_timeout=0.1) as request:
        assert request.read_timeout == 0.1
        url = f"{server.url}/bot{TOKEN}/getMe"
        assert await request.post(url, read_timeout=5) == MESSAGE
        assert await request.post(url, read_timeout=None) == MESSAGE
        assert type(await failure(request.post(url))) is TimedOut


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
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return await ok(request)

    server.handler = handler
    async with AiohttpRequest(connections=1, pool_timeout=0.1, connect_timeout=0.1) as request:
        url = f"{server.url}/bot{TOKEN}/getMe"
        first = asyncio.create_task(request.post(url))
        await asyncio.sleep(0.05)
        error = await failure(request.post(url))
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


# --- many, cancelled, closed ------------------------------------------------------------------------------


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
    async def handler(request: web.Request) -> web.Response:
        if "slow" in request.path:
            await asyncio.Event().wait()
        return await ok(request)

    server.handler = handler
    async with AiohttpRequest(connections=1, pool_timeout=2) as request:
        for _ in range(5):
            slow = asyncio.create_task(request.post(f"{server.url}/bot{TOKEN}/slow"))
            await asyncio.sleep(0.02)
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


# --- the sandbox ------------------------------------------------------------------------------------------


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
