"""The first config file: what `init` asked for, the rest left to its defaults."""

from __future__ import annotations

import json
from pathlib import Path

from core.errors import ConfigError


def config_text(
    *,
    token: str | None,
    token_file: Path | None,
    api_base_url: str,
    folder: Path | None,
    name: str,
    currency: str,
    timezone: str,
) -> str:
    """The text of a config.toml. Raises ConfigError for control characters, which no setting has."""
    secret = f"token = {_quoted(token)}" if token is not None else f"token_file = {_quoted(str(token_file))}"
    return f"""\
# Countersign's settings, written by `countersign init`. Every key there is, with its default, is explained in
# config.example.toml. Keep this file to yourself: whoever has the token is the bot.

[telegram]
{secret}
api_base_url = {_quoted(api_base_url)}

[storage]
folder = {_quoted("data" if folder is None else str(folder))}

[tenant]
name = {_quoted(name)}
currency = {_quoted(currency)}
timezone = {_quoted(timezone)}

[policy]
# Without rules, the risk decides. See config.example.toml.
# file = "policy.toml"
"""


def _quoted(value: str) -> str:
    """A TOML basic string: JSON's, where there are no control characters."""
    if not value.isprintable():
        raise ConfigError(f"{value!r} holds characters that cannot be printed; leave them out.")
    return json.dumps(value, ensure_ascii=False)
