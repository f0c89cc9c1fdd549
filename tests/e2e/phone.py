"""Driving the product as people do: through the sandbox's HTTP interface, waiting for what they would see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bot.bootstrap import Countersign, build
from bot.clock import SystemClock
from bot.config import load
from bot.run import DEMO_TOKEN, _people_the_demo
from bot.sandbox.clock import Clock
from bot.sandbox.limits import Limits
from bot.sandbox.rules import Rules
from bot.sandbox.server import RunningSandbox, start_sandbox
from bot.telegram.pace import Pace
from core.tool import Tool
from tests.kit.databases import with_schema
from tools.print_label import print_label

Seen = dict[str, Any]
PATIENCE_S = 15.0


class Phones:
    """The three people's phones. Waits on the sandbox's event stream, never on time."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def post(self, path: str, **body: Any) -> Seen:
        """One request of the control interface; an error of it fails the test."""
        async with self._session.post(f"{self.url}/sandbox/{path}", json=body) as answer:
            read: Seen = await answer.json()
            assert answer.status == 200, read
            return read

    async def get(self, path: str) -> Seen:
        """One read of the control interface."""
        async with self._session.get(f"{self.url}/sandbox/{path}") as answer:
            read: Seen = await answer.json()
            assert answer.status == 200, read
            return read

    async def say(self, person: str, text: str, *, chat: str | int | None = None, **more: Any) -> Seen:
        """Says something as a person, in their private chat unless told otherwise."""
        answer = await self.post("messages", **{"from": person, "chat": chat or person, "text": text, **more})
        message: Seen = answer.get("message", answer)
        return message

    async def tap(
        self, person: str, message: Seen, text: str = "", *, chat: str | int | None = None, data: str = ""
    ) -> Seen:
        """Taps a button and gives the bot's answer."""
        what = {"data": data} if data else {"text": text}
        return await self.post(
            "taps", **{"from": person, "chat": chat or person, "message_id": message["message_id"], **what}
        )

    async def messages(self, chat: str | int, *, after: int = 0) -> list[Seen]:
        """What the chat shows."""
        answer = await self.get(f"chats/{chat}/messages?after={after}&limit=300")
        return [message for message in answer["messages"] if not message.get("deleted")]

    async def see(
        self, chat: str | int, wanted: str | Callable[[Seen], bool], *, after: int = 0, times: int = 1
    ) -> Seen:
        """The newest message of the chat whose text contains `wanted` (or for which it is true), as soon as
        there are `times` of them."""

        def fits(message: Seen) -> bool:
            if callable(wanted):
                return wanted(message)
            return wanted in message["text"] and message["from"]["is_bot"]

        async def look() -> Seen | None:
            found = [message for message in await self.messages(chat, after=after) if fits(message)]
            return found[-1] if len(found) >= times else None

        try:
            async with asyncio.timeout(PATIENCE_S), self.changes() as changes:
                while (found := await look()) is None:
                    await anext(changes)
                return found
        except TimeoutError:
            shown = "\n---\n".join(message["text"] for message in await self.messages(chat))
            raise AssertionError(f"{chat} never showed {wanted!r}; it shows:\n{shown}") from None

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[Seen]]:
        """The event stream, open before the first look."""
        async with self._session.get(
            f"{self.url}/sandbox/events", timeout=aiohttp.ClientTimeout(total=None)
        ) as stream:

            async def read() -> AsyncIterator[Seen]:
                async for line in stream.content:
                    if line.startswith(b"data:"):
                        yield json.loads(line[5:])

            yield read()


def labels(message: Seen) -> list[str]:
    """The labels of a message's buttons."""
    return [button["text"] for row in message["buttons"] for button in row]


@asynccontextmanager
async def product_at(
    sandbox: RunningSandbox,
    data: Path,
    *,
    config: Path | None = None,
    people: bool = True,
    extra: Sequence[Tool] = (),
) -> AsyncIterator[Countersign]:
    """The real product over a running sandbox, in this process."""
    environ = {
        "COUNTERSIGN_TELEGRAM__TOKEN": DEMO_TOKEN,
        "COUNTERSIGN_TELEGRAM__API_BASE_URL": sandbox.url,
    }
    settings = load(config, environ=environ, data=data)
    if isinstance(settings.storage.database, Path):
        with_schema(settings.storage.database)
    product = build(
        settings,
        clock=SystemClock(sandbox.clock.now),
        extra=[print_label(data / "labels.jsonl", step_s=0.05), *extra],
        pace=Pace(off=True),
    )
    await product.start()
    try:
        if people:
            await _people_the_demo(product, sandbox)
        ready, running = asyncio.ensure_future(product.telegram.ready()), asyncio.ensure_future(product.run())
        await asyncio.wait({ready, running}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        assert ready.done(), "the bot never became ready"
        yield product
        assert not running.done(), running
    finally:
        running.cancel()
        await product.stop()


@asynccontextmanager
async def running_demo(
    data: Path,
    *,
    config: Path | None = None,
    people: bool = True,
    extra: Sequence[Tool] = (),
    clock: Clock | None = None,
) -> AsyncIterator[tuple[Phones, Countersign]]:
    """Sandbox and product in this process, limits off, with its three people having opened the bot."""
    sandbox = await start_sandbox(
        data=data, clock=clock, limits=Limits.off(), rules=Rules(same_offset_window=0, burst_window=0)
    )
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            phones = Phones(sandbox.url, session)
            async with product_at(sandbox, data, config=config, people=people, extra=extra) as product:
                for person in ("member", "approver", "admin") if people else ():
                    await phones.say(person, "/start")
                    await phones.see(person, lambda message: message["from"]["is_bot"])
                yield phones, product
    finally:
        await sandbox.stop()
