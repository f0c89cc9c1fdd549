"""`countersign run-file` and `countersign execute --run`: a run from a file, and running one here and now."""

# A command imports what it needs when it runs, so that the others start without it.
# ruff: noqa: PLC0415

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bot.cli.common import AsJson, Config, Data, answer, say, settings_of, table, visible
from core.errors import Code, InvalidInput, Refusal
from core.ids import CallId, RunId, TenantId, read_short_id
from core.lifecycle import ENDS, Status
from core.model import SYSTEM, PolicyDecision, StartMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.cli.records import Workshop
    from bot.config import Settings
    from bot.plan_file import Plan
    from core.engine import Proposal
    from core.engine.runs import RunProposed, RunView
    from core.model import Conversation, Run, ToolCall
    from core.ports import Records

_COLUMNS: Final = {
    "step": "STEP",
    "call": "CALL",
    "title": "WHAT",
    "risk": "RISK",
    "status": "STATUS",
    "told": "",
}
_DECISIONS: Final = {
    PolicyDecision.ALLOW: "runs unasked",
    PolicyDecision.REQUIRES_APPROVAL: "asks for a signature",
    PolicyDecision.DENY: "is denied",
}
_WRONG: Final = frozenset(
    {Status.FAILED, Status.TIMED_OUT, Status.DENIED, Status.EXPIRED, Status.CANCELLED, Status.INTERRUPTED}
)

PlanFile = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The plan, as .toml or .json.")
]
Asker = Annotated[
    str | None,
    typer.Option(
        "--as", metavar="NAME", help="Who asks for it: name, Telegram id or id; else the only admin."
    ),
]


def run_file(
    file: PlanFile,
    *,
    who: Asker = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only says what would become of each step, also beside the bot.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Runs what needs no signature here and now, and waits for its end.")
    ] = False,
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Proposes the steps of a file as one run: all of them, or none. Needs the bot to be stopped."""
    import asyncio

    from bot.plan_file import read_plan

    if dry_run and wait:
        raise typer.BadParameter("it waits for nothing with --dry-run", param_hint="--wait")
    settings = settings_of(config, data)
    plan = read_plan(file)
    if dry_run:
        _tell_rehearsed(_rehearsed(settings, plan, who), as_json=as_json)
        return
    _log(settings)
    found = asyncio.run(_proposed(settings, plan, who, wait=wait))
    _tell(found, _results(settings, found), as_json=as_json)
    if wait:
        _end_with(found)


def execute(
    *,
    run: Annotated[str, typer.Option("--run", metavar="ID", help="The run's short id or id.")],
    config: Config = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Runs what is ready of a run, here and now, step after step; what was cut short is taken up again.

    Needs the bot to be stopped: while it runs, it does this by itself.
    """
    import asyncio

    settings = settings_of(config, data)
    _log(settings)
    found = asyncio.run(_executed(settings, run))
    _tell(found, _results(settings, found), as_json=as_json)
    _end_with(found)


def _end_with(found: RunView) -> None:
    """Ends the command with 1 where a step went wrong; waiting is not wrong."""
    if any(call.status in _WRONG for call in found.calls):
        raise typer.Exit(1)


def _log(settings: Settings) -> None:
    """What goes wrong while calls run goes to standard error and the log file: standard output is the
    answer's."""
    from bot import logs
    from core.redaction import Redactor

    logs.configure(
        redactor=Redactor(settings.secrets),
        level="warning",
        form=settings.logging.format,
        file=settings.logging.file,
    )


async def _proposed(settings: Settings, plan: Plan, who: str | None, *, wait: bool) -> RunView:
    from bot.cli.people import asker, place_of, speaking
    from bot.cli.records import new_id, workshop
    from core.engine import Refused
    from core.engine.runs import propose_run, run_view

    async with workshop(settings) as opened:
        now = opened.clock.both()

        def work(records: Records) -> RunProposed | Refused:
            member = asker(records, TenantId(settings.tenant.id), who)
            place = place_of(records, member, new_id=new_id, now=now.wall)
            return propose_run(
                records,
                _proposals(plan, place),
                title=plan.title,
                needs=plan.needs,
                on_failure=plan.on_failure,
                by=speaking(member),
                now=now,
                env=opened.env,
            )

        answered = await opened.database.writer.run("run-file", work)
        if isinstance(answered, Refused):
            raise _with_place(plan, answered.refusal)
        if wait:
            await _run_ready(opened, answered.record.id)
        return await opened.database.reader.read(lambda records: run_view(records, answered.record))


def _proposals(plan: Plan, place: Conversation) -> list[Proposal]:
    from core.engine import Proposal

    return [Proposal(tool=each.tool, arguments=each.arguments, conversation=place) for each in plan.steps]


def _rehearsed(settings: Settings, plan: Plan, who: str | None) -> Sequence[ToolCall]:
    """What would become of each step. Works beside a running bot, since it writes nothing."""
    from bot.cli import records as opened
    from bot.cli.people import asker, place_of, speaking
    from core.engine.runs import rehearse
    from core.ports import Now

    env = opened.env_of(settings)
    now = Now(wall=opened.now(), real=opened.now())

    def read(records: Records) -> Sequence[ToolCall]:
        member = asker(records, TenantId(settings.tenant.id), who)
        place = place_of(records, member, new_id=opened.new_id, now=now.wall, keep=False)
        return rehearse(records, _proposals(plan, place), by=speaking(member), now=now, env=env)

    try:
        return opened.look(settings, read)
    except Refusal as refusal:
        raise _with_place(plan, refusal) from None


