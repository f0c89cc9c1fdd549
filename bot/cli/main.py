"""The command `countersign`: its groups put together, and what becomes of errors.

Commands end with 0, with 1 where they failed (a plain line says why), with 2 where they were wrongly called.
"""

from __future__ import annotations

import typer

from bot.cli import (
    audit,
    backup,
    doctor,
    init,
    members,
    policy,
    prune,
    runs,
    schedules,
    start,
    status,
    switches,
    token,
    webhook,
)
from bot.cli.common import Commands

app = typer.Typer(
    name="countersign",
    cls=Commands,
    help="Tool calls from chat, with a human signature on the risky ones.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(start.demo)
app.command("sandbox")(start.sandbox)
app.command("run")(start.run)
app.command("run-file")(runs.run_file)
app.command("execute")(runs.execute)
app.command("pause")(switches.pause)
app.command("resume")(switches.resume)
app.command("init")(init.init)
app.add_typer(members.app, name="members")
app.add_typer(token.app, name="token")
app.add_typer(policy.app, name="policy")
app.add_typer(schedules.app, name="schedules")
app.add_typer(audit.app, name="audit")
app.add_typer(webhook.app, name="webhook")
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("prune")(prune.prune)
app.command("erase")(prune.erase)
app.command("doctor")(doctor.doctor)
app.command("status")(status.status)
app.command("version")(start.version)


def main() -> None:
    """The console entry."""
    app()


if __name__ == "__main__":
    main()
