"""The settings of the HTTP door."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr, field_validator

from bot.config_kinds import Duration, Section, Whole, is_http
from bot.config_sources import EXAMPLE, PREFIX
from core.errors import ConfigError

OURS: Final = "countersign"
"""The iss claim of the tokens that `countersign token create` makes."""
SHORTEST_KEY: Final = 32
"""Bytes: a shorter key of HS256 can be guessed from one token."""
_KEY: Final = f"a secret of at least {SHORTEST_KEY} bytes, such as `openssl rand -base64 48` gives"


class HttpSettings(Section):
    """The door for programs, and whose tokens it believes."""

    enabled: bool = Field(default=False, description="true or false")
    host: str = Field(default="127.0.0.1", min_length=1, description="an address to listen at")
    port: Whole = Field(
        default=8790, ge=0, le=65535, description="a port from 1 to 65535, or 0 for a free one"
    )
    key: SecretStr | None = Field(default=None, description=_KEY)
    key_file: Path | None = Field(default=None, description="a file that holds the key and nothing else")
    public_key_file: Path | None = Field(
        default=None, description="a PEM file with an RSA or a P-256 public key"
    )
    jwks_file: Path | None = Field(default=None, description="a JSON file with a JWKS")
    jwks_url: str | None = Field(default=None, description="the http:// or https:// address of a JWKS")
    issuer: str | None = Field(
        default=None, min_length=1, description="who issues the tokens, as their iss claim says"
    )
    audience: str = Field(
        default="countersign", min_length=1, description="what the tokens' aud claim must name"
    )
    leeway: Duration = Field(
        default=timedelta(seconds=5),
        ge=timedelta(0),
        le=timedelta(seconds=30),
        description='a duration such as "5s", from 0 to 30 seconds',
    )

    @field_validator("key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < SHORTEST_KEY:
            raise ValueError("too short")
        return value

    @field_validator("jwks_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and not is_http(value):
            raise ValueError("not an address")
        return value

    def required_key(self) -> str:
        """The key that our own tokens are signed with. Raises ConfigError where there is none."""
        if self.key is None:
            raise ConfigError(
                f"http.key is not set, so there is nothing to sign a token with: put {_KEY}, into the "
                f"variable {PREFIX}HTTP__KEY, or into a file named by http.key_file. See {EXAMPLE}."
            )
        return self.key.get_secret_value()

    def check(self) -> None:
        """Raises ConfigError where the door would be open and no token could be believed."""
        names = ("public_key_file", "jwks_file", "jwks_url")
        public = [f"http.{name}" for name in names if getattr(self, name) is not None]
        if self.key is None and not public:
            raise ConfigError(
                "http.enabled is true, and no token could be checked: give http.key (or http.key_file), "
                f"http.public_key_file, http.jwks_file or http.jwks_url. See {EXAMPLE}."
            )
        if len(public) > 1:
            raise ConfigError(f"{' and '.join(public)} are given: give one of them. See {EXAMPLE}.")
        if public and self.issuer in {None, OURS}:
            raise ConfigError(
                f"{public[0]} is given: http.issuer must say whose it is, and {OURS!r} is our own. "
                f"See {EXAMPLE}."
            )
