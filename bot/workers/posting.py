"""One signal to one address over HTTP, and what its answer means for us.

The address is what somebody typed: it is looked up once for each connection, nothing is asked that lies
inside (unless the settings allow it), and no redirect is followed.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct
from yarl import URL

from core.addresses import inside, is_loopback, is_public

AGENT: Final = "Countersign-Webhook/1"
_PASSING: Final = frozenset({408, 425, 429})
"""Statuses below 500 that another try may change."""
_SAYS_WHEN: Final = frozenset({429, 503})


class Taken(Struct, frozen=True):
    """It is there."""


class NotTaken(Struct, frozen=True):
    """It is not there, as far as we know. `for_good`: trying again will hardly help; `after_s`: when they
    want to be asked again."""

    error: str
    for_good: bool = False
    after_s: float | None = None


class _Inside(OSError):
    """A name stands for an address that nothing is sent to."""


class Poster:
    """Posts bodies, keeping connections open. `timeout_s` is for the whole of one; `names` looks names up."""

    def __init__(
        self, *, allow_private: bool, timeout_s: float, names: AbstractResolver | None = None
    ) -> None:
        self._allow_private = allow_private
        self._names = names
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Taken | NotTaken:
        """Sends it once. Never raises for what the other side does."""
        try:
            target = URL(url)
        except ValueError:
            return NotTaken("its address cannot be read", for_good=True)
        if not self._allow_private and inside(target.host or ""):
            return NotTaken(_INSIDE, for_good=True)
        if target.scheme == "http" and not is_loopback(target.host or ""):
            return NotTaken("it is not encrypted: only https is sent to", for_good=True)
        try:
            async with self._opened().post(
                target, data=body, headers=headers, allow_redirects=False
            ) as answered:
                return _read(answered.status, answered.headers.get("Retry-After", ""))
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, _Inside):
                return NotTaken(_INSIDE, for_good=True)
            return NotTaken("it cannot be reached")
        except TimeoutError:
            return NotTaken(f"no answer within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return NotTaken(f"the connection failed ({type(error).__name__})")

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            names = self._names or aiohttp.ThreadedResolver()
            resolver = names if self._allow_private else _PublicOnly(names)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": AGENT},
            )
        return self._session


_INSIDE: Final = "its address is not on the open internet (webhooks.allow_private is false)"


class _PublicOnly(AbstractResolver):
    """Looks names up, and gives none of the addresses where one of them lies inside. What it gives is what is
    connected to: nothing is looked up twice."""

    def __init__(self, names: AbstractResolver) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name."""
        found = await self._names.resolve(host, port, family)
        if not all(is_public(each["host"]) for each in found):
            raise _Inside(0, "inside")
        return found

    async def close(self) -> None:
        """Nothing is open."""


def _read(status: int, retry_after: str) -> Taken | NotTaken:
    if 200 <= status < 300:
        return Taken()
    said = f"it answered {status}{_phrase(status)}"
    if 300 <= status < 400:
        return NotTaken(f"{said}; redirects are not followed", for_good=True)
    if status in _SAYS_WHEN:
        return NotTaken(said, after_s=_seconds(retry_after))
    return NotTaken(said, for_good=400 <= status < 500 and status not in _PASSING)


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _seconds(retry_after: str) -> float | None:
    """How long a Retry-After asks to wait; None where it does not say."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max((at - datetime.now(UTC)).total_seconds(), 0.0) if at.tzinfo else None
