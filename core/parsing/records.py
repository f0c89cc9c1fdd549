"""What goes into the parser and what comes out. Confidence is made of few documented numbers.

| how it was said                                              | confidence |
|--------------------------------------------------------------|------------|
| explicit call, exact name                                    | 1.00       |
| command                                                      | 0.99       |
| sentence, every word of a template                           | 0.97       |
| the same but for an article, "can you", or a name's case     | 0.93       |
| a sentence with a misspelt word                              | 0.60       |
| a sentence with up to three plain words left over            | 0.55       |

Any doubt (see `judge.Doubt`) brings it to 0.80 at most, each further doubt 0.10 lower, never under 0.50.
From HIGH on a reading is proposed, from MIDDLE on it is asked about; below that it does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from core.digest import Json
from core.errors import InvalidInput

HIGH: Final = 0.9
MIDDLE: Final = 0.5

EXPLICIT: Final = 1.0
COMMAND: Final = 0.99
EXACT: Final = 0.97
NEAR: Final = 0.93
DOUBTED: Final = 0.8
FUZZY: Final = 0.6
LEFTOVER: Final = 0.55


class ParseContext(Struct, frozen=True, kw_only=True):
    """What the same words mean for this person, now. Raises ValueError for a naive `now` or no such zone."""

    now: datetime  # aware UTC
    timezone: str  # IANA, the person's
    currency: str  # ISO 4217 default, never silently added where another currency is named
    quoted: bool = False  # forwarded or quoted from somebody else: never better than "confirm"

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("now must be aware")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"unknown time zone {self.timezone!r}") from error

    @property
    def today(self) -> date:
        """The calendar day it is where the person is."""
        return self.now.astimezone(ZoneInfo(self.timezone)).date()


class Reading(StrEnum):
    """What may be done with a text that was read."""

    PROPOSE = "propose"  # clear and complete
    CONFIRM = "confirm"  # "Did you mean …", with buttons
    ASK = "ask"  # the tool is clear, a required argument is missing
    UNKNOWN = "unknown"
    INVALID = "invalid"  # the tool is clear, a value given cannot be read


class Candidate(Struct, frozen=True, kw_only=True):
    """One way to read a text. Without `missing`, `arguments` passed `core.registry.validate`."""

    tool: str
    arguments: Mapping[str, Json]
    missing: tuple[str, ...]  # required fields without a value, in the order to ask for them
    confidence: float  # 0 to 1
    how: str  # "command", "explicit" or "sentence"

    @property
    def reading(self) -> Reading:
        """What this candidate allows by itself; also what counts once `fill` gave the last answer."""
        if self.missing:
            return Reading.ASK
        return Reading.PROPOSE if self.confidence >= HIGH else Reading.CONFIRM


class Understood(Struct, frozen=True, kw_only=True):
    """The result for one text. `nearest` names tools to suggest; they are never proposed by themselves."""

    reading: Reading
    candidates: tuple[Candidate, ...] = ()  # ranked, best first
    nearest: tuple[str, ...] = ()
    problem: InvalidInput | None = None  # for INVALID: names the field and the remedy
