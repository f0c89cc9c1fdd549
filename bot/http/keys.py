"""The keys that tokens are checked with: each has one algorithm and its issuers, and serves no other."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import jwt
from jwt.algorithms import get_default_algorithms
from msgspec import Struct

from bot.config_http import OURS, HttpSettings
from bot.logs import get_logger
from core.errors import Code, ConfigError, Refusal

log = get_logger(__name__)

SHARED: Final = "HS256"
PUBLIC: Final = ("ES256", "RS256")
KEPT_S: Final = 600.0
"""A JWKS that was fetched is used for so long."""
ASKED_AGAIN_S: Final = 60.0
"""For a kid that is not known it is fetched anew, not more often than this."""
AWAY_S: Final = 5
"""Without any keys the issuer is asked so often: not at every request of whoever likes."""
Fetch = Callable[[str], Awaitable[bytes]]
"""Gets a document from an address. Raises OSError where it cannot."""


class Trusted(Struct, frozen=True, kw_only=True):
    """A key, the one algorithm that it is used with, and whose tokens it may sign."""

    key: Any
    algorithm: str
    issuers: frozenset[str]


class Keys:
    """All that is configured. Raises ConfigError for keys that cannot be used."""

    def __init__(
        self, settings: HttpSettings, *, fetch: Fetch, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        settings.check()
        theirs = frozenset({settings.issuer} if settings.issuer else ())
        pem, jwks_file, self._url = settings.public_key_file, settings.jwks_file, settings.jwks_url
        public = any((pem, jwks_file, self._url))
        if public:
            _check_cryptography()
        self._shared: Trusted | None = None
        if settings.key is not None:
            issuers = frozenset({OURS}) if public else theirs | {OURS}
            self._shared = Trusted(key=settings.key.get_secret_value(), algorithm=SHARED, issuers=issuers)
        self._pem = None if pem is None else _from_pem(pem, theirs)
        self._by_kid = {} if jwks_file is None else _from_jwks(jwks_file, theirs)
        self._theirs = theirs
        self._fetch = fetch
        self._monotonic = monotonic
        self._fetched_at: float | None = None
        self._fetching = asyncio.Lock()

    async def named(self, header: Mapping[str, Any]) -> Trusted:
        """The key of ours that a token's header names; what else the header brings is not looked at.

        Raises ValueError where there is none, Refusal `adapter_unavailable` where it cannot be told.
        """
        algorithm, kid = header.get("alg"), header.get("kid")
        found = None
        if algorithm == SHARED:
            found = self._shared
        elif self._pem is not None:
            found = self._pem
        elif algorithm in PUBLIC and isinstance(kid, str):
            found = await self._known(kid)
        if found is None or found.algorithm != algorithm:
            raise ValueError("no key of ours")
        return found

    async def _known(self, kid: str) -> Trusted | None:
        if self._url is None:
            return self._by_kid.get(kid)
        async with self._fetching:
            patience = KEPT_S if kid in self._by_kid else ASKED_AGAIN_S if self._by_kid else AWAY_S
            if self._fetched_at is None or self._monotonic() - self._fetched_at > patience:
                await self._refresh(self._url)
        if not self._by_kid:
            raise Refusal(
                Code.ADAPTER_UNAVAILABLE,
                "The keys of the token's issuer cannot be fetched now. Please try again.",
                retry_after_s=AWAY_S,
            )
        return self._by_kid.get(kid)

    async def _refresh(self, url: str) -> None:
        """Fetches the keys. Where that fails, the ones that we have are used on."""
        try:
            self._by_kid = _read_jwks(await self._fetch(url), self._theirs)
        except (OSError, ValueError, jwt.PyJWTError) as error:
            log.warning("the JWKS could not be fetched", error=str(error))
        self._fetched_at = self._monotonic()


def _check_cryptography() -> None:
    if "RS256" not in get_default_algorithms():
        raise ConfigError("http: public keys need the package `cryptography`, which is not installed.")


def _from_pem(path: Path, issuers: frozenset[str]) -> Trusted:
    text = _content(path, "public_key_file")
    if b"PUBLIC KEY-----" in text:
        for algorithm in PUBLIC:
            try:
                key = get_default_algorithms()[algorithm].prepare_key(text)
            except (ValueError, TypeError, jwt.PyJWTError):
                continue
            return Trusted(key=key, algorithm=algorithm, issuers=issuers)
    raise ConfigError(f"http.public_key_file = {path} holds no RSA or P-256 public key in PEM.")


def _from_jwks(path: Path, issuers: frozenset[str]) -> dict[str, Trusted]:
    try:
        return _read_jwks(_content(path, "jwks_file"), issuers)
    except (ValueError, jwt.PyJWTError) as error:
        raise ConfigError(f"http.jwks_file = {path} cannot be used: {error}.") from None


def _content(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"http.{key} = {path} cannot be read: {error.strerror}.") from None


def _read_jwks(text: bytes, issuers: frozenset[str]) -> dict[str, Trusted]:
    """The keys for signatures by kid; others, and those of other algorithms, are left out. Raises ValueError
    or PyJWTError where there are none."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - whoever calls knows ValueError
    signing = [
        key
        for key in document.get("keys") or []
        if isinstance(key, dict) and key.get("use") in {None, "sig"} and isinstance(key.get("kid"), str)
    ]
    found = {
        str(key.key_id): Trusted(key=key.key, algorithm=key.algorithm_name, issuers=issuers)
        for key in jwt.PyJWKSet.from_dict({"keys": signing}).keys
        if key.algorithm_name in PUBLIC
    }
    if not found:
        raise ValueError("it has no key with a kid for RS256 or ES256")
    return found
