"""`countersign schedules`: what is done at its times, from the machine that the bot runs on."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bot.cli.common import AsJson, Config, Data, answer, say, settings_of, table
from core.errors import Code, Refusal
from core.ids import TenantId, read_short_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.engine.answers import Refused
    from core.engine.schedules import Scheduled
    from core.model import Principal, Schedule
    from core.ports import Records

    Change = Callable[..., Scheduled | Refused]

app = typer.Typer(
    help="What is done at its times: by people's schedules, and by the file's.", no_args_is_help=True
)

Named = Annotated[str, typer.Argument(metavar="ID", help="The schedule's id, as `list` shows it.")]
Tenant = Annotated[
    str | None, typer.Option("--tenant", metavar="ID", help="Another team than the bot's own.")
]
_COLUMNS: Final = {
    "id": "ID",
    "what": "WHAT",
    "when": "WHEN",
    "next": "NEXT",
    "by": "BY",
    "state": "STATE",
    "source": "FROM",
}
_MOST: Final = 10_000


@app.command("list")
def list_schedules(
    *, tenant: Tenant = None, config: Config = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Lists what is scheduled, also while the bot runs."""
    settings = settings_of(config, data)
    from bot.cli import records as opened
    from core.engine.members import at_machine
    from core.engine.schedules import listed

    team = TenantId(tenant or settings.tenant.id)

    def read(records: Records) -> list[dict[str, Any]]:
        found = listed(records, by=at_machine(team), limit=_MOST)
        names = {each.person_id: each.name for each in records.people.members(team)}
        return [_told(each, names.get(each.requester_id, "")) for each in found]

    def show(rows: list[dict[str, Any]]) -> None:
        if rows:
            table([{key: row[key] or "" for key in _COLUMNS} for row in rows], _COLUMNS)
        else:
            say("Nothing is scheduled.")

    answer(opened.look(settings, read), as_json=as_json, show=show)


@app.command("pause")
def pause_schedule(
    schedule: Named,
    *,
    tenant: Tenant = None,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Holds a schedule: its times pass. While the bot runs: /schedules, in chat."""
    from core.engine.schedules import pause

    _change(pause, schedule, "is paused", tenant=tenant, config=config, data=data, as_json=as_json)


@app.command("resume")
def resume_schedule(
    schedule: Named,
    *,
    tenant: Tenant = None,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Lets a paused schedule go on with its next time."""
    from core.engine.schedules import resume

    _change(resume, schedule, "goes on", tenant=tenant, config=config, data=data, as_json=as_json)


@app.command("delete")
def delete_schedule(
    schedule: Named,
    *,
    tenant: Tenant = None,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Ends a schedule for good. What it has done stays as it is."""
    from core.engine.schedules import delete

    _change(delete, schedule, "has ended", tenant=tenant, config=config, data=data, as_json=as_json)


def _change(
    verb: Change,
    named: str,
    words: str,
    *,
    tenant: str | None,
    config: Config,
    data: Data,
    as_json: bool,
) -> None:
    settings = settings_of(config, data)
    from datetime import UTC, datetime

    from bot.cli import records as opened
    from core.ports import Now

    team = TenantId(tenant or settings.tenant.id)

    def change(records: Records, by: Principal) -> Scheduled | Refused:
        found = records.schedules.by_short_id(team, read_short_id(named))
        if found is None:
            told = f"No schedule has the id {named!r}. `countersign schedules list` shows them."
            raise Refusal(Code.NOT_FOUND, told)
        now = Now(wall=opened.now(), real=datetime.now(UTC))
        return verb(records, by=by, schedule_id=found.id, now=now)

    changed = opened.as_machine(settings, "schedules", team, change)

    def show(_: object) -> None:
        say(f"{changed.schedule.title} (#{changed.schedule.short_id}) {words}.")

    answer(_told(changed.schedule, ""), as_json=as_json, show=show)


def _told(schedule: Schedule, by: str) -> dict[str, Any]:
    from core.schedule_rules import in_words

    state = "ended" if schedule.ended_at else "paused" if schedule.paused_at else "live"
    return {
        "id": schedule.short_id,
        "what": schedule.title,
        "tool": schedule.tool,
        "arguments": dict(schedule.arguments),
        "when": in_words(schedule.rule),
        "rule": schedule.rule,
        "timezone": schedule.timezone,
        "next": _next(schedule) if state == "live" else None,
        "by": by,
        "state": state,
        "missed": schedule.missed.value,
        "source": schedule.source or "chat",
    }


def _next(schedule: Schedule) -> str | None:
    from core.schedule_rules import zone_of

    if schedule.next_at is None:
        return None
    return schedule.next_at.astimezone(zone_of(schedule.timezone)).isoformat(timespec="minutes")
