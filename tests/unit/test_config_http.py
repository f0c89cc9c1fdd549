"""The settings of the HTTP door: what opens it, and what keeps it from opening."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.config import load
from bot.config_http import HttpSettings
from core.errors import ConfigError

KEY = "k" * 32


def wrong(**environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(None, environ={f"COUNTERSIGN_HTTP__{name.upper()}": value for name, value in environ.items()})
    return caught.value.message


def test_it_is_closed_by_default_and_on_loopback() -> None:
    http = load(None, environ={}).http
    assert (http.enabled, http.host, http.port) == (False, "127.0.0.1", 8790)


def test_the_key_is_a_secret_of_32_bytes_from_a_file_too(tmp_path: Path) -> None:
    short = "short-canary-secret"
    told = wrong(key=short)
    assert "at least 32 bytes" in told
    assert short not in told
    (tmp_path / "key").write_text(KEY + "\n")
    settings = load(None, environ={"COUNTERSIGN_HTTP__KEY_FILE": str(tmp_path / "key")})
    assert settings.http.required_key() == KEY
    assert KEY in settings.secrets
    assert KEY not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enabled", "perhaps"),
        ("port", "65536"),
        ("leeway", "31s"),
        ("jwks_url", "file:///etc/passwd"),
        ("jwks_url", "https://id.example/jwks?x"),
        ("audience", "\t"),
    ],
)
def test_what_does_not_fit_is_told(name: str, value: str) -> None:
    if not value.strip():  # an empty variable counts as not set
        assert load(None, environ={"COUNTERSIGN_HTTP__AUDIENCE": value}).http.audience == "countersign"
    else:
        assert f"http.{name}" in wrong(**{name: value})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "no token could be checked"),
        ({"jwks_file": Path("a"), "public_key_file": Path("b"), "issuer": "x"}, "give one of them"),
        ({"jwks_url": "https://id.example/jwks"}, "must say whose it is"),
        ({"jwks_file": Path("a"), "issuer": "countersign"}, "is our own"),
    ],
)
def test_a_door_that_would_believe_nobody_or_anybody_does_not_open(
    given: dict[str, object], told: str
) -> None:
    settings = HttpSettings.model_validate({"enabled": True, **given})
    with pytest.raises(ConfigError, match=told):
        settings.check()


def test_a_door_with_a_key_opens() -> None:
    HttpSettings.model_validate({"enabled": True, "key": KEY, "leeway": timedelta(0)}).check()


def test_without_a_key_nothing_is_signed() -> None:
    with pytest.raises(ConfigError, match=r"http\.key is not set"):
        HttpSettings().required_key()
