"""`countersign members`: who belongs to the tenant, from the machine that the bot runs on."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli import tenants
from bot.cli.common import AsJson, Config, Data, answer, say, settings_of, table
from core.errors import Code, Refusal
from core.ids import PersonId, TenantId
from core.model import Channel, Identity, Person, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.config import Settings
    from core.engine.answers import Refused
    from core.engine.members import Invited, InviteEnded, RoleChanged
    from core.model import Invite, Principal
    from core.ports import Records

app = typer.Typer(
    help="Who belongs here. Changes need the bot to be stopped; inside, admins use /members and /invite.",
    no_args_is_help=True,
)

app.add_typer(tenants.app, name="tenant")

Who = Annotated[str, typer.Argument(help="A person: Telegram id, name, or the id that `list` shows.")]
OfTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="ID", help="Which team; by default the one of the settings.")
]
GivenRole = Annotated[Role, typer.Option("--role", help="What they may do; each includes the one before.")]


@app.command("list")
def list_members(
    *, tenant: OfTenant = None, config: Config = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Lists the members, also while the bot runs."""
    settings = settings_of(config, data)
    from bot.cli import records

    found = records.look(settings, lambda records: _members(records, _tenant_id(settings, tenant)))
    columns = {"name": "NAME", "role": "ROLE", "telegram_id": "TELEGRAM", "person_id": "ID"}

    def show(rows: list[dict[str, Any]]) -> None:
        table(rows, columns) if rows else say("Nobody yet. `countersign run` prints a code to claim the bot.")

    answer(found, as_json=as_json, show=show)


