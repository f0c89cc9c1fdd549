"""Finding the tests of the catalogue: by their names, wherever they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.torture.process import Run, run_pytest

FULL_SIZE: Final[Mapping[str, str | None]] = {"COUNTERSIGN_TORTURE": "1"}
TEST_S: Final = 1800.0
"""A test that gives itself no time limit has this one at full size."""
PROCESS_S: Final = 7200.0
"""No process is given more, however many tests it has, unless one of its tests asks for it."""
_NAMED: Final = re.compile(r"\bdef test_t0*(\d+)_")
_COLLECT_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The tests of one number in one file: what runs in one process."""

    number: int
    file: str
    tests: Sequence[str]
    limit_s: float


class NotCollected(Exception):
    """The catalogue cannot be read, so that running what is left of it would prove nothing."""


def parts(project: Path) -> list[Part]:
    """All tests named `test_t<number>_…`, by number and file. Raises NotCollected."""
    files = [path for path in sorted(project.glob("tests/**/test_*.py")) if _NAMED.search(path.read_text())]
    names = [path.relative_to(project).as_posix() for path in files]
    run = run_pytest("--collect-only", *names, project=project, limit_s=_COLLECT_S, environment=FULL_SIZE)
    if run.problem or run.code:
        raise NotCollected(run.problem or run.output[-2000:])
    return _grouped(run)


def _grouped(run: Run) -> list[Part]:
    grouped: dict[tuple[int, str], dict[str, float]] = {}
    for test, limit in run.limits.items():
        file, _, rest = test.partition("::")
        # The name of the function only: what stands in brackets is the test's own affair.
        named = re.search(r"(?:^|::)test_t0*(\d+)_", rest.partition("[")[0])
        if named is not None:
            grouped.setdefault((int(named[1]), file), {})[test] = limit or TEST_S
    return [
        Part(
            number=number,
            file=file,
            tests=sorted({test.partition("[")[0] for test in limits}),
            limit_s=max(min(sum(limits.values()), PROCESS_S), *limits.values()) + 60,
        )
        for (number, file), limits in sorted(grouped.items())
    ]


def run_part(part: Part, project: Path) -> Run:
    """Runs the part at full size."""
    return run_pytest(
        f"--timeout={TEST_S:.0f}",
        *part.tests,
        project=project,
        limit_s=part.limit_s,
        environment=FULL_SIZE,
    )