def _with_place(plan: Plan, refusal: Refusal) -> Exception:
    """A step that does not fit with its line in the file; any other refusal as it is."""
    return plan.error(refusal.message) if isinstance(refusal, InvalidInput) else refusal


async def _executed(settings: Settings, named: str) -> RunView:
    from bot.cli.records import workshop
    from core.engine.runs import run_view

    async with workshop(settings) as opened:
        run = await opened.database.reader.read(
            lambda records: _find(records, TenantId(settings.tenant.id), named)
        )
        await opened.executor.recover(sole=True)
        await opened.executor.idle()
        await _run_ready(opened, run.id)
        return await opened.database.reader.read(lambda records: run_view(records, _again(records, run)))


def _find(records: Records, tenant_id: TenantId, named: str) -> Run:
    """The tenant's run of this short id or id. Raises a Refusal where there is none."""
    run = records.runs.by_short_id(tenant_id, read_short_id(named)) or records.runs.get(RunId(named.strip()))
    if run is None or run.tenant_id != tenant_id:
        raise Refusal(
            Code.NOT_FOUND, f"There is no run {named!r} here. `countersign run-file` tells a run's id."
        )
    return run


def _again(records: Records, run: Run) -> Run:
    return records.runs.get(run.id) or run


async def _run_ready(opened: Workshop, run_id: RunId) -> None:
    """Runs what may run of it, one step at a time in their order, until nothing more can be started."""
    tried: set[tuple[CallId, int]] = set()
    while True:
        call = await opened.database.reader.read(lambda records: _next(records, run_id, tried))
        if call is None:
            return
        tried.add((call.id, call.version))  # in this state; only a change of it gives another try
        await opened.executor.execute(call.id, SYSTEM)


def _next(records: Records, run_id: RunId, tried: set[tuple[CallId, int]]) -> ToolCall | None:
    return next(
        (
            call
            for call in records.runs.calls(run_id)
            if call.status is Status.PENDING
            and call.start_mode is not StartMode.AFTER
            and (call.id, call.version) not in tried
        ),
        None,
    )


def _tell(seen: RunView, file: Path | None, *, as_json: bool) -> None:
    from bot.telegram.render.report import summary

    rows = [_row(seen, number) for number in range(len(seen.views))]
    found = {
        "run": seen.record.short_id,
        "run_id": seen.record.id,
        "title": seen.record.title,
        "on_failure": seen.record.on_failure.value,
        "steps": rows,
        "summary": summary(seen),
        "results": None if file is None else str(file),
    }

    def show(_: object) -> None:
        say(f"Run {seen.record.short_id}: {_brief(seen.record.title)}")
        table([{**row, "title": _brief(str(row["title"]))} for row in rows], _COLUMNS)
        say(_what_next(seen))
        if file is not None:
            say(f"What became of each step: {file}")

    answer(found, as_json=as_json, show=show)


def _results(settings: Settings, seen: RunView) -> Path | None:
    """Where the report of a run lies once it has ended, put there as the bot does."""
    from bot.cli.records import registry_of
    from bot.workers.reports import reports_folder, results_file, write_results
    from core.engine.report import has_ended, report

    if not has_ended(seen):
        return None
    file = results_file(reports_folder(settings.storage.folder), seen.record)
    write_results(file, report(seen, registry=registry_of(settings)))
    return file


def _row(seen: RunView, number: int) -> dict[str, Any]:
    view, call = seen.views[number], seen.views[number].call
    return {
        "step": call.step,
        "call": call.short_id,
        "call_id": call.id,
        "tool": call.tool,
        "title": call.title,
        "risk": call.risk.value,
        "status": call.status.value,
        "needs": list(seen.record.needs.get(call.step or 0, ())),
        "told": _brief((view.outcome.error or view.outcome.formatted) if view.outcome else call.note),
    }


def _what_next(seen: RunView) -> str:
    from bot.telegram.render.report import summary

    statuses = {call.status for call in seen.calls}
    again = f"`countersign execute --run {seen.record.short_id}`"
    if Status.INTERRUPTED in statuses:
        return "A step was interrupted. Look whether it was done, and mark it on its card; the rest waits."
    if Status.PROPOSED in statuses:
        return (
            f"It waits for signatures: start the bot, which asks for them. Afterwards it goes on, or {again}."
        )
    if Status.PENDING in statuses:
        return f"It runs when the bot is started, or here and now with {again}."
    return f"It has ended: {summary(seen)}." if statuses <= ENDS else "It is under way."


def _tell_rehearsed(calls: Sequence[ToolCall], *, as_json: bool) -> None:
    rows = [
        {
            "step": number,
            "tool": call.tool,
            "title": call.title,
            "risk": call.risk.value,
            "decision": call.verdict.decision.value,
            "rule": call.verdict.rule,
            "reason": call.verdict.reason,
        }
        for number, call in enumerate(calls, start=1)
    ]

    def show(_: object) -> None:
        columns = {"step": "STEP", "title": "WHAT", "risk": "RISK", "told": "WOULD", "rule": "RULE"}
        told = [_DECISIONS[call.verdict.decision] for call in calls]
        shown = [
            {**row, "title": _brief(str(row["title"])), "told": word}
            for row, word in zip(rows, told, strict=True)
        ]
        table(shown, columns)
        say("Nothing was proposed.")

    answer({"dry_run": True, "steps": rows}, as_json=as_json, show=show)


def _brief(text: str) -> str:
    return visible(text)[:100]
