"""`countersign demo | sandbox | run | version`: what starts, and which one this is."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.common import AsJson, Config, Data, answer, say, settings_of

DemoConfig = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings for it; by default none.")
]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen; loopback only by default.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")]


def demo(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8800,
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="The demo's own data folder.")] = Path(
        "demo-data"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Forgets what earlier demos left there.")] = False,
    no_open: Annotated[bool, typer.Option("--no-open", help="Opens no browser.")] = False,
    config: DemoConfig = None,
) -> None:
    """Shows the whole product in a browser: three phones, no token, no account, no network."""
    import asyncio

    from bot.run import run_demo

    asyncio.run(
        run_demo(host=host, port=port, data=data, fresh=fresh, open_browser=not no_open, config=config)
    )


def sandbox(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8800,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Keeps its chats here; else in memory only.")
    ] = None,
    config: Config = None,
) -> None:
    """Runs the Bot API sandbox alone, for any bot: any well-formed token is one."""
    import asyncio

    from bot.run import run_sandbox

    if config is not None:
        settings_of(config, None)  # nothing of it is for the sandbox, but a wrong one is told
    asyncio.run(run_sandbox(host=host, port=port, data=data))


def run(*, config: Config = None, data: Data = None) -> None:
    """Runs the bot with its token, until Ctrl+C."""
    with _loading():
        settings = settings_of(config, data)
        settings.telegram.required_token()
        import asyncio

        from bot.run import run_bot

    asyncio.run(run_bot(settings))


@contextmanager
def _loading() -> Iterator[None]:
    """What is loaded meanwhile stays until the end, so nobody looks for garbage in it, now or later: that
    took a tenth of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def version(*, config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """Says which version this is."""
    del config, data  # taken by every command
    from bot.version import version as running

    number = running()
    answer({"version": number}, as_json=as_json, show=lambda _: say(f"countersign {number}"))
