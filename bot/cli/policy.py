"""`countersign policy`: is a file in order, why is a call decided so, what would another policy change."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from msgspec import to_builtins
from msgspec.structs import replace

from bot.cli.common import AsJson, Config, Data, answer, say, settings_of
from core.errors import ConfigError
from core.ids import AccountId, ConversationId, TenantId, read_short_id
from core.model import Channel, Conversation, Membership, PolicyDecision, Tenant, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bot.config import Settings
    from core.engine import Env
    from core.policy import Policy
    from core.policy.backtest import Compared, Recorded, Summary
    from core.policy.explain import Explanation
    from core.ports import Records

app = typer.Typer(
    help="Policy: check a file, explain a decision, test a file on history.", no_args_is_help=True
)

PolicyFile = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A policy file.")
]
_COLUMNS: Final = {
    "call": "CALL",
    "at": "WHEN",
    "what": "WHAT",
    "asked_by": "ASKED BY",
    "before": "WAS",
    "after": "WOULD BE",
    "rule": "RULE",
    "signed_by": "SIGNED BY",
}
_CELL_MOST: Final = 44
_WORDS: Final = {
    PolicyDecision.ALLOW: "runs at once",
    PolicyDecision.REQUIRES_APPROVAL: "asks",
    PolicyDecision.DENY: "denied",
}


@app.command("check")
def check(file: PolicyFile, *, config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """Reads a policy file as the bot would, and tells its rules; ends with 1 at the first mistake."""
    from core.policy.describe import decides, speaks_of

    policy = _policy(file, settings_of(config, data))
    rules = [
        {"name": rule.name, "speaks_of": speaks_of(rule), "decides": decides(rule)} for rule in policy.rules
    ]

    def show(_: object) -> None:
        many = "" if len(rules) == 1 else "s"
        say(f"{file} is in order: {len(rules)} rule{many}, version {policy.version}.")
        for number, rule in enumerate(rules, start=1):
            say(f"{number}. {rule['name']}: {rule['speaks_of']} -> {rule['decides']}")

    answer({"ok": True, "version": policy.version, "rules": rules}, as_json=as_json, show=show)


@app.command("explain")
def explain(
    call_or_text: Annotated[
        str, typer.Argument(metavar="CALL-OR-TEXT", help="A call's short id, or a text.")
    ],
    *,
    who: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Whose text; by default a member with the least role.")
    ] = "",
    group: Annotated[bool, typer.Option("--group", help="Said in a group, not in private.")] = False,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", exists=True, dir_okay=False, help="This policy instead."),
    ] = None,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Tells every rule that is tried for a call or a text, and what is decided. Nothing is proposed."""
    settings = settings_of(config, data)
    from bot.cli import records as opened

    env = opened.env_of(settings)
    if file is not None:
        policy = _policy(file, settings)
        env = replace(env, policy=lambda: policy)
    told = opened.look(
        settings,
        lambda records: _explained(
            records, env, TenantId(settings.tenant.id), call_or_text, who=who, private=not group
        ),
    )
    verdict = told.verdict
    found = {
        "steps": [to_builtins(step) for step in told.steps],
        "decision": verdict.decision.value,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "note": verdict.note,
        "signed_by": _signed_by(verdict),
    }
    answer(found, as_json=as_json, show=lambda _: _show(told))


@app.command("backtest")
def backtest(file: PolicyFile, *, config: Config = None, data: Data = None, as_json: AsJson = False) -> None:
    """Holds a policy file against all recorded calls, and lists each whose decision would change.

    Works while the bot runs, and changes nothing.
    """
    settings = settings_of(config, data)
    from bot.cli import records as opened
    from core.policy.backtest import Summary

    policy = _policy(file, settings)
    home = TenantId(settings.tenant.id)
    tenant, members = opened.look(settings, lambda records: _people(records, home))
    count, history = opened.history(settings, home)
    summary, changed = Summary(), []
    for compared in _compared(policy, _shown(history, count), settings, tenant, members):
        summary.add(compared)
        if compared.decided_otherwise or compared.signed_otherwise:
            changed.append(_row(compared))
    told = _summary(summary, unreadable=count - summary.calls)

    def show(_: object) -> None:
        if changed:
            _show_changes(changed)
        _show_summary(told)

    answer({"changes": changed, "summary": told}, as_json=as_json, show=show)


def _policy(file: Path, settings: Settings) -> Policy:
    from bot.cli.records import registry_of
    from bot.policy_file import load_policy_file

    return load_policy_file(file, registry_of(settings))


def _explained(
    records: Records, env: Env, tenant_id: TenantId, said: str, *, who: str, private: bool
) -> Explanation:
    from bot.cli.records import now
    from core.engine.explain import explain_call, explain_wish
    from core.parsing import ParseContext, understand
    from core.ports import Now

    tenant, members = _people(records, tenant_id)
    moment = Now(wall=now(), real=now())
    call = records.calls.by_short_id(tenant_id, read_short_id(said)) if len(said.split()) == 1 else None
    if call is not None:
        return explain_call(records, call, now=moment, env=env)
    context = ParseContext(now=moment.wall, timezone=tenant.timezone, currency=tenant.currency)
    understood = understand(said, registry=env.registry, context=context)
    if understood.problem is not None:
        raise understood.problem
    best = understood.candidates[0] if understood.candidates else None
    if best is None or best.missing:
        wanted = f"it lacks {best.missing[0]}" if best else "no call has that id, and it is no text I know"
        raise ConfigError(f"{said!r} cannot be explained: {wanted}.")
    return explain_wish(
        records,
        tool=best.tool,
        arguments=best.arguments,
        requester=_one(members, who).person_id,
        conversation=_place(tenant_id, private=private),
        now=moment,
        env=env,
    )


