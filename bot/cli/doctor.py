"""`countersign doctor`: what is wrong with this installation, and how to mend it."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from msgspec import to_builtins

from bot.cli.common import DEFAULT_CONFIG, AsJson, Config, Data, answer, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.doctor import Check


def doctor(*, config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """Looks at everything that a bot needs, also while it runs; ends with 1 where something is to mend."""
    settings = settings_of(config, data)
    import asyncio

    from bot.cli.examined import examined

    path = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    checks = asyncio.run(examined(settings, config=path))
    well = all(check.ok is not False for check in checks)
    answer(
        {"ok": well, "checks": [to_builtins(check) for check in checks]},
        as_json=as_json,
        show=lambda _: _show(checks),
    )
    if not well:
        raise typer.Exit(1)


def _show(checks: Sequence[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    marks = {True: ("ok", "green"), False: ("MEND", "bold red"), None: ("-", "dim")}
    shown = Table(box=None, pad_edge=False, show_header=False)
    for check in checks:
        word, style = marks[check.ok]
        told = Text(check.detail)
        if check.remedy:
            told.append(f"\n→ {check.remedy}", style="bold" if check.ok is False else "")
        shown.add_row(Text(word, style=style), Text(check.name), told)
    console = Console()
    console.print(shown)
    bad = sum(check.ok is False for check in checks)
    console.print("All is well." if bad == 0 else f"{bad} to mend.")
