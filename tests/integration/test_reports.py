"""Reports of runs: written once, after the end, from committed state; what is missing is made up for."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

from msgspec.structs import force_setattr

from bot.workers.reports import Reports, results_file
from core.engine.runs import RunProposed
from core.ids import TenantId
from tests.integration.runs_stage import a_run, execute
from tests.kit.world import World


def reports(world: World) -> Reports:
    return Reports(reader=world.db.reader, registry=world.registry, folder=world.folder / "reports")


def file_of(world: World, run: RunProposed) -> Path:
    return results_file(world.folder / "reports", run.record)


async def ended(world: World) -> RunProposed:
    run = await a_run(world, "low_once", "fails")
    await execute(world, run, 1)
    await execute(world, run, 2)
    return run


async def test_a_report_is_written_at_the_end_and_not_before(world: World) -> None:
    run = await a_run(world, "low_once", "fails")
    await execute(world, run, 1)
    writer = reports(world)
    await writer.catch_up()
    assert not file_of(world, run).exists()
    await execute(world, run, 2)
    await writer.catch_up()
    told = json.loads(file_of(world, run).read_text(encoding="utf-8"))
    assert [(each["step"], each["status"]) for each in told["calls"]] == [(1, "completed"), (2, "failed")]
    assert told["calls"][1]["error"] == "no paper"
    assert told["calls"][0]["references"] == {"path": "ledger"}


async def test_a_start_writes_what_is_missing_and_the_same_as_before(world: World) -> None:
    first, second = await ended(world), await ended(world)
    await reports(world).catch_up()
    before = {run.record.id: file_of(world, run).read_bytes() for run in (first, second)}
    file_of(world, second).unlink()
    file_of(world, first).write_text("kept as it is")
    await reports(world).catch_up()
    assert file_of(world, first).read_text() == "kept as it is"
    assert file_of(world, second).read_bytes() == before[second.record.id]


async def test_it_wakes_with_the_commit_of_the_end(sqlite_world: World) -> None:
    world = sqlite_world
    writer, woken = reports(world), asyncio.Event()
    world.db.writer.listen("run_end", writer.wake)
    world.db.writer.listen("run_end", lambda _: woken.set())
    await world.done("low_once")
    assert not woken.is_set()
    task = asyncio.ensure_future(writer.run())
    run = await ended(world)
    async with asyncio.timeout(10):
        await woken.wait()
        while not file_of(world, run).exists():
            await asyncio.to_thread(lambda: None)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_run_that_cannot_be_read_holds_up_no_other(sqlite_world: World) -> None:
    world = sqlite_world
    broken, hurt, odd, fine = [await ended(world) for _ in range(4)]
    world.place.damage("UPDATE runs SET needs = '{' WHERE id = ?", broken.record.id)
    world.place.damage("UPDATE tool_calls SET verdict = '{' WHERE run_id = ?", hurt.record.id)
    # Once: the runner let such references through, and this ended the product, at each start again.
    world.place.damage(
        """UPDATE outcomes SET external_refs = '{"number":5}'
           WHERE call_id IN (SELECT id FROM tool_calls WHERE run_id = ?)""",
        odd.record.id,
    )
    await reports(world).catch_up()
    there = [file_of(world, run).exists() for run in (broken, hurt, odd, fine)]
    assert there == [False, False, False, True]


async def test_no_team_writes_outside_its_folder(sqlite_world: World) -> None:
    run = (await ended(sqlite_world)).record
    for tenant in ("..", "a/b", "", "%"):
        folder = Path("/reports")
        force_setattr(run, "tenant_id", TenantId(tenant))
        file = results_file(folder, run)
        assert file.parents[2] == folder
        assert ".." not in file.parts
