"""`countersign pause` and `resume`: the kill switch from the machine, also while the bot runs."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.common import AsJson, Config, Data, answer, say, settings_of

if TYPE_CHECKING:
    from datetime import datetime

    from bot.config import Settings
    from core.engine import Env
    from core.engine.answers import Refused
    from core.engine.switches import Paused, Resumed
    from core.ids import TenantId
    from core.model import Principal, Switch, Target
    from core.ports import Records

OfTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="ID", help="One team only; by default all of the bot's.")
]
OneTool = Annotated[str | None, typer.Option("--tool", metavar="NAME", help="One tool only.")]
OneAdapter = Annotated[str | None, typer.Option("--adapter", metavar="NAME", help="One adapter only.")]


def pause(
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; whoever waits reads it.")],
    tenant: OfTenant = None,
    tool: OneTool = None,
    adapter: OneAdapter = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="For so long (2h, 30m), or until 18:00.")
    ] = None,
    cancel_running: Annotated[
        bool, typer.Option("--cancel-running", help="Also asks what runs to stop; else it goes on.")
    ] = False,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Nothing starts any more, in a running bot too, until the time is over or `resume`."""
    settings = settings_of(config, data)
    target, name = _target(tool, adapter)
    from bot.cli import records as opened
    from core.engine.switches import pause as verb
    from core.ports import Now

    now = opened.now()
    until = None if for_ is None else _end(for_, now=now, settings=settings)

    def change(records: Records, by: Principal) -> Paused | Refused:
        return verb(
            records,
            by=by,
            target=target,
            name=name,
            everywhere=tenant is None,
            reason=reason,
            until=until,
            cancel_running=cancel_running,
            now=Now(wall=now, real=now),
            env=_env(settings),
        )

    done = opened.beside(settings, "pause", _team(settings, tenant), change)

    def show(_: object) -> None:
        say(f"Paused: {_what(done.switch)}. {_until(done.switch)}")
        say(f"Held now: {done.waiting}. Running and asked to stop: {len(done.stopping)}.")

    found = {**_facts(done.switch), "waiting": done.waiting, "stopping": list(done.stopping)}
    answer(found, as_json=as_json, show=show)


def resume(
    *,
    tenant: OfTenant = None,
    tool: OneTool = None,
    adapter: OneAdapter = None,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Ends the pause of just this; what waited is taken in its order, at once where the bot runs."""
    settings = settings_of(config, data)
    target, name = _target(tool, adapter)
    from bot.cli import records as opened
    from core.engine.switches import is_everywhere
    from core.engine.switches import resume as verb
    from core.ports import Now

    now, team = opened.now(), _team(settings, tenant)

    def change(records: Records, by: Principal) -> Resumed | Refused:
        all_of_them = tenant is None and is_everywhere(records, team, target, name, everywhere=True, now=now)
        return verb(
            records,
            by=by,
            target=target,
            name=name,
            everywhere=all_of_them,
            now=Now(wall=now, real=now),
            env=_env(settings),
        )

    done = opened.beside(settings, "resume", team, change)
    found = {**_facts(done.switch), "waiting": done.waiting}
    waited = f" It held {done.waiting}." if done.waiting else ""
    answer(found, as_json=as_json, show=lambda _: say(f"Resumed: {_what(done.switch)}.{waited}"))


def _env(settings: Settings) -> Env:
    """What the verbs need. No policy: whatever is wrong with that, everything can be stopped."""
    from bot.cli import records as opened
    from core.engine import Env
    from core.policy import Policy

    home = _team(settings, None)
    return Env(registry=opened.registry_of(settings), policy=Policy, new_id=opened.new_id, home=home)


def _target(tool: str | None, adapter: str | None) -> tuple[Target, str]:
    from core.model import Target

    if tool is not None and adapter is not None:
        raise typer.BadParameter("give --tool or --adapter, not both", param_hint="--adapter")
    if tool is not None:
        return Target.TOOL, tool
    return (Target.EVERYTHING, "") if adapter is None else (Target.ADAPTER, adapter)


def _end(given: str, *, now: datetime, settings: Settings) -> datetime:
    from zoneinfo import ZoneInfo

    from core.errors import InvalidInput
    from core.parsing.pausing import read_end

    plain = given.removeprefix("until ").strip()
    try:
        return read_end(plain, now=now, zone=ZoneInfo(settings.tenant.timezone))
    except InvalidInput as wrong:
        raise typer.BadParameter(wrong.allowed, param_hint="--for") from None


def _team(settings: Settings, tenant: str | None) -> TenantId:
    from core.ids import TenantId

    return TenantId(tenant or settings.tenant.id)


def _what(switch: Switch) -> str:
    from core.switches import what

    return f"{what(switch)}{' of every team' if switch.tenant_id is None else f' of {switch.tenant_id}'}"


def _until(switch: Switch) -> str:
    if switch.until is None:
        return "It stays so until it is resumed."
    return f"It ends by itself at {switch.until:%Y-%m-%d %H:%M} UTC."


def _facts(switch: Switch) -> dict[str, Any]:
    return {
        "id": switch.id,
        "target": switch.target.value,
        "name": switch.name,
        "tenant": switch.tenant_id,
        "reason": switch.reason,
        "until": None if switch.until is None else switch.until.isoformat(),
    }
