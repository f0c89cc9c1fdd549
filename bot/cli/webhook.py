"""`countersign webhook`: where other programs are told what was done, kept at the machine of the bot."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bot.cli.common import AsJson, Config, Data, answer, say, say_error, settings_of, table
from core.errors import Code, Refusal
from core.ids import TenantId, WebhookId, short_id
from core.model import SignalKind, Webhook
from core.signals import USUAL, dedupe_key

if TYPE_CHECKING:
    from core.engine.answers import Refused
    from core.engine.webhooks import Added, Ended, Replaying
    from core.model import DeadLetter, Principal
    from core.ports import Records

app = typer.Typer(
    help="Addresses that signals are sent to. Adding, removing and replaying need the bot to be stopped; "
    "an admin can replay in chat, under /webhooks.",
    no_args_is_help=True,
)
ALL: Final = "all"
MOST: Final = 200
_COLUMNS: Final = {"webhook": "WEBHOOK", "url": "URL", "state": "STATE", "waiting": "BEHIND", "dead": "DEAD"}
_DEAD_COLUMNS: Final = {
    "webhook": "WEBHOOK",
    "event": "EVENT",
    "about": "ABOUT",
    "tries": "TRIES",
    "error": "WHY",
    "at": "SINCE",
}

OfTenant = Annotated[str, typer.Option("--tenant", help="The team; by default the one of the settings.")]
Which = Annotated[str, typer.Argument(metavar="WEBHOOK", help="A webhook, as `list` shows it.")]


@app.command("add")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to: https://…")],
    *,
    kinds: Annotated[
        str,
        typer.Option(
            "--kinds",
            help="What it is told, with commas: " + ", ".join(SignalKind) + ", or all. "
            "By default what was done, what failed, and the ends of runs.",
        ),
    ] = "",
    tenant: OfTenant = "",
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Adds an address. The secret that its signals are signed with is shown once."""
    import secrets

    settings = settings_of(config, data)
    from bot.cli import records as opened
    from core.engine.webhooks import add_webhook
    from core.ports import Now

    of, now, secret = TenantId(tenant or settings.tenant.id), opened.now(), secrets.token_urlsafe(32)
    wanted = _kinds(kinds)

    def change(records: Records, by: Principal) -> Added | Refused:
        webhook = Webhook(
            id=WebhookId(opened.new_id()),
            tenant_id=of,
            url=url,
            secret=secret,
            kinds=wanted,
            cursor=records.signals.newest(),
            tries=0,
            not_before=now,
            created_at=now,
            created_by=by.actor,
        )
        return add_webhook(
            records,
            webhook,
            by=by,
            allow_private=settings.webhooks.allow_private,
            now=Now(wall=now, real=now),
        )

    webhook = opened.as_machine(settings, "webhook", of, change).webhook
    found = {"webhook": short_id(webhook.id), "secret": secret, **_shape(webhook)}

    def show(_: object) -> None:
        say(f"Webhook {found['webhook']} is told from now on. Its secret, which is not shown again:")
        say(secret)
        say("docs/webhooks.md says what is sent, and how the signature is checked.")

    answer(found, as_json=as_json, show=show)
    if url.startswith("http:"):
        say_error("Nothing is encrypted on its way there: keep it to this machine.")


