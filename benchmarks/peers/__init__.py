"""P4 and P5: the engine against those whose work is nearest to its own.

Everybody runs the same lifecycle (propose, approve, run, complete) in one folder, over SQLite in WAL with
synchronous=FULL, in rounds that take turns; the peers in processes and environments of their own. Each is
configured in its favour, and is as durable as it makes itself:

| peer | propose | approve | the tool starts | complete |
|---|---|---|---|---|
| Countersign | durable | durable | durable | durable |
| LangGraph, "exit" (its fastest) | durable | no | no | durable |
| LangGraph, "sync" | durable | durable | no | durable |
| OpenAI Agents, pydantic-ai | durable | no | no | durable |
| DBOS | durable | durable | no | durable |

How each of them was configured stands in its script, `foreign/with_*.py`. Nothing is signed, judged or
audited by any of them, and their effects cost nothing: the tool appends to a list, which is counted after
each round.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import engine
from benchmarks.peers.environment import Missing
from benchmarks.peers.process import PeerProcess, running
from benchmarks.table import Row

ROUNDS: Final = 5
WAYS: Final = ("alone", "at once")
OURS: Final = "Countersign"
GOALS: Final = {"P4": {"alone": 3.0, "at once": 20.0}, "P5": {"alone": 2.0, "at once": 15.0}}

Rates = dict[str, list[float]]
"""Lifecycles a second in each round, by way."""


@dataclass(frozen=True)
class Peer:
    """Whom we are compared with: for which row, by which script, given what."""

    name: str
    row: str
    script: str
    arguments: tuple[str, ...] = ()


PEERS: Final = (
    Peer("LangGraph", "P4", "langgraph", ("exit",)),
    Peer("LangGraph, sync", "P4", "langgraph", ("sync",)),
    Peer("OpenAI Agents", "P5", "openai_agents"),
    Peer("pydantic-ai", "P5", "pydantic_ai"),
    Peer("DBOS", "P5", "dbos"),
)


def measure(folder: Path, *, peers: Sequence[Peer] = PEERS, rounds: int = ROUNDS) -> list[Row]:
    """Ratios of medians to the best of the peers; a lifecycle without its one effect voids the run.

    A peer that cannot be installed is left out with its reason, and a goal about every peer is then not met.
    """
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        there: dict[str, PeerProcess] = {}
        for number, peer in enumerate(peers):
            start = running(
                peer.name, script=peer.script, arguments=peer.arguments, folder=folder / f"peer-{number}"
            )
            try:
                there[peer.name] = stack.enter_context(start)
            except Missing as reason:
                missing[peer.name] = str(reason)
                print(f"{peer.name} is left out: {reason}", file=sys.stderr, flush=True)
        found = _take_turns(folder, there, rounds=rounds)
    _check_ours(folder / "engine.sqlite3", least=rounds * (engine.ALONE + engine.MANY))
    rows = sorted({peer.row for peer in peers})
    return [
        _judge(row, way, peers=[peer for peer in peers if peer.row == row], found=found, missing=missing)
        for row in rows
        for way in WAYS
    ]


def _take_turns(folder: Path, peers: Mapping[str, PeerProcess], *, rounds: int) -> dict[str, Rates]:
    found: dict[str, Rates] = {name: {way: [] for way in WAYS} for name in (OURS, *peers)}
    for _ in range(rounds):
        found[OURS]["alone"].append(engine.engine_alone(folder))
        found[OURS]["at once"].append(engine.engine_at_once(folder))
        for name, peer in peers.items():
            figures = peer.round()
            found[name]["alone"].append(figures["alone_per_s"])
            found[name]["at once"].append(figures["at_once_per_s"])
    return found


def _check_ours(path: Path, *, least: int) -> None:
    """Our own lifecycles are counted as theirs are: each done, with one outcome and four audit rows."""
    query = """
        SELECT count(*), coalesce(sum(status = 'completed'
            AND (SELECT count(*) FROM outcomes WHERE call_id = tool_calls.id) = 1
            AND (SELECT count(*) FROM audit_events WHERE call_id = tool_calls.id) = 4), 0)
        FROM tool_calls
    """
    with closing(sqlite3.connect(path)) as connection:
        calls, whole = connection.execute(query).fetchone()
    if calls != whole or whole < least:
        raise SystemExit(f"void: {whole} of our {calls} calls are whole, and {least} were measured")


def _judge(
    row: str, way: str, *, peers: Sequence[Peer], found: Mapping[str, Rates], missing: Mapping[str, str]
) -> Row:
    median = {name: statistics.median(rates[way]) for name, rates in found.items()}
    ratios = {peer.name: median[OURS] / median[peer.name] for peer in peers if peer.name in found}
    least, goal = min(ratios.values(), default=0.0), GOALS[row][way]
    detail: dict[str, object] = {f"{OURS} per s": _spread(found[OURS][way])}
    for peer in peers:
        if peer.name in missing:
            detail[peer.name] = f"left out: {missing[peer.name]}"
        else:
            detail[f"{peer.name} per s"] = _spread(found[peer.name][way])
            detail[f"{peer.name} ratio"] = ratios[peer.name]
    everybody = len(ratios) == len(peers)
    return Row(
        name=f"{row} {way}",
        value=least,
        goal=f">= {goal:g}",
        met=everybody and least >= goal,
        unit="ratio",
        detail=detail,
    )


def _spread(rates: Sequence[float]) -> str:
    return f"{statistics.median(rates):.0f} ({min(rates):.0f} to {max(rates):.0f} in {len(rates)} rounds)"
