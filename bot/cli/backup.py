"""`countersign backup | restore`: a copy of everything, and putting it back so that nothing runs unasked."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.common import AsJson, Config, Data, answer, say, settings_of
from bot.cli.progress import share

if TYPE_CHECKING:
    from datetime import datetime

    from bot.cli.kept import Manifest, Outcome
    from core.engine.restored import Restored
    from core.ports import Records


def backup(
    to: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="A new file, or a folder that gets one named by time.")
    ],
    *,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Writes a backup of the records into one file, also while the bot runs. Your settings are not in it."""
    settings = settings_of(config, data)
    from bot.cli import kept, records

    file = to / f"countersign-{records.now():%Y%m%d-%H%M%S}.tar" if to.is_dir() else to
    with share("Copying", quiet=as_json) as progress:
        manifest = kept.backup(settings, file, progress=progress)
    facts = {
        "file": str(file),
        "taken_at": manifest.taken_at,
        "schema": manifest.schema,
        "parts": len(manifest.parts),
        "bytes": sum(part.size for part in manifest.parts),
        "chains": {tenant: f"{seq}:{head}" for tenant, (seq, head) in manifest.chains.items()},
    }
    answer(facts, as_json=as_json, show=_show_backup)


def _show_backup(facts: dict[str, Any]) -> None:
    say(f"Backup written: {facts['file']} ({facts['bytes'] / 1024**2:.1f} MB, {facts['parts']} parts).")
    for tenant, head in sorted(facts["chains"].items()):
        say(f"  {tenant} ends at {head}")
    say("It holds what people wrote, and only this user can read it. Keep your config and secrets besides.")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also in place of newer records, which are moved aside.")
    ] = False,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Puts a backup into the data folder. What was signed is asked for again; nothing runs by itself.

    The bot must be stopped. What the folder held is moved aside, not deleted.
    """
    settings = settings_of(config, data)
    from bot.cli import kept

    with share("Restoring", quiet=as_json) as progress:
        done = kept.restore(settings, file, force=force, progress=progress, tell=_tell_admins)
    answer(_facts(done), as_json=as_json, show=lambda _: _show_restore(done))
    if not done.report.ok:
        raise typer.Exit(1)


def _tell_admins(records: Records, manifest: Manifest, restored: Restored, now: datetime) -> None:
    from bot.telegram.members import admins_chats
    from bot.telegram.render.keeping import restored as render
    from bot.telegram.replies import reply

    for tenant in records.people.tenants():
        for chat in admins_chats(records, tenant.id):
            reply(
                records,
                tenant.id,
                chat,
                render(restored, taken_at=manifest.at, now=now),
                now=now,
            )


def _facts(done: Outcome) -> dict[str, Any]:
    restored, stopped = done.restored, done.restored.stopped
    return {
        "taken_at": done.manifest.taken_at,
        "asked_again": restored.asked_again,
        "interrupted": restored.interrupted,
        "ended": restored.ended,
        "schedules_passed": restored.passed,
        "grants_revoked": stopped.grants,
        "invites_ended": stopped.invites,
        "messages_dropped": stopped.messages,
        "updates_dropped": stopped.updates,
        "audit_ok": done.report.ok,
        "findings": [str(found) for found in done.report.findings],
    }


def _show_restore(done: Outcome) -> None:
    restored, stopped = done.restored, done.restored.stopped
    say(f"Restored: the records as they were on {done.manifest.at:%d %b %Y, %H:%M} UTC.")
    say(f"  {restored.asked_again} calls are asked for again, {restored.ended} had no time left.")
    say(f"  {restored.interrupted} were running: somebody must say what became of them.")
    say(f"  {restored.passed} schedules had a time meanwhile, which is not made up for.")
    say(f"  {stopped.grants} grants and {stopped.invites} invites count no more.")
    say("  Roles and tokens are those of the backup: look at `members list` and `token list`.")
    for found in done.report.findings:
        say(f"BREAK {found}")
    say("Start the bot when you are ready. Its admins are told.")
