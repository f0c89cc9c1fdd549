"""The stage that victims live and die on: a sandbox in this process, which outlives them, and phones."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import aiohttp

from bot.sandbox.limits import Limits
from bot.sandbox.rules import Rules
from bot.sandbox.server import RunningSandbox, start_sandbox
from tests.crash import victim
from tests.crash.checks import Seen as SeenData
from tests.e2e.phone import Phones, Seen

PATIENCE_S = 45.0
PEOPLE = ("member", "approver", "admin")
_DIED = "died"
# A server that has everything imported forks each victim: a real process, at a tenth of the time.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["pytest", "tests.crash.victim", "alembic.command", "apscheduler.triggers.cron"]
)


class Life:
    """One process of the product, from its start to its death. `heard` is what it told, oldest first."""

    def __init__(self, process: ForkServerProcess, pipe: Connection) -> None:
        self._process = process
        self._pipe = pipe
        self._news = asyncio.Event()
        self.heard: list[str] = []
        asyncio.get_running_loop().add_reader(pipe.fileno(), self._read)

    @classmethod
    def begin(cls, orders: victim.Orders) -> Life:
        """Starts a process."""
        ours, theirs = _CONTEXT.Pipe()
        process = _CONTEXT.Process(target=victim.main, args=(theirs, orders), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours)

    def _read(self) -> None:
        try:
            while self._pipe.poll():
                self.heard.append(self._pipe.recv())
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self.heard.append(_DIED)
        self._news.set()

    @property
    def died(self) -> bool:
        """Whether the process is gone."""
        return bool(self.heard) and self.heard[-1] == _DIED

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns as soon as this is true, which is looked at whenever the process told something."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def ready(self) -> None:
        """Returns once the product takes updates."""
        await self.until(lambda: victim.READY in self.heard or self.died)
        assert not self.died, "the product ended instead of starting"

    async def told(self, what: str, argument: object = None) -> None:
        """Has the process do something, and returns once it did."""
        before = self.heard.count(victim.DONE)
        self._pipe.send((what, argument))
        await self.until(lambda: self.heard.count(victim.DONE) > before)

    def tell(self, what: str) -> None:
        """Has the process do something that it may not survive."""
        self._pipe.send((what, None))

    def kill(self) -> None:
        """SIGKILL, from outside."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGKILL)

    async def death(self) -> None:
        """Returns once the process was killed by SIGKILL and nothing of it is left."""
        await self.until(lambda: self.died)
        await asyncio.to_thread(self._process.join, PATIENCE_S)
        assert self._process.exitcode == -signal.SIGKILL, self._process.exitcode
        self._pipe.close()
        self._process.close()


class LongPhones(Phones):
    """Phones of a long run: they show the end of a chat, however much was said before."""

    async def messages(self, chat: str | int, *, after: int = 0, newest: int = 200) -> list[Seen]:
        """The newest messages of the chat."""
        answer = await self.get(f"chats/{chat}/messages?limit={newest}")
        return [message for message in answer["messages"] if not message.get("deleted")]


class Stage:
    """Sandbox, people, a data folder, and whoever lives on it at the moment."""

    def __init__(self, sandbox: RunningSandbox, phones: LongPhones, data: Path) -> None:
        self.sandbox = sandbox
        self.phones = phones
        self.seen = SeenData(data)
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

    async def up(self, *, label_step_s: float = 0.01) -> Life:
        """A life that nothing threatens: the running one, or a new one that has taken up what the last one
        left, which is then checked."""
        if self.life is None:
            self.life = self._begin(label_step_s=label_step_s)
            await self.life.ready()
            await self.settled()
        return self.life

    def _begin(self, *, kill_at: str = "", label_step_s: float = 0.01) -> Life:
        self.lives += 1
        orders = victim.Orders(
            data=self.data,
            url=self.sandbox.url,
            ahead=self._ahead,
            kill_at=kill_at,
            label_step_s=label_step_s,
        )
        return Life.begin(orders)

    async def dies_at_start(self, name: str) -> None:
        """A new life that ends at this boundary while it starts."""
        await self.down()
        self.life = self._begin(kill_at=name)
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
            self.life.kill()
            await self.life.death()
            self.life = None

    async def settled(self) -> None:
        """Returns once everything that was asked is done, interrupted or waits for a signature; then
        everything that was promised must hold."""
        assert self.life is not None
        life = self.life
        bot = next(iter(self.sandbox.world.bots))

        def under_way() -> list[str]:
            return self.seen.unsettled(list(self.sandbox.world.updates._queue(bot).updates))

        try:
            await life.until(lambda: life.died or not under_way())
        except TimeoutError:
            raise AssertionError(f"stuck {PATIENCE_S} s after the restart: {under_way()}") from None
        assert not life.died, "the product ended"
        wrongs = [*self.seen.wrongs(), *self._messages()]
        assert not wrongs, wrongs

    async def life_sees(self, number: str) -> None:
        """Returns once this query counts something."""
        assert self.life is not None
        await self.life.until(lambda: self.seen.number(number) > 0)

    def _messages(self) -> list[str]:
        """Each message that asks for a call has made exactly one."""
        made = (
            "SELECT count(*) FROM tool_calls c JOIN conversations v ON v.id = c.conversation_id "
            "WHERE v.chat = ? AND c.source_message = ? AND c.retry_of IS NULL AND c.undo_of IS NULL"
        )
        wrongs = []
        for (chat, message), expected in self.asked.items():
            calls = self.seen.number(made, str(chat), message)
            if calls != expected:
                wrongs.append(f"message {message} in {chat} made {calls} calls, not {expected}")
        return wrongs

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


def has(message: Seen, label: str) -> bool:
    """Whether a message has a button of this label."""
    return any(label in button["text"] for row in message["buttons"] for button in row)


def data_of(message: Seen, label: str) -> str:
    """The payload of a button."""
    return str(next(b["data"] for row in message["buttons"] for b in row if label in b["text"]))


@asynccontextmanager
async def open_stage(data: Path) -> AsyncIterator[Stage]:
    """A stage without anybody on it yet."""
    data.mkdir(parents=True, exist_ok=True)
    rules = Rules(same_offset_window=0, burst_window=0)
    sandbox = await start_sandbox(data=None, limits=Limits.off(), rules=rules)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            stage = Stage(sandbox, LongPhones(sandbox.url, session), data)
            try:
                yield stage
            finally:
                await stage.close()
    finally:
        await sandbox.stop()
