"""The few Bot API methods that every call needs, over python-telegram-bot's request layer.

Requests, their errors and time-outs are the library's. Its objects are not made of the answers: to read a
message back into them takes longer than everything else about an edit, and only its number is looked at.
"""

from __future__ import annotations

from typing import Any, cast

from telegram import Bot
from telegram.request import RequestData

from bot.telegram.request import Parameters


class Api:
    """Methods of the Bot API by their names."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def call(self, method: str, **parameters: Any) -> Any:
        """The `result` of the answer, as JSON. Parameters that are None are left out.

        Raises the library's TelegramError in all its kinds.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        return await self._bot.request.post(
            f"{self._bot.base_url}/{method}", request_data=cast(RequestData, Parameters(given))
        )
