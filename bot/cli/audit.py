"""`countersign audit`: does the chain hold, and what stands in it."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import to_builtins

from bot.cli.common import AsJson, Config, Data, answer, say, say_error, settings_of
from core.errors import ConfigError
from core.ids import TenantId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.cli.records import Report

app = typer.Typer(help="The audit chain: verify it, export it.", no_args_is_help=True)

OneTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="ID", help="The tenant; by default that of the settings.")
]


@app.command("verify")
def verify_command(
    *,
    head: Annotated[
        str | None,
        typer.Option(metavar="SEQ:HASH", help="A head of the tenant's chain that you kept outside."),
    ] = None,
    tenant: OneTenant = None,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Checks every chain and its mirror, line by line; ends with 1 where one does not hold.

    Works while the bot runs. A head that you noted earlier also shows whether the whole chain was rewritten.
    """
    noted = None if head is None else _head(head)
    settings = settings_of(config, data)
    from bot.cli import records

    one = TenantId(tenant or settings.tenant.id)
    report = records.verify(
        settings.storage.database,
        records.audit_folder(settings),
        heads=None if noted is None else {one: noted},
    )
    answer(_as_json(report), as_json=as_json, show=lambda _: _show(report))
    if not report.ok:
        raise typer.Exit(1)


@app.command("export")
def export_command(
    *,
    tenant: OneTenant = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Into a file, not standard output.")
    ] = None,
    config: Config = None,
    data: Data = None,
) -> None:
    """Writes a chain as JSON lines, in the form of the mirror. Works while the bot runs."""
    settings = settings_of(config, data)
    from bot.cli import records

    lines = records.export(settings.storage.database, TenantId(tenant or settings.tenant.id))
    if output is None:
        sys.stdout.buffer.writelines(lines)
        sys.stdout.buffer.flush()
        return
    say_error(f"{_write(output, lines)} events written to {output}.")


def _write(output: Path, lines: Iterable[bytes]) -> int:
    count = 0
    try:
        # A new file is nobody else's, as the records are.
        with open(output, "wb", opener=partial(os.open, mode=0o600)) as file:
            for line in lines:
                count += 1
                file.write(line)
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}.") from None
    return count


def _head(text: str) -> tuple[int, str]:
    match = re.fullmatch(r"(\d{1,18}):([0-9a-fA-F]{64})", text.strip())
    if match is None:
        raise typer.BadParameter(
            "a head is a number, a colon and 64 hexadecimal characters", param_hint="--head"
        )
    return int(match[1]), match[2].lower()


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "chains": [to_builtins(chain) for chain in report.chains],
        "findings": [to_builtins(found) for found in report.findings],
    }


def _show(report: Report) -> None:
    broken = {found.tenant_id for found in report.findings}
    for chain in report.chains:
        verdict = "DOES NOT HOLD" if chain.tenant_id in broken else "holds"
        behind = "" if chain.mirrored in (None, chain.seq) else f", mirror up to {chain.mirrored}"
        erased = f", {chain.erased} of them without their content, which was erased" if chain.erased else ""
        say(f"{chain.tenant_id}: {chain.events} events, the chain {verdict}{behind}{erased}")
        say(f"  head {chain.seq}:{chain.hash}")
    if not report.chains:
        say("No events yet.")
    for found in report.findings:
        say(f"BREAK {found}")