def _people(records: Records, tenant_id: TenantId) -> tuple[Tenant, Sequence[Membership]]:
    tenant = records.people.tenant(tenant_id)
    members = records.people.members(tenant_id)
    if tenant is None or not members:
        raise ConfigError(
            "Nobody belongs to this team yet. `countersign run` prints a code to claim the bot."
        )
    return tenant, members


def _one(members: Sequence[Membership], who: str) -> Membership:
    """The member of this name; the last one listed (of the least role) where none is named."""
    if not who:
        return members[-1]
    found = [member for member in members if who.casefold() in (member.name.casefold(), member.person_id)]
    if len(found) != 1:
        names = ", ".join(member.name for member in members)
        raise ConfigError(f"--as {who}: {len(found)} members have that name; there are {names}.")
    return found[0]


def _place(tenant_id: TenantId, *, private: bool) -> Conversation:
    """Where nothing was said: for rules that look at the place."""
    return Conversation(
        id=ConversationId("explain"),
        tenant_id=tenant_id,
        account_id=AccountId("explain"),
        channel=Channel.TELEGRAM,
        chat="",
        thread=None,
        private=private,
        owner_id=None,
    )


def _show(told: Explanation) -> None:
    for step in told.steps:
        say(f"{'->' if step.decides else '  '} {step.name}: {step.why}")
    verdict = told.verdict
    signed = f", signed by {_signed_by(verdict)}" if _signed_by(verdict) else ""
    say(f"{_WORDS[verdict.decision]}{signed}: {verdict.reason} ({verdict.rule})")
    if verdict.note:
        say(verdict.note)


def _signed_by(verdict: Verdict) -> str:
    from core.approvals import who_may_sign

    return who_may_sign(verdict) if verdict.decision is PolicyDecision.REQUIRES_APPROVAL else ""


def _compared(
    policy: Policy,
    history: Iterable[Recorded],
    settings: Settings,
    tenant: Tenant,
    members: Sequence[Membership],
) -> Iterable[Compared]:
    from bot.cli.records import registry_of
    from core.policy.backtest import backtest as compare

    tools = {tool.name: tool for tool in registry_of(settings)}
    return compare(policy, history, tenant=tenant, members=members, tools=tools)


def _shown(history: Iterable[Recorded], count: int) -> Iterable[Recorded]:
    """The same calls, with a bar on a terminal that says how far it is."""
    from rich.console import Console
    from rich.progress import track

    bare = not sys.stderr.isatty()
    return track(history, "Deciding anew", total=count, console=Console(stderr=True), disable=bare)


def _row(compared: Compared) -> dict[str, str]:
    call = compared.call
    return {
        "call": f"#{call.short_id}",
        "at": f"{call.created_at:%Y-%m-%d %H:%M}",
        "what": call.title,
        "asked_by": call.requester_name,
        "before": _WORDS[compared.before.decision],
        "after": _WORDS[compared.after.decision],
        "rule": compared.after.rule,
        "signed_by": _signed_by(compared.after),
    }


def _show_changes(rows: Sequence[dict[str, str]]) -> None:
    """A line each: a table that is laid out as a whole takes minutes for what a long history can hold."""
    shown = [_COLUMNS, *rows]
    widths = {key: min(_CELL_MOST, max(len(row[key]) for row in shown)) for key in _COLUMNS}
    for row in shown:
        say("  ".join(_cell(row[key], width) for key, width in widths.items()).rstrip())
    say()


def _cell(text: str, width: int) -> str:
    """Text of people in a column: what would steer a terminal is not printed."""
    plain = "".join(character if character.isprintable() else "?" for character in text)
    return (plain if len(plain) <= width else f"{plain[: width - 1]}…").ljust(width)


def _summary(summary: Summary, *, unreadable: int) -> dict[str, Any]:
    return {
        "calls": summary.calls,
        "decided_otherwise": [
            {"before": _WORDS[before], "after": _WORDS[after], "calls": calls}
            for (before, after), calls in sorted(summary.changes.items())
        ],
        "signed_otherwise": summary.signed_otherwise,
        "assumed": summary.assumed,
        "unreadable": unreadable,
    }


def _show_summary(told: dict[str, Any]) -> None:
    changed = sum(row["calls"] for row in told["decided_otherwise"])
    say(f"{told['calls']:,} calls, {changed:,} would be decided otherwise.")
    for row in told["decided_otherwise"]:
        say(f"  {row['before']} -> {row['after']}: {row['calls']:,}")
    if told["signed_otherwise"]:
        say(f"  {told['signed_otherwise']:,} would be asked as before, but of other people.")
    if told["assumed"]:
        say(f"  {told['assumed']:,} are from before roles were recorded: judged by the roles of today.")
    if told["unreadable"]:
        say(f"  {told['unreadable']:,} cannot be read, and were left out.")
