"""What logs, audit, metrics and group cards must not show: bot tokens, keys, fields marked sensitive.

Pure: no I/O, and nothing here ever shows a secret in its own errors or representation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final
from urllib.parse import quote

from core.digest import Json

MASK: Final = "[hidden]"
"""What stands in the place of a secret."""

# Each quantified part begins where its run of characters begins, so that a scan is linear.
_BOT_TOKEN: Final = re.compile(r"(?<!\d)(\d{5,})(:|%3[Aa])[A-Za-z0-9_-]{20,}")
_END_OF_TOKEN: Final = re.compile(r"(:|%3[Aa])[A-Za-z0-9_-]{20}")
"""In every text with a bot token, and found four times as fast as one."""
_BEARER: Final = re.compile(r"(?ai)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{8,}")
_URL_PASSWORD: Final = re.compile(r"(://[^\s/:@\"'\\]*:)[^\s/@\"'\\]+@")
_DISTINCTIVE: Final = 8
"""From this length on a secret is hidden inside words as well; a shorter one only where it stands alone."""


class Redactor:
    """Takes secrets out of text: those registered, and whatever looks like a bot token, a bearer header
    or a password in a URL."""

    __slots__ = ("_pattern", "_spellings")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.register(secret)

    def __repr__(self) -> str:
        return f"Redactor({len(self._spellings)} spellings)"

    def register(self, secret: str) -> None:
        """From now on `clean` hides this secret, also URL-quoted, JSON-escaped or as Python shows it.

        Blank text is no secret and changes nothing.
        """
        if not secret.strip():
            return
        self._spellings |= _spellings(secret) | _spellings(secret.strip())
        longest_first = sorted(self._spellings, key=len, reverse=True)
        # The mask comes first, so that a secret such as "hidden" does not mask the mask.
        self._pattern = re.compile("|".join([re.escape(MASK), *map(_findable, longest_first)]))

    def clean(self, text: str) -> str:
        """The text with every secret replaced; cleaning twice changes nothing more."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        # Most lines have nothing of the kind, and to find that out takes less than a search.
        if _END_OF_TOKEN.search(text):
            text = _BOT_TOKEN.sub(rf"\1\2{MASK}", text)
        lower = text.lower()
        if "bearer" in lower or "basic" in lower:
            text = _BEARER.sub(rf"\1\2{MASK}", text)
        return _URL_PASSWORD.sub(rf"\1{MASK}@", text) if "://" in text else text


def masked(arguments: Mapping[str, Json], sensitive_fields: Collection[str]) -> dict[str, Json]:
    """A copy of a call's arguments in which no sensitive field, at any depth, shows its value.

    An absent value (None) stays None, since that it is absent is no secret.
    """
    return {name: _masked(name, value, sensitive_fields) for name, value in arguments.items()}


def _masked(name: str, value: Json, sensitive: Collection[str]) -> Json:
    if name in sensitive and value is not None:
        return MASK
    if isinstance(value, Mapping):
        return {inner: _masked(inner, item, sensitive) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", item, sensitive) for item in value]
    return value


def secret_values(values: Mapping[str, Json], hidden: Iterable[str]) -> Iterable[str]:
    """The texts of the values of these fields, at any depth."""
    names = frozenset(hidden)
    if not names:
        return
    for name, value in values.items():
        if name in names:
            yield from _leaves(value)
        elif isinstance(value, Mapping):
            yield from secret_values(value, names)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from secret_values({"": item}, names)


def _leaves(value: Json) -> Iterable[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    elif value is not None and str(value).strip():
        yield str(value)


def _spellings(secret: str) -> set[str]:
    return {
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    }


def _findable(spelling: str) -> str:
    literal = re.escape(spelling)
    return literal if len(spelling) >= _DISTINCTIVE else rf"(?<!\w){literal}(?!\w)"
