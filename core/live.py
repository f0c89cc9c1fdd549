"""What a running call and its worker tell each other: how far it is, what there is, that it should stop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from core.digest import Json

LINES: Final = 6
"""So many of the last lines of a tool's output are kept."""
LINE_MOST: Final = 160
"""Characters of such a line."""


class Progress(NamedTuple):
    """How far a call is: a fraction from 0 to 1 (None: it does not say), what is being done, and the last
    lines that it put out."""

    fraction: float | None
    text: str
    lines: tuple[str, ...] = ()


class Stop:
    """Somebody's wish that a call should stop, made once. Implements `core.tool.Cancellation`."""

    __slots__ = ("_requested", "_tell")

    def __init__(self) -> None:
        self._requested = False
        self._tell: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        """Whether somebody asked the call to stop."""
        return self._requested

    def ask(self) -> None:
        """Asks the call to stop, and tells all who wait for that."""
        self._requested = True
        told, self._tell = self._tell, []
        for tell in told:
            tell()

    def on_asked(self, tell: Callable[[], None]) -> None:
        """Calls `tell` once the call is asked to stop; at once where it was."""
        if self._requested:
            tell()
        else:
            self._tell.append(tell)


class Partial:
    """What a tool has so far, kept where it fails, takes too long or is stopped. A tool calls it as often as
    it likes; the last time counts."""

    __slots__ = ("data", "text")

    def __init__(self) -> None:
        self.text = ""
        self.data: Json = None

    def __call__(self, text: str, data: Json = None) -> None:
        """This is what there is by now: for people, and for programs."""
        self.text, self.data = text, data


class Meter:
    """The progress of one running call."""

    __slots__ = ("_fraction", "_lines", "_text")

    def __init__(self) -> None:
        self._fraction: float | None = None
        self._text = ""
        self._lines: deque[str] = deque(maxlen=LINES)

    def set(self, fraction: float, text: str) -> None:
        """How far it is, held within 0 and 1, and what is being done."""
        self._fraction, self._text = min(max(fraction, 0.0), 1.0), text

    def put(self, output: str) -> None:
        """Lines that it put out; only the last are kept, and of each the beginning."""
        self._lines.extend(line[:LINE_MOST] for line in output.splitlines()[-LINES:] if line.strip())

    @property
    def progress(self) -> Progress | None:
        """What it told; None before it told anything."""
        if self._fraction is None and not self._lines:
            return None
        return Progress(self._fraction, self._text, tuple(self._lines))
