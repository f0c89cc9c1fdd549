"""Asking the Bot API who a token belongs to."""

from __future__ import annotations

from typing import Final

import aiohttp

from core.errors import ConfigError

_TIMEOUT: Final = aiohttp.ClientTimeout(total=15)


async def get_me(url: str, token: str) -> str:
    """The username of the token's bot. Raises ConfigError with what to do, and never with the token in it."""
    wrong = ConfigError("No bot has this token. Copy it from @BotFather once more (/mybots shows it).")
    if not token.replace(":", "").replace("-", "").replace("_", "").isalnum() or not token.isascii():
        raise wrong
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.get(f"{url.rstrip('/')}/bot{token}/getMe") as response,
        ):
            body = await response.json(content_type=None)
            status = response.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        # Not the error's own text, which may hold the address and with it the token.
        raise ConfigError(f"{url} cannot be asked ({type(error).__name__}). Is the network up?") from None
    if status in (401, 404):
        raise wrong
    try:
        return str(body["result"]["username"])
    except (KeyError, TypeError):
        raise ConfigError(f"{url} gave an answer ({status}) that is not the Bot API's.") from None
