"""Failures that somebody ordered: the next matching calls of a bot end as told."""

from dataclasses import dataclass, replace

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


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to the next `times` calls of a method (any) in a chat (any)."""

    method: str | None = None
    chat: int | None = None
    status: int = 200
    """200 fails nothing: the call is only delayed, or its connection dropped."""
    description: str = ""
    retry_after: int | None = None
    delay: float = 0.0
    """Seconds of real time before the call."""
    drop: bool | str = False
    """True ends the connection instead of the call; "after" does the call and loses the answer."""
    times: int = 1

    def text(self) -> str:
        """Return the description, Telegram's own where none was ordered."""
        if not self.description and self.status == 429 and self.retry_after is not None:
            return f"Too Many Requests: retry after {self.retry_after}"
        return self.description or _TEXTS.get(self.status, "Error")


class Faults:
    """The ordered failures, oldest first."""

    def __init__(self) -> None:
        self._ordered: list[Fault] = []

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
