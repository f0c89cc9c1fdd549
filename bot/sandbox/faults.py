"""Failures that somebody ordered: the next matching calls of a bot end as told."""

import asyncio
import contextlib
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

_TEXTS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
DROPS: Final = ("reset", "after", "midway", "never")


class Fault(Struct, frozen=True, kw_only=True):
    """What happens to the next `times` calls of a method (any) in a chat (any)."""

    method: str | None = None
    chat: int | None = None
    status: int = 200
    """200 fails nothing: the call is only delayed, or its connection dropped."""
    description: str = ""
    retry_after: int | None = None
    delay: float = 0.0
    """Seconds of real time before the call."""
    late: float = 0.0
    """Seconds of real time between the call and its answer."""
    drop: bool | str = False
    """True ends the connection instead of the call, "reset" does so the hard way. The others do the call:
    "after" loses the answer, "midway" half of it, "never" keeps it back while the connection stays."""
    body: str | None = None
    """What is answered instead. The call is done all the same, unless `status` is an error, or `undone`."""
    content_type: str | None = None
    """What the answer says it is."""
    undone: bool = False
    times: int = 1

    @property
    def instead(self) -> bool:
        """Return whether the call is not done, and something else answered."""
        return self.body is not None and (self.undone or self.status != 200)

    def text(self) -> str:
        """Return the description, Telegram's own where none was ordered."""
        if not self.description and self.status == 429 and self.retry_after is not None:
            return f"Too Many Requests: retry after {self.retry_after}"
        return self.description or _TEXTS.get(self.status, "Error")


class Faults:
    """The ordered failures, oldest first."""

    def __init__(self) -> None:
        self._ordered: list[Fault] = []
        self._closing = asyncio.Event()

    def order(self, fault: Fault) -> None:
        """Add a failure behind those that wait."""
        self._ordered.append(fault)

    def take(self, method: str, chat: int | None) -> Fault | None:
        """Use up one time of the oldest failure that matches a call."""
        for at, fault in enumerate(self._ordered):
            if fault.method in (None, method) and fault.chat in (None, chat):
                left = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                self._ordered[at : at + 1] = left
                return fault
        return None

    def waiting(self) -> list[Fault]:
        """Return what has not happened yet."""
        return list(self._ordered)

    def forget(self) -> None:
        """Call off every failure."""
        self._ordered.clear()

    def close(self) -> None:
        """End every wait, now and later."""
        self._closing.set()

    async def wait(self, seconds: float | None) -> None:
        """Return after so long, or (None) when the sandbox ends; no wait outlives the sandbox."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
