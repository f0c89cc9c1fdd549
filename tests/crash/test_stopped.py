"""T16: a worker is stopped past its lease and resumed: one effect, and its late result changes nothing."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from core.engine import mark
from core.engine.answers import Marked
from core.model import ToolCall
from core.registry import ToolRegistry
from tests.crash import worker
from tests.crash.life import Life
from tests.crash.stage import PEOPLE, open_stage
from tests.crash.tools import GATE, LEDGER, pause
from tests.crash.worker import AFTER, BEFORE, BOTH, Held, WorkerOrders, held_at
from tests.e2e.ledger import effects
from tests.e2e.rounds import FULL
from tests.kit.databases import KINDS, Kind, Place
from tests.kit.world import World, open_world, principal

ROUNDS = 50 if FULL else 6
LEASE_S: Final = 1.0
CASES: Final = (
    *itertools.product(("once", "again"), (BEFORE, AFTER)),
    *(("again", f"{where} {BOTH}") for where in (BEFORE, AFTER)),
)
"""Which tool, and where it is held. Held both times, the late result comes while the heir is at it."""


@asynccontextmanager
async def two_workers(folder: Path, place: Place) -> AsyncIterator[tuple[World, Life, Life]]:
    """A world without workers of its own; one process that takes calls, and one that only recovers."""
    ledger = folder / LEDGER
    async with open_world(folder, place=place) as world:
        world.registry = ToolRegistry(Held(ledger, print).tools)
        world.__post_init__()
        lives = [
            Life.begin(
                WorkerOrders(
                    name=name,
                    database=place.address,
                    ledger=ledger,
                    wall=world.clock.now().timestamp(),
                    lease_s=LEASE_S,
                ),
                worker.main,
            )
            for name in ("taker", "heir")
        ]
        try:
            for life in lives:
                await life.ready()
            await lives[0].told("take")
            yield world, lives[0], lives[1]
        finally:
            for life in lives:
                life.send(signal.SIGKILL)
                await life.death()


@pytest.mark.timeout(900 if FULL else 120)
async def test_t16_a_worker_is_stopped_past_its_lease_and_resumed(tmp_path: Path, place: Place) -> None:
    early = late = 0
    async with two_workers(tmp_path, place) as (world, taker, heir):
        for number, (tool, where) in zip(range(ROUNDS), itertools.cycle(CASES), strict=False):
            call = await world.propose(tool, arguments={"text": where})
            await taker.told("wake")
            await taker.until(lambda call=call: held_at(call.id) in taker.heard)  # type: ignore[misc]
            taker.send(signal.SIGSTOP)
            early += await _taken_over(world, heir, call)
            settled_first = bool(number % 2)
            if tool == "once" and settled_first:
                await _settle(world, call)
            taker.send(signal.SIGCONT)
            for order in ("recover", "go"):
                await taker.told(order)
            await taker.until(lambda number=number: _late_results(world) > number)  # type: ignore[misc]
            late += 1
            if BOTH in where:
                await heir.told("go")
                await heir.until(lambda call=call: _row(world, call)[0] == "completed")  # type: ignore[misc]
            if tool == "once" and not settled_first:
                await _settle(world, call)
            wrongs = list(_wrongs(world, call, tmp_path))
            assert not wrongs, (tool, where, wrongs)
        assert _late_results(world) == late
    figures = f"{late} late results refused, {early} leases respected before they ran out"
    print(f"T16 {place.kind}: {ROUNDS}/50 rounds, {figures}")
    assert early or not FULL, "no lease was ever looked at before it ran out"


async def _taken_over(world: World, heir: Life, call: ToolCall) -> bool:
    """Returns once the heir has what the stopped worker held; whether it looked in vain before."""
    lease_until = world.sql("SELECT lease_until FROM attempts WHERE call_id = ?", call.id)[0][0]
    await heir.told("recover")
    held = _holds(world, call)
    in_time = time.time() * 1000 < lease_until
    assert held or not in_time, "taken over before its lease ran out"
    while _holds(world, call):
        await pause(0.02)
        await heir.told("recover")
    assert time.time() * 1000 >= lease_until, "taken over before its lease ran out"
    if BOTH in str(call.arguments["text"]):
        await heir.until(lambda: held_at(call.id) in heir.heard)
    elif call.tool == "again":
        await heir.until(lambda: _row(world, call)[0] == "completed")
    return bool(in_time)


def _holds(world: World, call: ToolCall) -> bool:
    """Whether the first attempt, the stopped worker's, is the live one."""
    live = "SELECT number FROM attempts WHERE call_id = ? AND ended_at IS NULL"
    return world.sql(live, call.id) == [(1,)]


