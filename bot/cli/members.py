"""`countersign members`: who belongs to the tenant, from the machine that the bot runs on."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from bot.cli.common import AsJson, Config, Data, answer, say, settings_of, table
from core.errors import Code, Refusal
from core.ids import PersonId, TenantId
from core.model import Channel, Identity, Person, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.config import Settings
    from core.engine.answers import Refused
    from core.engine.members import Invited, RoleChanged
    from core.model import Principal
    from core.ports import Records

A = TypeVar("A")

app = typer.Typer(
    help="Who belongs here. Changes need the bot to be stopped; inside, admins use /members and /invite.",
    no_args_is_help=True,
)

Who = Annotated[str, typer.Argument(help="A person: Telegram id, name, or the id that `list` shows.")]
GivenRole = Annotated[Role, typer.Option("--role", help="What they may do; each includes the one before.")]


@app.command("list")
def list_members(*, config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """Lists the members, also while the bot runs."""
    settings = settings_of(config, data)
    from bot.cli import records

    found = records.look(settings, lambda records: _members(records, _tenant_id(settings)))
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

    def change(records: Records, by: Principal) -> RoleChanged | Refused:
        person_id = _known_or_new(records, str(telegram_id), name, new_id=opened.new_id())
        return _set_role(records, by, person_id, role)

    _tell(_changed(settings, change), as_json=as_json)


@app.command("role")
def role_command(
    who: Who,
    role: Annotated[Role, typer.Argument(help="Their role from now on.")],
    *,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Changes a member's role. The last admin stays one."""
    settings = settings_of(config, data)
    tenant = _tenant_id(settings)
    answered = _changed(
        settings, lambda records, by: _set_role(records, by, _member(records, tenant, who), role)
    )
    _tell(answered, as_json=as_json)


@app.command("remove")
def remove(who: Who, *, config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """Takes a membership away: their taps count no more, their records stay. Not the last admin's."""
    settings = settings_of(config, data)
    tenant = _tenant_id(settings)
    answered = _changed(
        settings, lambda records, by: _set_role(records, by, _member(records, tenant, who), None)
    )
    _tell(answered, as_json=as_json)


@app.command("invite")
def invite_command(
    *,
    role: GivenRole = Role.MEMBER,
    days: Annotated[int, typer.Option(min=1, max=30, help="How long the code is valid.")] = 7,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Makes an invite: whoever first sends its code to the bot gets the role. It is shown once."""
    settings = settings_of(config, data)
    code, invited = make_invite(settings, role, days=days)
    found = {"code": code, "role": role.value, "expires_at": invited.expires_at.isoformat()}

    def show(_: object) -> None:
        say(f"Send this to the bot within {days} days to become {role}:  /start {code}")
        say("It works once, and is not shown again.")

    answer(found, as_json=as_json, show=show)


def make_invite(settings: Settings, role: Role, *, days: int) -> tuple[str, Invited]:
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

    return code, _changed(settings, change)


def _changed(settings: Settings, change: Callable[[Records, Principal], A | Refused]) -> A:
    """Runs a verb as whoever sits at this machine. Raises its Refusal."""
    from bot.cli import records as opened
    from core.engine.answers import Refused
    from core.engine.members import at_machine

    by = at_machine(_tenant_id(settings))
    answered = opened.work(settings, "members", lambda records: change(records, by))
    if isinstance(answered, Refused):
        raise answered.refusal
    return answered


def _set_role(
    records: Records, by: Principal, person_id: PersonId, role: Role | None
) -> RoleChanged | Refused:
    from bot.cli import records as opened
    from core.engine.members import set_role

    return set_role(records, by=by, person_id=person_id, role=role, now=opened.now())


def _tenant_id(settings: Settings) -> TenantId:
    return TenantId(settings.tenant.id)


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
    return [
        {
            "name": member.name,
            "role": member.role.value,
            "telegram_id": _telegram(records, member.person_id),
            "person_id": member.person_id,
        }
        for member in records.people.members(tenant_id)
    ]


def _telegram(records: Records, person_id: PersonId) -> str:
    identities = records.people.identities(person_id)
    return next((each.subject for each in identities if each.channel is Channel.TELEGRAM), "")


def _member(records: Records, tenant_id: TenantId, who: str) -> PersonId:
    """The member that is meant. Raises a Refusal where it is nobody, or more than one."""
    members = _members(records, tenant_id)
    exact = [each for each in members if who in (each["person_id"], each["telegram_id"])]
    named = [each for each in members if each["name"].casefold() == who.strip().casefold()]
    found = exact or named
    if len(found) > 1:
        raise Refusal(
            Code.NOT_FOUND, f"{len(found)} members are called {who!r}: give the id that `list` shows."
        )
    if not found:
        raise Refusal(Code.NOT_FOUND, f"No member is called {who!r}. `countersign members list` shows them.")
    person_id: PersonId = found[0]["person_id"]
    return person_id


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
