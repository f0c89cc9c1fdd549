"""`countersign prune | erase`: old records that are of no use any more, and a person's content."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bot.cli.common import AsJson, Config, Data, answer, say, settings_of
from bot.cli.progress import share

if TYPE_CHECKING:
    from core.model import Person

_MOST: Final = timedelta(days=36_525)


def prune(
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help='Such as "90d", at least 2d.')
    ] = "90d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only says what would go.")] = False,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Takes away old records that nothing needs: handled updates, sent messages, old signals and alarms.

    Never the audit, calls or their results. A running bot does it by itself ([retention]).
    """
    older = _duration(older_than)
    settings = settings_of(config, data)
    from bot.cli import kept

    found = kept.spent(settings, older)
    if not dry_run and any(found.values()):
        with share("Pruning", quiet=as_json) as progress:
            done, total = 0, sum(found.values())

            def gone(rows: int) -> None:
                nonlocal done
                done += rows
                progress(done, total)

            found = kept.prune(settings, older, progress=gone)
    counted = {what.value: count for what, count in found.items() if count}

    def show(_: object) -> None:
        for name, count in counted.items():
            say(f"  {name}: {count}")
        verb = "would go" if dry_run else "are gone"
        say(f"{sum(counted.values())} rows {verb}." if counted else "Nothing is old enough to go.")

    answer({"dry_run": dry_run, "rows": counted}, as_json=as_json, show=show)


def _duration(text: str) -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    from bot.config_keeping import LEAST
    from bot.config_kinds import Duration

    try:
        older: timedelta = TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        older = timedelta(0)
    if not LEAST <= older <= _MOST:
        raise typer.BadParameter(
            'a duration from 2 days to 100 years, such as "90d"', param_hint="--older-than"
        )
    return older


def erase(
    who: Annotated[
        str, typer.Argument(metavar="PERSON", help="Their name, Telegram id or id, as `members list` shows.")
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Does not ask before.")] = False,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Takes away a person's content from the records and the audit, for good. Every chain still holds.

    The bot must be stopped, and their calls have ended. Backups that were made before still hold it,
    and so do the folders before-restore-… in the data folder. With --json it needs --yes.
    """
    settings = settings_of(config, data)
    from bot.cli import kept

    if as_json and not yes:
        raise typer.BadParameter("needed with --json, where nobody is asked", param_hint="--yes")
    person = kept.person_of(settings, who)
    if not yes:
        _ask(person)
    erased, lines = kept.erase_person(settings, person.id)
    events = sum(erased.events.values())

    def show(_: object) -> None:
        say(f"Erased: the content of {len(erased.calls)} calls and {events} audit events of {person.name}.")
        say(f"  {lines} lines of the audit mirror were blanked. `countersign audit verify` still holds.")
        say("  What they were sent in their own chat stays on their phone.")
        say("  Old backups still hold it, and so do the folders before-restore-… in the data folder.")

    told = {"calls": len(erased.calls), "events": erased.events, "mirror_lines": lines}
    answer({"person_id": person.id, **told}, as_json=as_json, show=show)


def _ask(person: Person) -> None:
    typer.confirm(
        f"Everything that {person.name} wrote, and their memberships, will be gone for good. Erase it?",
        abort=True,
        err=True,
    )
