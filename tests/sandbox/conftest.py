"""A sandbox per test, driven over real HTTP from both sides."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from bot.sandbox import Limits, Rules, RunningSandbox, start_sandbox

TOKEN = "7000:" + "a" * 30
OTHER = "7001:" + "b" * 30
BOT = 7000
GROUP = -1001000000001
MEMBER, APPROVER, ADMIN = 1001, 1002, 1003
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (20).to_bytes(4, "big") + (10).to_bytes(4, "big") + b"rest"

FAST = Rules(same_offset_window=0, burst_window=0, conflict_delay=0.05, tap_wait=5)


class Driver:
    """Both ends of a sandbox: `api` is the bot's, the others are the people's."""

    def __init__(self, sandbox: RunningSandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session

    async def api(self, method: str, token: str = TOKEN, **params: Any) -> dict[str, Any]:
        async with self.session.post(f"{self.sandbox.url}/bot{token}/{method}", json=params) as response:
            body: dict[str, Any] = await response.json()
            assert response.status == (200 if body["ok"] else body["error_code"])
            return body

    async def ok(self, method: str, token: str = TOKEN, **params: Any) -> Any:
        body = await self.api(method, token, **params)
        assert body["ok"], body
        return body["result"]

    async def refused(self, method: str, token: str = TOKEN, **params: Any) -> str:
        body = await self.api(method, token, **params)
        assert not body["ok"], body
        return str(body["description"])

    async def updates(self, token: str = TOKEN, **params: Any) -> list[dict[str, Any]]:
        """Fetch and confirm what waits for a bot."""
        found: list[dict[str, Any]] = await self.ok("getUpdates", token, **params)
        if found:
            await self.ok("getUpdates", token, offset=found[-1]["update_id"] + 1, limit=1)
        return found

    async def post(self, path: str, status: int = 200, /, **body: Any) -> Any:
        async with self.session.post(f"{self.sandbox.url}/sandbox/{path}", json=body) as response:
            answer = await response.json()
            assert response.status == status, answer
            return answer

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.session.get(f"{self.sandbox.url}/sandbox/{path}") as response:
            answer = await response.json()
            assert response.status == status, answer
            return answer

    async def say(self, who: str, text: str, chat: str | int | None = None, **more: Any) -> dict[str, Any]:
        body = {"from": who, "chat": who if chat is None else chat, "text": text, **more}
        answer: dict[str, Any] = await self.post("messages", **body)
        return answer

    async def open(self, *tokens: str) -> None:
        """Let the member open the bots, so that they may write."""
        for token in tokens or (TOKEN,):
            await self.ok("getMe", token)
            await self.say("member", "/start", bot=int(token.split(":")[0]))
            await self.updates(token)

    async def messages(self, chat: str | int = "member", query: str = "") -> list[dict[str, Any]]:
        answer = await self.get(f"chats/{chat}/messages{query}")
        found: list[dict[str, Any]] = answer["messages"]
        return found


Make = Callable[..., Awaitable[Driver]]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Start sandboxes that are stopped after the test."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )

        async def start(**settings: Any) -> Driver:
            settings = {"rules": FAST, "limits": Limits.off(), **settings}
            sandbox = await start_sandbox(**settings)
            stack.push_async_callback(sandbox.stop)
            return Driver(sandbox, session)

        yield start


@pytest.fixture
async def sb(make: Make) -> Driver:
    """Return a sandbox without limits."""
    return await make()


@pytest.fixture
async def chat(sb: Driver) -> Driver:
    """Return a sandbox in which the member has opened the bot, with nothing waiting."""
    await sb.open()
    return sb


async def held(sb: Driver, other_than: object = None) -> object:
    """Wait until a long poll of the bot waits, one that is not `other_than`."""

    async def waits() -> object | None:
        poll = sb.sandbox.world.updates.held(BOT)
        return None if poll is other_than else poll

    return await eventually(waits)


async def eventually(check: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until a check is true, for what cannot be awaited from outside."""
    async with asyncio.timeout(10):
        while not (found := await check()):  # noqa: ASYNC110 - HTTP has no event to wait for
            await asyncio.sleep(0.01)
        return found
