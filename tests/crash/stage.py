"""The stage that victims live and die on: a sandbox in this process, which outlives them, and phones."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bot.sandbox.limits import Limits
from bot.sandbox.rules import Rules
from bot.sandbox.server import RunningSandbox, start_sandbox
from tests.crash import victim
from tests.crash.checks import Seen as SeenData
from tests.crash.life import PATIENCE_S, Life
from tests.e2e.phone import Phones, Seen
from tests.kit.databases import Kind, Place, new_place

PEOPLE = ("member", "approver", "admin")


class LongPhones(Phones):
    """Phones of a long run: they show the end of a chat, however much was said before."""

    async def messages(self, chat: str | int, *, after: int = 0, newest: int = 200) -> list[Seen]:
        """The newest messages of the chat."""
        answer = await self.get(f"chats/{chat}/messages?limit={newest}")
        return [message for message in answer["messages"] if not message.get("deleted")]


class Stage:
    """Sandbox, people, a data folder, and whoever lives on it at the moment."""

    def __init__(self, sandbox: RunningSandbox, phones: LongPhones, data: Path, place: Place) -> None:
        self.sandbox = sandbox
        self.phones = phones
        self.seen = SeenData(data, place)
        self.data = data
        self.life: Life | None = None
        self.asked: dict[tuple[int, int], int] = {}
        self.lives = 0
        self._ahead = 0.0
        self._number = 0
        self._taps: set[asyncio.Task[Seen]] = set()

    def fresh(self) -> str:
        """A word that no message had before."""
        self._number += 1
        return f"no{self._number}x"

    async def up(self, **orders: Any) -> Life:
        """A life that nothing threatens: the running one, or a new one that has taken up what the last one
        left, which is then checked."""
        if self.life is None:
            await self.begins(**orders)
            await self.settled()
        assert self.life is not None
        return self.life

    async def begins(self, **orders: Any) -> Life:
        """A new life that takes updates, whatever the last one left."""
        self.life = self._begin(**orders)
        await self.life.ready()
        return self.life

    def _begin(self, **orders: Any) -> Life:
        self.lives += 1
        return Life.begin(
            victim.Orders(
                data=self.data,
                database=self.seen.place.address,
                url=self.sandbox.url,
                ahead=self._ahead,
                **orders,
            )
        )

    async def dies_at_start(self, name: str, **orders: Any) -> None:
        """A new life that ends at this boundary while it starts."""
        await self.down()
        self.life = self._begin(kill_at=name, **orders)
        await self.life.death()
        self.life = None

    async def dies_at(self, name: str, trigger: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Has the running life end at this boundary, by what people do."""
        life = await self.up()
        await life.told("arm", name)
        try:
            await trigger()
            await life.death()
        except TimeoutError:
            raise AssertionError(f"never came to {name}; it came to {life.heard[-30:]}") from None
        self.life = None

    async def down(self) -> None:
        """Kills whoever lives."""
        if self.life is not None:
            self.life.send(signal.SIGKILL)
            await self.life.death()
            self.life = None

    async def settled(self) -> None:
        """Returns once everything that was asked is done, interrupted or waits for a signature; then
        everything that was promised must hold."""
        assert self.life is not None
        life = self.life
        bot = next(iter(self.sandbox.world.bots))

        def under_way() -> list[str]:
            now_ms = int((time.time() + self._ahead) * 1000)
            return self.seen.unsettled(list(self.sandbox.world.updates._queue(bot).updates), now_ms=now_ms)

        try:
            await life.until(lambda: life.died or not under_way())
        except TimeoutError:
            raise AssertionError(f"stuck {PATIENCE_S} s after the restart: {under_way()}") from None
        assert not life.died, "the product ended"
        wrongs = [*self.seen.wrongs(), *self._messages()]
        assert not wrongs, wrongs

    async def life_sees(self, number: str, *, least: int = 1) -> None:
        """Returns once this query counts so many."""
        assert self.life is not None
        await self.life.until(lambda: self.seen.number(number) >= least)

    def _messages(self) -> list[str]:
        """Each message that asks for a call has made exactly one."""
        rows = self.seen.rows(
            "SELECT v.chat, c.source_message, count(*) FROM tool_calls c "
            "JOIN conversations v ON v.id = c.conversation_id "
            "WHERE c.retry_of IS NULL AND c.undo_of IS NULL GROUP BY 1, 2"
        )
        made = {(chat, message): count for chat, message, count in rows}
        return [
            f"message {message} in {chat} made {made.get((str(chat), message), 0)} calls, not {expected}"
            for (chat, message), expected in self.asked.items()
            if made.get((str(chat), message), 0) != expected
        ]

    async def say(self, person: str, text: str, *, calls: int = 0, **more: Any) -> Seen:
        """Says something that must make so many calls."""
        message = await self.phones.say(person, text, **more)
        self.asked[message["chat_id"], message["message_id"]] = calls
        return message

    def tap(self, person: str, message: Seen, label: str = "", *, data: str = "") -> None:
        """Taps, and waits for no answer: whoever should give it may be dead."""
        task = asyncio.ensure_future(self.phones.tap(person, message, label, data=data))
        self._taps.add(task)
        task.add_done_callback(self._taps.discard)

    async def ask(self, text: str, *, tool: str = "stamp") -> Seen:
        """Has the member ask for something that needs a signature; the approver's card."""
        await self.up()
        what = f"/stamp {text}" if tool == "stamp" else f"print label {text}"
        await self.say("member", what, calls=1)
        return await self.phones.see("approver", lambda m: text in m["text"] and has(m, "Approve"))

    async def advance(self, seconds: float) -> None:
        """Moves the sandbox's clock, and the product's with it."""
        self._ahead += seconds
        await self.phones.post("clock", advance_s=seconds)
        if self.life is not None:
            await self.life.told("ahead", self._ahead)

    async def introduce(self, *people: str) -> None:
        """These people open the bot."""
        await self.up()
        for person in people:
            await self.say(person, "/start")
            await self.phones.see(person, lambda m: m["from"]["is_bot"])
        await self.settled()

    async def close(self) -> None:
        """Ends what is left."""
        for task in list(self._taps):
            task.cancel()
        await asyncio.gather(*self._taps, return_exceptions=True)
        if self.life is not None and not self.life.died:
            await self.down()
        self.seen.close()


def has(message: Seen, label: str) -> bool:
    """Whether a message has a button of this label."""
    return any(label in button["text"] for row in message["buttons"] for button in row)


def data_of(message: Seen, label: str) -> str:
    """The payload of a button."""
    return str(next(b["data"] for row in message["buttons"] for b in row if label in b["text"]))


@asynccontextmanager
async def open_stage(
    data: Path, kind: Kind = "sqlite", *, place: Place | None = None
) -> AsyncIterator[Stage]:
    """A stage without anybody on it yet, on a new database of this kind, or on `place`."""
    data.mkdir(parents=True, exist_ok=True)
    place = place or new_place(kind, data, name="countersign.sqlite3")
    rules = Rules(same_offset_window=0, burst_window=0)
    sandbox = await start_sandbox(data=None, limits=Limits.off(), rules=rules)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            stage = Stage(sandbox, LongPhones(sandbox.url, session), data, place)
            try:
                yield stage
            finally:
                await stage.close()
    finally:
        await sandbox.stop()
