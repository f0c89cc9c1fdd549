"""What settings are made of: their tables, and the kinds of values that more than one of them has."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict

_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([smhd]?)")


def _duration(value: object) -> object:
    """A timedelta from "90s", "30m", "24h", "2d", or a number of seconds."""
    if isinstance(value, timedelta):
        return value
    match = None if isinstance(value, bool) else _DURATION.fullmatch(str(value).strip().lower())
    if match is None:
        raise ValueError("not a duration")
    return timedelta(seconds=float(match[1]) * _UNIT_SECONDS[match[2] or "s"])


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")  # noqa: TRY004 - pydantic wants a ValueError
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Whole = Annotated[int, BeforeValidator(_number)]
Amount = Annotated[Decimal, BeforeValidator(_number)]
LONGEST: Final = timedelta(days=366)


class Section(BaseModel):
    """One table of the file. Each field's description says what is allowed; errors quote it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)


def is_http(value: str) -> bool:
    """Whether this is an http:// or https:// address with a host, and no query."""
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        return False
    bare = not re.search(r"\s", value) and not parts.query and not parts.fragment
    return parts.scheme in ("http", "https") and bool(parts.hostname) and bare
