"""What the tests of one number came to: the row of the table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.torture.process import Run

_LINE: Final = re.compile(r"(?m)^T0*(?P<number>\d+)(?: \w+)?: (?P<told>.*\S)\s*$")
_NEAR: Final = re.compile(r"(?m)^T0*(?P<number>\d+)\b.*$")
_SIZE: Final = re.compile(r"(?P<actual>[\d,]+)/(?P<full>[\d,]+)(?: (?P<unit>[^,;:]*))?")
_UNIT: Final = "rounds"


@dataclass(frozen=True, slots=True)
class Size:
    """How much ran, of how much there is."""

    actual: int
    full: int
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number of the catalogue. `fault` says why it is not met; "" where it is."""

    number: int
    size: Size
    figures: Sequence[str]
    seconds: float
    fault: str
    on_postgresql: bool

    def as_json(self, *, date: str, machine: str, postgresql: str) -> dict[str, Any]:
        """The row's value in docs/torture.json."""
        detail: dict[str, Any] = {
            "result": self.fault or "passed",
            "figures": list(self.figures),
            "seconds": round(self.seconds, 1),
            "date": date,
            "machine": machine,
        }
        if postgresql:
            detail["postgresql"] = postgresql
        return {
            "value": self.size.actual,
            "goal": self.size.full,
            "met": not self.fault,
            "unit": self.size.unit,
            "detail": detail,
        }


def row_of(number: int, runs: Mapping[str, Run]) -> Row:
    """The row of one number, whose tests ran in these processes, by file."""
    tests = [test for run in runs.values() for test in run.tests]
    figures = [line for test in tests for line in lines_of(number, test.said)]
    passed = sum(test.outcome == "passed" for test in tests)
    collected = sum(len(run.limits) for run in runs.values())
    return Row(
        number=number,
        size=_size(figures) or Size(passed, collected, "tests"),
        figures=figures,
        seconds=sum(run.seconds for run in runs.values()),
        fault=_fault(number, runs, figures),
        on_postgresql=any("postgresql" in test.name for test in tests),
    )


def lines_of(number: int, said: str) -> list[str]:
    """The lines that a test of this number printed about itself, as "T14: 500/500 calls, …"."""
    return [found[0].strip() for found in _LINE.finditer(said) if int(found["number"]) == number]


def size_of(line: str) -> Size | None:
    """The size that a line begins with; None where it has none."""
    told = _LINE.match(line)
    found = _SIZE.match(told["told"]) if told else None
    if found is None:
        return None
    actual, full = (int(found[name].replace(",", "")) for name in ("actual", "full"))
    return Size(actual, full, (found["unit"] or "").strip() or _UNIT)


def _size(figures: Sequence[str]) -> Size | None:
    """The sum of the lines' sizes; None where there are none, or they are of different things."""
    sizes = [size_of(line) for line in figures]
    known = [size for size in sizes if size is not None]
    if not known or len(known) < len(sizes) or len({size.unit for size in known}) > 1:
        return None
    return Size(sum(size.actual for size in known), sum(size.full for size in known), known[0].unit)


def _fault(number: int, runs: Mapping[str, Run], figures: Sequence[str]) -> str:
    return next(_faults(number, runs, figures), "")


def _faults(number: int, runs: Mapping[str, Run], figures: Sequence[str]) -> Iterator[str]:
    """What is wrong, the worst first."""
    for run in runs.values():
        yield from (f"FAILED {test.name}: {test.why}" for test in run.tests if test.outcome == "failed")
    yield from (f"FAILED {file}: {run.problem}" for file, run in runs.items() if run.problem)
    for run in runs.values():
        yield from (
            f"not run: {test.name} ({test.outcome})" for test in run.tests if test.outcome != "passed"
        )
        if len(run.tests) < len(run.limits) or not run.tests:
            yield f"not run: {len(run.limits) - len(run.tests)} of {len(run.limits)} tests"
        if run.code:
            yield f"FAILED: pytest ended with {run.code}"
    said = "\n".join(test.said for run in runs.values() for test in run.tests)
    for found in _NEAR.finditer(said):
        if int(found["number"]) == number and not _LINE.match(found[0]):
            yield f'prints "{found[0]}", which should begin like "T{number}: <actual>/<full> <what>"'
    if not figures:
        yield f'prints nothing like "T{number}: <actual>/<full> <what>, <figures>"'
    for line in figures:
        size = size_of(line)
        if size is not None and size.actual < size.full:
            yield f"cut down: {line}"
