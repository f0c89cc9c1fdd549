"""The sandbox with a stopwatch in it: taps are put to it and edits are seen in its own process.

So no HTTP of a driver is in the times: they run from the moment that a tap lies in the bot's queue to the
moment that the sandbox has the bot's edit in hand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from bot.sandbox import people
from bot.sandbox.entities import Formatted
from bot.sandbox.limits import Limits
from bot.sandbox.methods import METHODS
from bot.sandbox.methods.call import Call
from bot.sandbox.posting import post
from bot.sandbox.records import Message, Person
from bot.sandbox.rules import Rules
from bot.sandbox.server import RunningSandbox, start_sandbox

APPROVE = "a:"
"""How the data of the button that is tapped begins."""
PATIENCE_S = 120.0
"""A run that waits longer for anything is void."""
LOOK_EVERY_S = 0.005


@dataclass(slots=True)
class Tap:
    """One tap: when it was put to the bot, when the card first showed a decision, when it showed the end."""

    person: Person
    card: Message
    mark: str
    begun: float = 0.0
    shown_at: float = 0.0
    ended_at: float = 0.0
    callback: str = ""
    shown: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def see(self, text: str, *, undecided: bool, at: float) -> None:
        """Takes note of an edit of the card."""
        if undecided:
            return
        self.shown_at = self.shown_at or at
        self.shown.set()
        if self.mark in text and not self.ended_at:
            self.ended_at = at
            self.ended.set()


class Stage:
    """A running sandbox and its people."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.url = sandbox.url
        self.world = sandbox.world
        self.people: list[Person] = []
        self._taps: dict[tuple[int, int], Tap] = {}
        self._answers: dict[int, asyncio.Future[float]] = {}

    def invite(self, count: int) -> None:
        """People with phones."""
        self.people += [people.add_person(self.world, f"p{number}", "") for number in range(count)]

    def open(self, token: str) -> int:
        """A bot that everybody has opened a chat with; its id."""
        bot = self.world.bot_of(token)
        for person in self.people:
            self.world.save_chat(replace(self.world.private_chat(person, bot), opened=True))
        return bot.id

    async def polled(self, bot: int) -> None:
        """Returns once the bot waits for updates."""
        async with asyncio.timeout(PATIENCE_S):
            while self.world.updates.held(bot) is None:  # noqa: ASYNC110 - the sandbox tells nobody
                await asyncio.sleep(LOOK_EVERY_S)

    def deal(self, bot: int, *, chats: int, each: int) -> None:
        """Puts cards with a button into the chats of a bot that sends none itself."""
        for person in self.people[:chats]:
            for _ in range(each):
                buttons = [[{"text": "Approve", "callback_data": f"{APPROVE}1"}]]
                chat = self.world.private_chat(person, self.world.bots[bot])
                post(self.world, chat, bot, text="Stamp it?", keyboard=buttons)

    def cards(self, bot: int, person: Person) -> list[Message]:
        """The cards of a person's chat that can be tapped, oldest first."""
        chat = self.world.private_chat(person, self.world.bots[bot])
        return [one for one in self.world.messages.get(chat.key, {}).values() if _button(one.keyboard)]

    def tap(self, person: Person, card: Message, *, mark: str) -> Tap:
        """Taps a card's button, from this moment on. Where it shows `mark` it has ended."""
        tap = self._taps[card.sender, card.message_id] = Tap(person, card, mark)
        tap.begun = time.perf_counter()
        tap.callback = people.press(self.world, person, card, _button(card.keyboard))
        return tap

    async def finish(self, tap: Tap) -> None:
        """Returns once the card shows the end and the tap was answered. Ends the run where it never is."""
        try:
            await asyncio.wait_for(tap.ended.wait(), PATIENCE_S)
        except TimeoutError:
            raise SystemExit(f"void: a tap of {tap.person.key} never showed its end") from None
        answer = await self.world.answers.wait(tap.callback, PATIENCE_S)
        if not answer.answered:
            raise SystemExit(f"void: a tap of {tap.person.key} was never answered")
        del self._taps[tap.card.sender, tap.card.message_id]

    def say_start(self, bot: int) -> asyncio.Future[float]:
        """Has the first person send /start; the moment at which the bot's answer arrives."""
        text = Formatted("/start", [{"type": "bot_command", "offset": 0, "length": 6}])
        answered = self._answers[bot] = asyncio.get_running_loop().create_future()
        someone = self.people[0]
        people.say(self.world, someone, self.world.private_chat(someone, self.world.bots[bot]), text)
        return answered

    def saw_edit(self, call: Call, edited: Any, at: float) -> None:
        """A bot edited a message."""
        tap = self._taps.get((call.bot.id, edited["message_id"]))
        if tap is not None:
            buttons = edited.get("reply_markup", {}).get("inline_keyboard", [])
            tap.see(edited["text"], undecided=bool(_button(buttons)), at=at)

    def saw_message(self, call: Call, _sent: Any, at: float) -> None:
        """A bot sent a message."""
        answered = self._answers.pop(call.bot.id, None)
        if answered is not None:
            answered.set_result(at)


def _button(keyboard: list[list[dict[str, Any]]]) -> str:
    """The data of the button that approves; "" where there is none."""
    found = [button.get("callback_data", "") for row in keyboard for button in row]
    return next((data for data in found if data.startswith(APPROVE)), "")


@contextmanager
def _watched(name: str, see: Callable[[Call, Any, float], None]) -> Iterator[None]:
    """Tells `see` of every call of this method, with the moment at which it arrived."""
    original = METHODS[name]

    def method(call: Call) -> object:
        at = time.perf_counter()
        result = original(call)
        see(call, result, at)
        return result

    METHODS[name] = method
    try:
        yield
    finally:
        METHODS[name] = original


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """A sandbox without limits, in memory, with its stopwatch."""
    sandbox = await start_sandbox(limits=Limits.off(), rules=Rules(same_offset_window=0, burst_window=0))
    stage = Stage(sandbox)
    try:
        with _watched("editmessagetext", stage.saw_edit), _watched("sendmessage", stage.saw_message):
            yield stage
    finally:
        await sandbox.stop()
