"""The benchmarks measure what they say they do. How fast anything is, no test asserts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from benchmarks.__main__ import MODULES, main
from benchmarks.engine import Engine, open_both
from benchmarks.floor import Floor, compare
from benchmarks.table import Row, at_least, at_most, show, write

LIFECYCLES = 3


def test_a_goal_is_met_at_its_very_bound_and_judged_before_rounding() -> None:
    assert at_least("P1", 0.5, 0.5, detail={}).met
    assert not at_least("P1", 0.49999, 0.5, detail={}).met
    assert at_most("P9", 1.5, 1.5, detail={}).met
    assert not at_most("P9", 1.50001, 1.5, detail={}).met


def test_results_are_written_by_name_and_replace_those_of_before(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write([at_least("P3", 5, 4, detail={})], path)
    write([Row("P1", 0.75, ">= 0.5", True, "ratio", {"rounds": 7})], path)
    assert json.loads(path.read_text()) == {
        "P1": {"value": 0.75, "goal": ">= 0.5", "met": True, "unit": "ratio", "detail": {"rounds": 7}}
    }


def test_the_table_says_which_goals_were_missed(capsys: pytest.CaptureFixture[str]) -> None:
    show([at_least("P1", 0.25, 0.5, detail={"rounds": 7}), at_least("P3", 12, 4, detail={})])
    first, detail, last = capsys.readouterr().out.splitlines()
    assert first.split() == ["P1", "0.25", ">=", "0.5", "MISSED", "ratio"]
    assert detail.split() == ["rounds:", "7"]
    assert last.split() == ["P3", "12", ">=", "4", "met", "ratio"]


def test_a_row_that_does_not_exist_is_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["P1", "P99"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("There is no P99. There are P1, ")
    assert said.out == ""


def test_every_row_is_measured_in_one_place() -> None:
    names = [name for names in MODULES.values() for name in names]
    assert len(names) == len(set(names))


async def test_the_floor_writes_the_very_rows_that_the_engine_writes(tmp_path: Path) -> None:
    engine, floor = await open_both(tmp_path)
    try:
        for _ in range(LIFECYCLES):
            await engine.lifecycle()
        await asyncio.gather(*(floor.lifecycle(steps) for steps in floor.prepare(LIFECYCLES)))
    finally:
        await _close(engine, floor)
    rows = compare(tmp_path / "engine.sqlite3", tmp_path / "floor.sqlite3")
    calls = LIFECYCLES + 2  # both begin with two of the engine's: the floor learns from the second
    assert {name: rows[name] for name in ("tool_calls", "approvals", "attempts", "outcomes")} == {
        "tool_calls": calls,
        "approvals": calls,
        "attempts": calls,
        "outcomes": calls,
    }
    assert rows["audit_events"] == 4 * calls


async def test_what_the_floor_or_the_audit_lacks_voids_the_run(tmp_path: Path) -> None:
    engine, floor = await open_both(tmp_path)
    try:
        await engine.lifecycle()
        (steps,) = floor.prepare(1)
        await floor.lifecycle(steps[:-1])
    finally:
        await _close(engine, floor)
    with pytest.raises(SystemExit, match="void: of attempts the engine wrote"):
        compare(tmp_path / "engine.sqlite3", tmp_path / "floor.sqlite3")
    with pytest.raises(SystemExit, match=r"void: 1 calls in floor\.sqlite3 lack"):
        compare(tmp_path / "floor.sqlite3", tmp_path / "floor.sqlite3")


async def _close(engine: Engine, floor: Floor) -> None:
    await engine.db.close()
    floor.close()
