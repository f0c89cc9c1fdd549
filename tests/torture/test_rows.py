"""What counts as held at full size: the table must not be greener than the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.torture.process import Run, Test
from tests.torture.rows import Row, Size, lines_of, row_of, size_of


def done(name: str, said: str = "", outcome: str = "passed", why: str = "") -> Test:
    return Test(name=name, outcome=outcome, when="call", seconds=1.0, said=said, why=why)


def row(*tests: Test, limits: int | None = None, **more: Any) -> Row:
    collected = [test.name for test in tests] + ["more"] * ((limits or 0) - len(tests))
    failed = any(test.outcome == "failed" for test in tests)
    run = Run(
        **{
            "code": int(failed),
            "seconds": 2.0,
            "timed_out": False,
            "project": Path(),
            "limits": {f"{name}{at}": None for at, name in enumerate(collected)},
            "not_collected": [],
            "tests": tests,
            "output": "",
            **more,
        }
    )
    return row_of(1, {"tests/a.py": run})


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("T1: 50/50", Size(50, 50, "rounds")),
        ("T14: 500/500 calls, 93 kills at 31 boundaries", Size(500, 500, "calls")),
        ("T1 postgresql: 5/50 rounds", Size(5, 50, "rounds")),
        ("T12: 1,000/1,000 texts: p99 3 ms", Size(1000, 1000, "texts")),
        ("T18: all five are found", None),
        ("T11 1000/1000", None),
    ],
)
def test_a_line_begins_with_its_size(line: str, size: Size | None) -> None:
    assert size_of(line) == size


def test_only_the_lines_of_the_number_count() -> None:
    said = "noise\nT01: 1/1 a\nT1 sqlite: 1/1 a\nT2: 9/9 b\nT11: 1/1 a\nsee T1: no\n"
    assert lines_of(1, said) == ["T01: 1/1 a", "T1 sqlite: 1/1 a"]


def test_sizes_of_one_kind_are_added_and_others_are_counted_as_tests() -> None:
    alike = row(done("a", "T1 sqlite: 5/5 rounds\n"), done("b[postgresql]", "T1 postgresql: 5/5 rounds\n"))
    assert (alike.size, alike.fault, alike.on_postgresql) == (Size(10, 10, "rounds"), "", True)
    mixed = row(done("a", "T1: 5/5 rounds\n"), done("b", "T1: 7/7 taps\n"))
    assert (mixed.size, mixed.fault, mixed.on_postgresql) == (Size(2, 2, "tests"), "", False)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (row(done("a")), "prints nothing"),
        (row(done("a", "T1: 5/50\n")), "cut down"),
        (row(done("a", "T1: 5/5\n"), done("b", "T1 6/9\n")), 'prints "T1 6/9"'),
        (row(done("a", "T1: 5/5\n"), done("b", outcome="failed", why="2 effects")), "FAILED b: 2 effects"),
        (row(done("a", "T1: 5/5\n"), done("b", outcome="skipped")), "not run: b"),
        (row(done("a", "T1: 5/5\n"), limits=2), "not run: 1 of 2"),
        (row(done("a", "T1: 5/5\n"), timed_out=True, code=-9), "FAILED tests/a.py: was stopped"),
        (row(done("a", "T1: 5/5\n"), not_collected=["b.py: no"]), "FAILED tests/a.py: cannot be loaded"),
        (row(done("a", "T1: 5/5\n"), code=3), "FAILED tests/a.py: pytest ended with 3"),
        (row(done("a", "T1: 5/5\n"), code=1), "FAILED: pytest ended with 1"),
        (row(), "not run: 0 of 0"),
    ],
)
def test_whatever_is_not_whole_is_not_met(found: Row, fault: str) -> None:
    assert found.fault.startswith(fault)
    kept = found.as_json(date="2026-11-21", machine="here", postgresql="")
    assert kept["met"] is False
    assert kept["detail"]["result"] == found.fault
