"""Kinds of text that several tools take: what is let in, and what is said of the rest."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import partial
from typing import Annotated, Final, NoReturn

from pydantic import AfterValidator, BeforeValidator, Field

LINE_MOST: Final = 200
NAME_MOST: Final = 100
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_line(text: str, *, least: int = 1, most: int = LINE_MOST) -> str:
    """The text as one line, its blanks and line breaks made single blanks.

    Raises ValueError for control characters and for fewer than `least` or more than `most` characters.
    """
    line = " ".join(text.split())
    if not line.isprintable() and any(unicodedata.category(char) == "Cc" for char in line):
        raise ValueError("it should be plain text without control characters")
    if len(line) > most:
        raise ValueError(f"it should be at most {most} characters, these are {len(line)}")
    if len(line) < least:
        raise ValueError("it should say something, it is empty")
    return line


def _read_day(value: object) -> date | None:
    if value is None or type(value) is date:
        return value
    try:
        # Other ISO forms (20261127, 2026-W48-5) would be read too, and nobody means them.
        return date.fromisoformat(value) if isinstance(value, str) and _DAY.fullmatch(value) else _no_day()
    except ValueError:
        return _no_day()


def _no_day() -> NoReturn:
    raise ValueError("it should be a day such as 2026-11-27")


Line = Annotated[
    str, AfterValidator(read_line), Field(json_schema_extra={"minLength": 1, "maxLength": LINE_MOST})
]
"""One line of text, never empty."""

Name = Annotated[
    str,
    AfterValidator(partial(read_line, least=0, most=NAME_MOST)),
    Field(json_schema_extra={"maxLength": NAME_MOST}),
]
"""Somebody's name, or nothing."""

Day = Annotated[date | None, BeforeValidator(_read_day)]
"""A calendar day as YYYY-MM-DD, or nothing."""
