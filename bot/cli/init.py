"""`countersign init`: from nothing to a first config, a checked token and a code to claim the bot."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bot.cli.common import DEFAULT_CONFIG, AsJson, Config, Data, answer, say, say_error
from core.errors import ConfigError
from core.ids import TenantId

if TYPE_CHECKING:
    from bot.config import Settings

_TRIES: Final = 3
_CLAIM_DAYS: Final = 7
_BOTFATHER: Final = """\
A bot of your own takes a minute:
  1. In Telegram, open https://t.me/BotFather and send /newbot.
  2. Give it a name, then a username that ends in "bot".
  3. BotFather answers with a token, like 123456789:AAE4c0Z...  Copy it.
"""


def init(
    *,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that holds the token; else it is asked for.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The name of your organisation, family or team.")] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="CODE", help="For amounts without one: EUR.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(metavar="ZONE", help="Such as Europe/Berlin.")] = None,
    api_base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another Bot API server, such as the sandbox.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Asks nothing: defaults for what is not given.")
    ] = False,
    check: Annotated[bool, typer.Option(help="Whether to ask Telegram if the token is right.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Writes over a config that is there.")] = False,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Sets up a real bot, step by step: token, team, config file, and the code that makes you its admin."""
    path = config or DEFAULT_CONFIG
    if path.exists() and not force:
        raise ConfigError(
            f"{path} is there already. Name another file with --config, or write over it with --force."
        )
    asking = not yes and _at_terminal()
    if token_file is None and not asking:
        raise typer.BadParameter("needed where nobody can be asked", param_hint="--token-file")
    url = api_base_url or "https://api.telegram.org"
    token, username = _token(token_file, url, check=check)
    chosen = {
        "name": name or _ask("What is your team called?", "Our team", asking=asking),
        "currency": (currency or _ask("Your currency (ISO code)?", "EUR", asking=asking)).upper(),
        "timezone": timezone or _ask("Your time zone?", _local_zone(), asking=asking),
    }
    settings = _write(path, token=token, token_file=token_file, url=url, tenant=chosen, data=data)
    code = _claim_code(settings)
    found = {"config": str(path), "bot": username, "claim_code": code}
    answer(found, as_json=as_json, show=lambda _: _next_steps(path, username, code))


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _ask(question: str, default: str, *, asking: bool) -> str:
    return str(typer.prompt(question, default=default)).strip() if asking else default


def _token(file: Path | None, url: str, *, check: bool) -> tuple[str, str | None]:
    """A token that the Bot API knows, and the bot's username (None where it was not asked)."""
    if file is not None:
        token = _read(file)
        return token, _get_me(url, token) if check else None
    say(_BOTFATHER)
    for left in reversed(range(_TRIES)):
        token = str(typer.prompt("The token (it is not shown)", hide_input=True)).strip()
        try:
            return token, _get_me(url, token) if check else None
        except ConfigError as error:
            if left == 0:
                raise
            say_error(error.message)
    raise AssertionError("unreachable")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--token-file {file} cannot be read: {error}.") from None


def _get_me(url: str, token: str) -> str:
    """The bot's username. Raises ConfigError, whose text never holds the token."""
    import asyncio

    from bot.cli.botapi import get_me

    return asyncio.run(get_me(url, token))


def _local_zone() -> str:
    """The machine's own time zone where it can be told, else UTC."""
    zone = os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
    return zone if "/" in zone and not zone.startswith(("Etc/", "posix/", "right/")) else "UTC"


def _write(
    path: Path,
    *,
    token: str,
    token_file: Path | None,
    url: str,
    tenant: dict[str, str],
    data: Path | None,
) -> Settings:
    """Writes the file, for its owner's eyes only, once the settings in it are known to be right."""
    from bot.cli.template import config_text
    from bot.config import load

    text = config_text(
        token=None if token_file else token,
        token_file=None if token_file is None else token_file.resolve(),
        api_base_url=url,
        folder=None if data is None else data.resolve(),
        **tenant,
    )
    new = path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(
            os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
        load(new, environ={}, data=data)
        new.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        new.unlink(missing_ok=True)
    return load(path, environ={}, data=data)


def _claim_code(settings: Settings) -> str | None:
    """A code with which the first admin claims the bot; None where it has one."""
    from bot.cli.records import now, work
    from bot.codes import new_code
    from core.engine.members import code_hash, offer_claim

    code, home = new_code(), TenantId(settings.tenant.id)
    kept = work(
        settings,
        "claim_code",
        lambda records: offer_claim(records, tenant_id=home, code_hash=code_hash(code), now=now()),
    )
    return code if kept else None


def _next_steps(path: Path, username: str | None, code: str | None) -> None:
    option = "" if path == DEFAULT_CONFIG else f" --config {path}"
    say(f"Written: {path}, readable by you alone. Every other setting is explained in config.example.toml.")
    say()
    say(f"  1. Start the bot:  countersign run{option}")
    if code is None:
        say("  2. It has an admin already: nothing else is to be done.")
        return
    say(f"  2. Claim it within {_CLAIM_DAYS} days to become its admin. Send it this:  /start {code}")
    if username is not None:
        say(f"     or open  https://t.me/{username}?start={code}")
    say("  3. Bring in others with /invite approver and /invite member.")
