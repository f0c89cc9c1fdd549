"""What comes back, and which of the library's errors it becomes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from aiohttp import web
from telegram.error import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from bot.telegram.request import AiohttpRequest
from tests.integration.request.stage import (
    MESSAGE,
    SHORT_TOKEN,
    TOKEN,
    Server,
    failure,
    ok,
    responding,
)


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
