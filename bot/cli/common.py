"""What commands share: their options, their settings, how they speak and how they fail."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from core.errors import CountersignError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bot.config import Settings

DEFAULT_CONFIG: Final = Path("config.toml")

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The settings; by default config.toml if there is one."),
]
Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="The data folder, over what the settings say.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Answers in JSON.")]


class Commands(TyperGroup):
    """Commands whose errors are told in plain words, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Runs a command; a CountersignError becomes its message on standard error and an end with 1."""
        try:
            return super().invoke(ctx)
        except CountersignError as error:
            say_error(error.message)
            raise typer.Exit(1) from None
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                _end_quietly()
            else:
                where = f": {error.filename}" if error.filename else ""
                say_error(f"This machine refused it: {error.strerror or error}{where}.")
            raise typer.Exit(1) from None


def _end_quietly() -> None:
    """Whoever read has seen enough (`| head`); nothing may be flushed to them at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def settings_of(config: Path | None, data: Path | None) -> Settings:
    """The settings of the named file, or of config.toml where there is one. Raises ConfigError."""
    from bot.config import load

    path = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    return load(path, environ=os.environ, data=data)


def say(text: str = "") -> None:
    """A line for people, as it is: nothing in it is markup."""
    typer.echo(text)


def say_error(text: str) -> None:
    """A line on standard error."""
    typer.echo(text, err=True)


def answer(found: Any, *, as_json: bool, show: Callable[[Any], None]) -> None:
    """Prints what a command found: as JSON, or as `show` shows it."""
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        show(found)


def visible(text: str) -> str:
    """Text of others on one line of a terminal, without what could steer it."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def table(rows: Sequence[Mapping[str, object]], columns: Mapping[str, str]) -> None:
    """A table for people: `columns` maps each key of the rows to its heading."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False)
    for heading in columns.values():
        shown.add_column(heading)
    for row in rows:
        shown.add_row(*(Text(visible(str(row[key]))) for key in columns))
    Console().print(shown)
