"""`countersign members tenant`: the teams that one bot serves, from the machine that it runs on."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.common import AsJson, Config, Data, answer, say, settings_of, table
from core.ids import TenantId
from core.model import Tenant

if TYPE_CHECKING:
    from bot.config import Settings
    from core.engine.answers import Refused
    from core.engine.tenants import TenantChanged
    from core.model import Principal
    from core.ports import Records

app = typer.Typer(
    help="The teams that this bot serves. Nothing crosses them; somebody may belong to several.",
    no_args_is_help=True,
)

TeamId = Annotated[str, typer.Argument(metavar="ID", help="The team's id, as `list` shows it.")]


@app.command("list")
def list_tenants(*, config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """Lists the teams, also while the bot runs."""
    settings = settings_of(config, data)
    from bot.cli import records as opened

    found = opened.look(settings, lambda records: [_told(records, each) for each in records.people.tenants()])
    columns = {
        "id": "ID",
        "name": "NAME",
        "state": "STATE",
        "members": "MEMBERS",
        "currency": "CURRENCY",
        "timezone": "TIME ZONE",
    }
    answer(found, as_json=as_json, show=lambda rows: table(rows, columns))


@app.command("add")
def add(
    tenant: Annotated[
        str, typer.Argument(metavar="ID", help="1 to 40 small letters, digits, - and _. It stays for good.")
    ],
    *,
    name: Annotated[str, typer.Option(help="How people call it.")],
    currency: Annotated[str, typer.Option(help="What amounts without a currency are in.")] = "EUR",
    timezone: Annotated[str, typer.Option(help="Its time zone, such as Europe/Berlin.")] = "UTC",
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Makes another team in this bot. `members invite --role admin --tenant ID` brings its first admin in."""
    made = _checked(tenant, name=name, currency=currency, timezone=timezone)
    settings = settings_of(config, data)
    from bot.cli import records as opened
    from core.engine.tenants import add_tenant

    def change(records: Records, by: Principal) -> TenantChanged | Refused:
        return add_tenant(records, by=by, tenant=made, now=opened.now())

    changed = opened.as_machine(settings, "tenants", made.id, change)

    def show(_: object) -> None:
        say(f"{changed.tenant.name} ({changed.tenant.id}) is a team of this bot now.")
        say(f"Its first admin: countersign members invite --role admin --tenant {changed.tenant.id}")

    answer(_facts(changed.tenant), as_json=as_json, show=show)


@app.command("deactivate")
def deactivate(tenant: TeamId, *, config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """Switches a team off: nothing runs for it, and people are told why. Its records stay."""
    _switch(settings_of(config, data), tenant, active=False, as_json=as_json)


@app.command("reactivate")
def reactivate(tenant: TeamId, *, config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """Switches a team on again: what waited and is still in time goes on."""
    _switch(settings_of(config, data), tenant, active=True, as_json=as_json)


def _switch(settings: Settings, tenant: str, *, active: bool, as_json: bool) -> None:
    from bot.cli import records as opened
    from core.engine.tenants import set_active

    def change(records: Records, by: Principal) -> TenantChanged | Refused:
        return set_active(records, by=by, active=active, now=opened.now())

    changed = opened.as_machine(settings, "tenants", TenantId(tenant), change)

    def show(_: object) -> None:
        state = "active" if active else "switched off"
        already = " already" if changed.before == changed.tenant else ""
        say(f"{changed.tenant.name} ({changed.tenant.id}) is {state}{already or ' now'}.")

    answer(_facts(changed.tenant), as_json=as_json, show=show)


def _checked(tenant: str, *, name: str, currency: str, timezone: str) -> Tenant:
    """The team, its fields as the settings ask for them. Raises BadParameter naming the first that is not."""
    from pydantic import ValidationError

    from bot.config import TenantSettings

    name = " ".join(name.split())
    try:
        fits = TenantSettings(id=tenant, name=name, currency=currency, timezone=timezone)
    except ValidationError as error:
        field = str(error.errors(include_url=False)[0]["loc"][0])
        wanted = TenantSettings.model_fields[field].description
        raise typer.BadParameter(str(wanted), param_hint="ID" if field == "id" else f"--{field}") from None
    if not name.isprintable():
        raise typer.BadParameter("1 to 80 printable characters", param_hint="--name")
    return Tenant(
        id=TenantId(fits.id),
        name=fits.name,
        active=True,
        currency=fits.currency,
        timezone=fits.timezone,
    )


def _told(records: Records, tenant: Tenant) -> dict[str, Any]:
    return {**_facts(tenant), "members": len(records.people.members(tenant.id))}


def _facts(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "name": tenant.name,
        "state": "active" if tenant.active else "off",
        "currency": tenant.currency,
        "timezone": tenant.timezone,
    }
