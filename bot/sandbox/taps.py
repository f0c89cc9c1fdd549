"""Taps that wait for the bot's answer."""

import asyncio
from typing import NamedTuple


class Answer(NamedTuple):
    """What a person gets to see after a tap."""

    answered: bool
    alert: bool = False
    text: str = ""
    url: str = ""


class Answers:
    """Connects an answered callback query to the tap that waits for it."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Answer]] = {}

    def expect(self, callback_id: str) -> None:
        """Be ready for an answer, before the bot can know of the tap."""
        self._waiting[callback_id] = asyncio.get_running_loop().create_future()

    def give(self, callback_id: str, answer: Answer) -> None:
        """Hand an answer to the tap, if it still waits."""
        future = self._waiting.get(callback_id)
        if future is not None and not future.done():
            future.set_result(answer)

    async def wait(self, callback_id: str, seconds: float) -> Answer:
        """Return the answer, or one that says there was none in time."""
        try:
            return await asyncio.wait_for(self._waiting[callback_id], seconds)
        except TimeoutError:
            return Answer(answered=False)
        finally:
            self._waiting.pop(callback_id, None)

    def forget(self) -> None:
        """Tell every waiting tap that no answer will come."""
        for future in self._waiting.values():
            if not future.done():
                future.set_result(Answer(answered=False))