@app.command("add")
def add(
    *,
    telegram_id: Annotated[
        int, typer.Option(min=1, help="Their number at Telegram; they find it with /whoami.")
    ],
    name: Annotated[str, typer.Option(help="How they are called here.")],
    role: GivenRole = Role.MEMBER,
    tenant: OfTenant = None,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Makes somebody a member. The bot can write to them once they have written to it."""
    name = " ".join(name.split())
    if not name or len(name) > 80 or not name.isprintable():
        raise typer.BadParameter("1 to 80 printable characters", param_hint="--name")
    settings = settings_of(config, data)
    from bot.cli import records as opened

    def known(records: Records, _: TenantId) -> PersonId:
        return _known_or_new(records, str(telegram_id), name, new_id=opened.new_id())

    _tell(_set_role(settings, tenant, known, role), as_json=as_json)


@app.command("role")
def role_command(
    who: Who,
    role: Annotated[Role, typer.Argument(help="Their role from now on.")],
    *,
    tenant: OfTenant = None,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Changes a member's role. The last admin stays one."""
    settings = settings_of(config, data)
    _tell(_set_role(settings, tenant, lambda r, of: _member(r, of, who), role), as_json=as_json)


@app.command("remove")
def remove(
    who: Who,
    *,
    tenant: OfTenant = None,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Takes a membership away: their taps count no more, their records stay. Not the last admin's."""
    settings = settings_of(config, data)
    _tell(_set_role(settings, tenant, lambda r, of: _member(r, of, who), None), as_json=as_json)


@app.command("invite")
def invite_command(
    *,
    role: GivenRole = Role.MEMBER,
    days: Annotated[int, typer.Option(min=1, max=30, help="How long the code is valid.")] = 7,
    tenant: OfTenant = None,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Makes an invite: whoever first sends its code to the bot gets the role. It is shown once."""
    settings = settings_of(config, data)
    code, invited = make_invite(settings, role, days=days, tenant=tenant)
    found = {
        "code": code,
        "role": role.value,
        "tenant": invited.tenant_id,
        "expires_at": invited.expires_at.isoformat(),
    }

    def show(_: object) -> None:
        say(f"Send this to the bot within {days} days to become {role}:  /start {code}")
        say("It works once, and is not shown again.")

    answer(found, as_json=as_json, show=show)


@app.command("invites")
def invites(
    *, tenant: OfTenant = None, config: Config = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Lists the open invites, also while the bot runs. Their codes are kept nowhere."""
    settings = settings_of(config, data)
    from bot.cli import records as opened

    found = opened.look(settings, lambda records: _invites(records, _tenant_id(settings, tenant)))
    columns = {"id": "ID", "role": "ROLE", "by": "BY", "expires_at": "UNTIL"}

    def show(rows: list[dict[str, Any]]) -> None:
        table(rows, columns) if rows else say("No invite is open.")

    answer(found, as_json=as_json, show=show)


@app.command("uninvite")
def uninvite(
    invite: Annotated[str, typer.Argument(metavar="ID", help="The id that `invites` shows.")],
    *,
    tenant: OfTenant = None,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Ends an open invite: its code is worth nothing from then on."""
    settings = settings_of(config, data)
    from bot.cli import records as opened
    from core.engine.members import end_invite

    def change(records: Records, by: Principal) -> InviteEnded | Refused:
        now = opened.now()
        of = _tenant_id(settings, tenant)
        meant = [each.code_hash for each in records.invites.open(of, now=now) if _id(each) == invite]
        return end_invite(records, by=by, code_hash=meant[0] if meant else "", now=now)

    ended = opened.as_machine(settings, "members", _tenant_id(settings, tenant), change).invite
    found = {"id": _id(ended), "role": ended.role.value}
    answer(found, as_json=as_json, show=lambda _: say(f"The invite {_id(ended)} is worth nothing any more."))


def make_invite(
    settings: Settings, role: Role, *, days: int, tenant: str | None = None
) -> tuple[str, Invited]:
    """A fresh code and its invite. Raises ConfigError while a bot runs on the data folder."""
    from datetime import timedelta

    from bot.cli import records as opened
    from bot.codes import new_code
    from core.engine.members import code_hash, invite

    code = new_code()

    def change(records: Records, by: Principal) -> Invited | Refused:
        now = opened.now()
        return invite(
            records,
            by=by,
            role=role,
            code_hash=code_hash(code),
            expires_at=now + timedelta(days=days),
            now=now,
        )

    return code, opened.as_machine(settings, "members", _tenant_id(settings, tenant), change)


def _set_role(
    settings: Settings,
    tenant: str | None,
    who: Callable[[Records, TenantId], PersonId],
    role: Role | None,
) -> RoleChanged:
    """Gives whoever is meant this role. Raises the verb's Refusal, and ConfigError for a broken policy: open
    cards go to who may sign them, which policy says."""
    from bot.cli import records as opened
    from core.engine.members import set_role
    from core.ports import Now

    env, of = opened.env_of(settings), _tenant_id(settings, tenant)

    def change(records: Records, by: Principal) -> RoleChanged | Refused:
        person_id = who(records, of)
        now = Now(wall=opened.now(), real=opened.now())
        return set_role(records, by=by, person_id=person_id, role=role, now=now, env=env)

    return opened.as_machine(settings, "members", of, change)


def _tenant_id(settings: Settings, tenant: str | None) -> TenantId:
    return TenantId(tenant or settings.tenant.id)


def _known_or_new(records: Records, subject: str, name: str, *, new_id: str) -> PersonId:
    """The person of this Telegram account; one the bot has not met is made known by this name."""
    from bot.cli import records as opened

    known = records.people.identity(Channel.TELEGRAM, subject)
    if known is not None:
        return known.person_id
    person = Person(id=PersonId(new_id), name=name, timezone=None, currency=None, end_replies=True)
    records.people.add_person(person, now=opened.now())
    records.people.add_identity(
        Identity(channel=Channel.TELEGRAM, subject=subject, person_id=person.id, private_chat=None)
    )
    return person.id


def _members(records: Records, tenant_id: TenantId) -> list[dict[str, Any]]:
    _check_team(records, tenant_id)
    return [
        {
            "name": member.name,
            "role": member.role.value,
            "telegram_id": _telegram(records, member.person_id),
            "person_id": member.person_id,
        }
        for member in records.people.members(tenant_id)
    ]


def _check_team(records: Records, tenant_id: TenantId) -> None:
    if records.people.tenant(tenant_id) is None:
        raise Refusal(
            Code.TENANT_UNKNOWN, f"There is no team {tenant_id!r}. `members tenant list` shows all."
        )


def _invites(records: Records, tenant_id: TenantId) -> list[dict[str, Any]]:
    from bot.cli import records as opened

    names = {str(member.person_id): member.name for member in records.people.members(tenant_id)}
    return [
        {
            "id": _id(each),
            "role": each.role.value,
            "by": names.get(each.created_by, each.created_by),
            "expires_at": each.expires_at.isoformat(timespec="minutes"),
        }
        for each in records.invites.open(tenant_id, now=opened.now())
    ]


def _id(invite: Invite) -> str:
    """What names an invite to people: nothing of its code can be told from it."""
    return invite.code_hash[:12]


def _telegram(records: Records, person_id: PersonId) -> str:
    identities = records.people.identities(person_id)
    return next((each.subject for each in identities if each.channel is Channel.TELEGRAM), "")


def _member(records: Records, tenant_id: TenantId, who: str) -> PersonId:
    """The member that is meant. Raises a Refusal where it is nobody, or more than one."""
    from bot.cli.people import asker

    _check_team(records, tenant_id)
    return asker(records, tenant_id, who).person_id


def _tell(changed: RoleChanged, *, as_json: bool) -> None:
    found = {
        "person_id": changed.person.id,
        "name": changed.person.name,
        "role": changed.role and changed.role.value,
        "before": changed.before and changed.before.value,
    }

    def show(_: object) -> None:
        if changed.role is None:
            say(f"{changed.person.name} is no member any more.")
        elif changed.role is changed.before:
            say(f"{changed.person.name} is {changed.role} already.")
        else:
            say(f"{changed.person.name} is {changed.role} now.")

    answer(found, as_json=as_json, show=show)