async def _settle(world: World, call: ToolCall) -> None:
    """Whoever asked says that it was done."""
    marked = await world.unit(
        lambda records: mark(
            records,
            by=principal("ann"),
            call_id=call.id,
            done=True,
            now=world.clock.moment,
            env=world.env,
        )
    )
    assert isinstance(marked, Marked), marked


def _late_results(world: World) -> int:
    return int(world.sql("SELECT count(*) FROM audit_events WHERE kind = 'call.late_result'")[0][0])


def _row(world: World, call: ToolCall) -> tuple[object, ...]:
    rows = world.sql(
        "SELECT c.status, c.attempts, o.formatted, o.marked_by, o.worker FROM tool_calls c "
        "LEFT JOIN outcomes o ON o.call_id = c.id WHERE c.id = ?",
        call.id,
    )
    assert len(rows) == 1, rows
    return rows[0]


def _wrongs(world: World, call: ToolCall, folder: Path) -> Iterator[str]:
    times = effects(folder / LEDGER)[call.id]
    if times != 1:
        yield f"{times} effects"
    status, attempts, formatted, marked_by, by = _row(world, call)
    wanted = ("Marked done by Ann.", "ann", 1) if call.tool == "once" else ("attempt 2", None, 2)
    if (status, formatted, marked_by, attempts) != ("completed", *wanted):
        yield f"its end is {(status, formatted, marked_by, attempts)}"
    if call.tool == "again" and not str(by).startswith("heir"):
        yield f"its outcome is from {by}"
    kinds = world.kinds(call)
    if kinds.count("call.late_result") != 1 or kinds.count("call.completed") != 1:
        yield f"audited as {kinds}"
    if kinds.count("call.interrupted") != (call.tool == "once"):
        yield f"audited as {kinds}"
    if world.sql("SELECT 1 FROM attempts WHERE call_id = ? AND ended_at IS NULL", call.id):
        yield "an attempt never ended"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(300)
async def test_t16_the_whole_product_is_stopped_past_its_lease(kind: Kind, tmp_path: Path) -> None:
    """Nobody took over meanwhile, and it does not take over from itself: what it had in hand goes on."""
    async with open_stage(tmp_path / "data", kind) as stage:
        await stage.introduce(*PEOPLE)
        await stage.down()
        life = await stage.begins(lease_s=LEASE_S)
        for tool in ("hold", "linger"):
            await stage.say("member", f"/{tool} {stage.fresh()}", calls=1)
            await stage.life_sees(
                f"SELECT count(*) FROM tool_calls WHERE tool = '{tool}' AND status = 'running'"
            )
        life.send(signal.SIGSTOP)
        until = stage.seen.number("SELECT max(lease_until) FROM attempts WHERE ended_at IS NULL")
        await pause(max(0.0, until / 1000 - time.time()) + 0.05)
        life.send(signal.SIGCONT)
        await life.told("recover")
        (stage.data / GATE).touch()
        await stage.settled()
        ends = stage.seen.rows("SELECT id, status, attempts FROM tool_calls")
        assert [end[1:] for end in ends] == [("completed", 1)] * 2
        assert stage.seen.effects() == {end[0]: 1 for end in ends}
    print(f"T16 {kind}: 1/1 rounds, the whole product resumed, 2 effects of 2 calls")
