"""`countersign token`: tokens for programs that act as a member, from the machine that the bot runs on."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.common import AsJson, Config, Data, answer, say, settings_of, table
from core.errors import Code, Refusal
from core.ids import AccountId, TenantId, TokenId
from core.model import ApiToken

if TYPE_CHECKING:
    from bot.config import Settings
    from core.engine.answers import Refused
    from core.engine.tokens import Issued, Revoked
    from core.model import Principal
    from core.ports import Records

app = typer.Typer(
    help="Tokens for programs, for the HTTP door. Making and revoking them needs the bot to be stopped.",
    no_args_is_help=True,
)
MOST_DAYS = 366
_COLUMNS = {
    "name": "NAME",
    "person": "ACTS AS",
    "state": "STATE",
    "expires_at": "EXPIRES",
    "accounts": "ACCOUNTS",
    "token_id": "ID",
}

OfTenant = Annotated[str, typer.Option("--tenant", help="The team; by default the one of the settings.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the program is called here, such as nightly-report.")],
    *,
    person: Annotated[str, typer.Option("--person", help="The member it acts as: Telegram id, name, or id.")],
    tenant: OfTenant = "",
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="How long it is valid.")] = 90,
    accounts: Annotated[
        str,
        typer.Option("--accounts", help="The accounts it is limited to, with commas; by default it is not."),
    ] = "",
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Makes a token. It is shown once; whoever has it can do what that member may."""
    name = " ".join(name.split())
    if not name or len(name) > 80 or not name.isprintable():
        raise typer.BadParameter("1 to 80 printable characters", param_hint="NAME")
    settings = settings_of(config, data)
    settings.http.required_key()
    of = TenantId(tenant or settings.tenant.id)
    text, token = _create(settings, name, of=of, who=person, days=days, accounts=_accounts(accounts, of))
    found = {"token": text, **_shape(token, person=person)}

    def show(_: object) -> None:
        say(text)
        say(f"Send it as `Authorization: Bearer …` within {days} days. It is not shown again.")

    answer(found, as_json=as_json, show=show)


@app.command("list")
def list_tokens(
    *, tenant: OfTenant = "", config: Config = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Lists the tokens of a team, also while the bot runs. Their texts are kept nowhere."""
    settings = settings_of(config, data)
    from bot.cli import records as opened

    of = TenantId(tenant or settings.tenant.id)

    def look(records: Records) -> list[dict[str, Any]]:
        names = {member.person_id: member.name for member in records.people.members(of)}
        return [
            _shape(token, person=names.get(token.person_id, "nobody any more"))
            for token in records.tokens.of(of)
        ]

    found = opened.look(settings, look)

    def show(rows: list[dict[str, Any]]) -> None:
        table(rows, _COLUMNS) if rows else say("None yet. `countersign token create` makes one.")

    answer(found, as_json=as_json, show=show)


@app.command("revoke")
def revoke_token(
    which: Annotated[str, typer.Argument(help="A token: the id that `list` shows, or its name.")],
    *,
    tenant: OfTenant = "",
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Ends a token: from the next request on it opens nothing."""
    settings = settings_of(config, data)
    from bot.cli import records as opened
    from core.engine.tokens import revoke

    of = TenantId(tenant or settings.tenant.id)

    def change(records: Records, by: Principal) -> Revoked | Refused:
        return revoke(records, _named(records, of, which), by=by, now=opened.now())

    revoked = opened.as_machine(settings, "token", of, change)
    found = {"token_id": revoked.token.id, "name": revoked.token.name, "revoked_before": revoked.before}

    def show(_: object) -> None:
        already = " already" if revoked.before else ""
        say(f"The token {revoked.token.name} is revoked{already}.")

    answer(found, as_json=as_json, show=show)


def _create(
    settings: Settings,
    name: str,
    *,
    of: TenantId,
    who: str,
    days: int,
    accounts: tuple[AccountId, ...] | None,
) -> tuple[str, ApiToken]:
    """The text of a fresh token, and what is kept of it. Raises a Refusal."""
    from datetime import timedelta

    from bot.cli import records as opened
    from bot.cli.people import asker
    from bot.http.auth import sign
    from core.engine.tokens import issue

    now = opened.now()

    def change(records: Records, by: Principal) -> Issued | Refused:
        token = ApiToken(
            id=TokenId(opened.new_id()),
            tenant_id=of,
            person_id=asker(records, of, who).person_id,
            name=name,
            account_ids=accounts,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        return issue(records, token, by=by, now=now)

    token = opened.as_machine(settings, "token", of, change).token
    return sign(settings.http, token), token


def _accounts(given: str, tenant: TenantId) -> tuple[AccountId, ...] | None:
    """The accounts of an option. Raises BadParameter for one that is not the tenant's."""
    named = [each.strip() for each in given.split(",") if each.strip()]
    for each in named:
        if not each.startswith(f"{tenant}:") or len(each) > 200 or not each.isprintable():
            raise typer.BadParameter(f"accounts have ids that begin with {tenant}:", param_hint="--accounts")
    return tuple(AccountId(each) for each in named) or None


def _named(records: Records, tenant: TenantId, which: str) -> TokenId:
    """The token that is meant; of several of one name, the one that is still good for something."""
    tokens = records.tokens.of(tenant)
    for token in tokens:
        if token.id == which:
            return token.id
    named = [token for token in tokens if token.name == which]
    alive = [token for token in named if token.revoked_at is None] or named[:1]
    if len(alive) != 1:
        many = f"{len(alive)} tokens are" if alive else "No token is"
        raise Refusal(
            Code.NOT_FOUND, f"{many} called {which!r}: give the id that `countersign token list` shows."
        )
    return alive[0].id


def _shape(token: ApiToken, *, person: str) -> dict[str, Any]:
    from bot.cli import records as opened

    expired = "expired" if token.expires_at <= opened.now() else "valid"
    return {
        "token_id": token.id,
        "name": token.name,
        "person": person,
        "person_id": token.person_id,
        "tenant": token.tenant_id,
        "accounts": "all" if token.account_ids is None else ", ".join(token.account_ids),
        "state": "revoked" if token.revoked_at else expired,
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat(),
    }