@app.command("list")
def list_webhooks(
    *, tenant: OfTenant = "", config: Config = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Lists the webhooks of a team, also while the bot runs."""
    settings = settings_of(config, data)
    from bot.cli import records as opened

    of = TenantId(tenant or settings.tenant.id)
    found = opened.look(settings, lambda records: _listed(records, of))

    def show(rows: list[dict[str, Any]]) -> None:
        table(rows, _COLUMNS) if rows else say("None yet. `countersign webhook add URL` adds one.")

    answer(found, as_json=as_json, show=show)


@app.command("remove")
def remove(
    which: Which,
    *,
    tenant: OfTenant = "",
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Ends a webhook: nothing more is sent there, not even what waits."""
    settings = settings_of(config, data)
    from bot.cli import records as opened
    from core.engine.webhooks import end_webhook
    from core.ports import Now

    of, now = TenantId(tenant or settings.tenant.id), opened.now()

    def change(records: Records, by: Principal) -> Ended | Refused:
        return end_webhook(records, _named(records, of, which), by=by, now=Now(wall=now, real=now))

    ended = opened.as_machine(settings, "webhook", of, change)
    found = {"webhook": short_id(ended.webhook.id), "webhook_id": ended.webhook.id}
    answer(found, as_json=as_json, show=lambda _: say(f"Webhook {found['webhook']} is removed."))


@app.command("dead")
def dead(*, tenant: OfTenant = "", config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """Lists what was not taken, oldest first, also while the bot runs."""
    settings = settings_of(config, data)
    from bot.cli import records as opened

    of = TenantId(tenant or settings.tenant.id)

    def look(records: Records) -> list[dict[str, Any]]:
        return [_letter(records, each) for each in records.webhooks.dead(of, limit=MOST)]

    found = opened.look(settings, look)

    def show(rows: list[dict[str, Any]]) -> None:
        table(rows, _DEAD_COLUMNS) if rows else say("None: everything was taken, or is being tried.")

    answer(found, as_json=as_json, show=show)


@app.command("replay")
def replay_dead(
    which: Which,
    *,
    tenant: OfTenant = "",
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Has everything that a webhook did not take sent again, once the bot is started."""
    settings = settings_of(config, data)
    from bot.cli import records as opened
    from core.engine.webhooks import replay
    from core.ports import Now

    of, now = TenantId(tenant or settings.tenant.id), opened.now()

    def change(records: Records, by: Principal) -> Replaying | Refused:
        return replay(records, _named(records, of, which), by=by, now=Now(wall=now, real=now))

    replaying = opened.as_machine(settings, "webhook", of, change)
    found = {"webhook": short_id(replaying.webhook.id), "letters": replaying.letters}
    answer(
        found,
        as_json=as_json,
        show=lambda _: say(f"{replaying.letters} are sent again as soon as the bot runs."),
    )


def _kinds(given: str) -> frozenset[SignalKind]:
    """The kinds of an option. Raises BadParameter."""
    named = [each.strip() for each in given.split(",") if each.strip()]
    if named == [ALL]:
        return frozenset(SignalKind)
    try:
        return frozenset(SignalKind(each.upper()) for each in named) or USUAL
    except ValueError:
        allowed = f"these, with commas: {', '.join(SignalKind)}, or {ALL}"
        raise typer.BadParameter(allowed, param_hint="--kinds") from None


def _named(records: Records, tenant: TenantId, which: str) -> WebhookId:
    """The webhook that is meant, by its short id or id; of several of one short id, none."""
    named = which.strip().lstrip("#")
    for webhook in records.webhooks.live(tenant):
        if webhook.id == named:
            return webhook.id
    short = [each.id for each in records.webhooks.live(tenant) if short_id(each.id) == named.upper()]
    if len(short) != 1:
        raise Refusal(
            Code.NOT_FOUND, f"There is no webhook {which!r}. `countersign webhook list` shows them."
        )
    return short[0]


def is_behind(records: Records, webhook: Webhook) -> bool:
    """Whether anything waits to be sent there."""
    found = records.signals.after(webhook.tenant_id, webhook.cursor, limit=MOST)
    return any(signal.kind in webhook.kinds for signal in found)


def _listed(records: Records, tenant: TenantId) -> list[dict[str, Any]]:
    return [
        {
            "webhook": short_id(each.id),
            "state": f"tried {each.tries}x, waits" if each.tries else "delivers",
            "waiting": "yes" if is_behind(records, each) else "no",
            "dead": records.webhooks.dead_count(each.id),
            **_shape(each),
        }
        for each in records.webhooks.live(tenant)
    ]


def _letter(records: Records, letter: DeadLetter) -> dict[str, Any]:
    signal = records.signals.get(letter.seq)
    return {
        "webhook": short_id(letter.webhook_id),
        "webhook_id": letter.webhook_id,
        "event": signal.kind.value if signal else "gone",
        "about": short_id(signal.subject) if signal else "",
        "dedupe_key": dedupe_key(signal) if signal else "",
        "number": letter.seq,
        "tries": letter.tries,
        "error": letter.error,
        "at": letter.at.isoformat(),
        "replaying": letter.asked_at is not None,
    }


def _shape(webhook: Webhook) -> dict[str, Any]:
    return {
        "webhook_id": webhook.id,
        "url": webhook.url,
        "tenant": webhook.tenant_id,
        "kinds": sorted(webhook.kinds),
        "tries": webhook.tries,
        "created_at": webhook.created_at.isoformat(),
    }
