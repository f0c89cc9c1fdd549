"""T14: killed with SIGKILL at every boundary that the code has, one after the other, on one database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.crash.all_cases import Case, cases_of
from tests.crash.boundaries import boundaries
from tests.crash.stage import PEOPLE, Stage, data_of, has, open_stage
from tests.crash.victim import KILLED
from tests.e2e.rounds import FULL
from tests.kit.databases import Kind

CALLS = 500
EXEMPT: frozenset[str] = frozenset()
"""Boundaries that no test can come to, each with its reason. There is none."""
_LAST = ("relay.corrupt", "set_aside")
_SHOWN = (
    "SELECT count(*) FROM outbox WHERE kind = 'show' "
    """AND payload NOT LIKE '%"al:%' AND payload NOT LIKE '%this is over%' AND payload NOT LIKE '%🛟%'"""
)
"""Plain messages, but alarms and safe mode: those come by themselves, whenever somebody looks."""


def before_a_commit(name: str) -> bool:
    """Whether nothing of what this boundary is about is kept yet: about half of them all."""
    return name.endswith(".before_commit")


def not_before_a_commit(name: str) -> bool:
    """The other half: after a commit, and around a tool and whatever else leaves the process."""
    return not before_a_commit(name)


async def kill_at_every_boundary(
    data: Path, kind: Kind, *, half: Callable[[str], bool] | None = None
) -> None:
    """Every boundary, or every one of a half, ends at least one life, and every life puts right what the last
    one left. The normal run on PostgreSQL takes every eighth: all of them are SQLite's to come to."""
    every = sorted(boundaries(), key=_at_the_start_first)
    whole = FULL or kind == "sqlite"
    names = [name for name in (every if whole else every[::8]) if half is None or half(name)]
    wanted = CALLS if half is None else CALLS // 2
    async with open_stage(data, kind) as stage:
        introduced, calls = False, 0
        while not introduced or (FULL and calls < wanted):
            for name in names:
                for case in cases_of(name):
                    if not introduced and not case.at_start:
                        await stage.introduce(*PEOPLE)
                        introduced = True
                    try:
                        await _kill(stage, name, case)
                    except (AssertionError, TimeoutError) as problem:
                        raise AssertionError(f"killed at {name}: {problem}\n{_log(stage)}") from problem
            calls = stage.seen.number("SELECT count(*) FROM tool_calls")
        await _settle_what_is_interrupted(stage)
        killed = (stage.data / KILLED).read_text().split()
    kills = f"{len(killed)} kills at {len(set(killed))} of {len(every)} boundaries, {stage.lives} lives"
    print(f"T14 {kind}: {calls}/{wanted} calls, {kills}")
    missed = set(names) - set(killed) - EXEMPT
    assert not missed, f"no run was killed at {sorted(missed)}"
    assert calls >= wanted // 10 or not whole


async def _kill(stage: Stage, name: str, case: Case) -> None:
    """One run that ends at this boundary, and the one after it, which must put everything right."""
    trigger = await case.prepare(stage)
    if case.at_start:
        await stage.dies_at_start(name, command=case.command)
        await stage.up()
        return
    await stage.up()
    await stage.settled()
    before = stage.seen.number(_SHOWN)
    await stage.dies_at(name, trigger)
    await stage.up()
    if case.repeated:
        await trigger()
        await stage.settled()
    lost = not case.retried and name.endswith(".before_commit")
    replies = stage.seen.number(_SHOWN) - before
    told = stage.seen.rows(f"{_SHOWN.replace('count(*)', 'payload')} ORDER BY id DESC LIMIT ?", replies)
    assert replies == (0 if lost else case.replies), f"{replies} replies: {told}"


async def _settle_what_is_interrupted(stage: Stage) -> None:
    """Whoever asked says what became of each, by each of the three buttons in turn."""
    await stage.up()
    shown = await stage.phones.messages("member", newest=1_000_000)
    cards = [message for message in shown if has(message, "Mark not done")]
    assert len(cards) == stage.seen.number("SELECT count(*) FROM tool_calls WHERE status = 'interrupted'")
    for number, card in enumerate(cards):
        label = ("Mark done", "Mark not done", "Run again")[number % 3 if "Hang" not in card["text"] else 0]
        answer = await stage.phones.tap("member", card, data=data_of(card, label))
        assert answer["answered"]
        assert not answer["alert"], answer
    assert not stage.seen.number("SELECT count(*) FROM tool_calls WHERE status = 'interrupted'")
    await stage.settled()


def _at_the_start_first(name: str) -> tuple[int, str]:
    """A database that is being made comes first, rows that are broken for good come last."""
    if name.startswith(_LAST):
        return 2, name
    return (0 if name.startswith(("tenant", "claim_code", "demo.people")) else 1), name


def _log(stage: Stage) -> str:
    return "".join((stage.data / "victim.log").read_text().splitlines(keepends=True)[-40:])
