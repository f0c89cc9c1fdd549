"""`python -m tests.sabotage [part of a control's name ...]`: exit code 1 if any sabotage stays green."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from tests.sabotage.control import Control
from tests.sabotage.controls import CONTROLS
from tests.sabotage.scratch import Lost, copy_project, found_once, removed
from tests.torture import page
from tests.torture.process import Run, ended_politely, run_pytest
from tests.torture.rows import Row, Size

AT_ONCE: Final = 2
LIMIT_S: Final = 600.0
_TIMED_OUT: Final = "Timeout (>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sabotage:
    """One control taken out. `by` is the first test that turned red, or "" where none did."""

    control: Control
    by: str
    why: str
    seconds: float

    @property
    def lines(self) -> str:
        """The sabotage's row of the table: what catches it; and below, how it was done."""
        before, after = _difference(self.control)
        caught = self.by or f"NOTHING: {self.why}"
        return (
            f"{self.control.name:<{_WIDE}}  {self.seconds:>5.1f} s  {caught}\n"
            f"    {self.control.file}: {before}  ->  {after or '(nothing)'}\n"
            f"    {self.why[:_WHY]}"
        )


_WHY: Final = 120
_WIDE: Final = max(len(control.name) for control in CONTROLS)


def _difference(control: Control) -> tuple[str, str]:
    """The first line that is not the same, with and without the control."""
    pairs = zip_longest(control.old.splitlines(), control.new.splitlines(), fillvalue="")
    return next((old.strip(), new.strip()) for old, new in pairs if old != new)


class Copies:
    """Scratch copies of the project, each lent to one sabotage at a time."""

    def __init__(self, folder: Path) -> None:
        self._free: SimpleQueue[Path] = SimpleQueue()
        for number in range(AT_ONCE):
            copy_project(folder / str(number))
            self._free.put(folder / str(number))

    @contextmanager
    def one(self) -> Iterator[Path]:
        """A copy that nobody else has."""
        copy = self._free.get()
        try:
            yield copy
        finally:
            self._free.put(copy)


def main(arguments: Sequence[str]) -> int:
    """Prints the table, and keeps its last line as T43's. 0 where every sabotage was caught, else 1."""
    chosen = [c for c in CONTROLS if not arguments or any(part in c.name for part in arguments)]
    if not chosen:
        print(f"No control is called so. There are: {', '.join(c.name for c in CONTROLS)}")
        return 1
    begun = time.monotonic()
    try:
        for control in chosen:
            found_once(control)
    except Lost as lost:
        print(lost)
        return 1
    unseen = _unseen(chosen)
    if unseen is None:
        return 1
    seconds = time.monotonic() - begun
    told = f"{len(chosen) - len(unseen)}/{len(chosen)} controls are missed when taken out, {seconds:.0f} s"
    print(f"T43: {told}")
    if not arguments:
        _keep(f"T43: {told}", unseen, seconds)
    return 1 if unseen else 0


def _unseen(chosen: Sequence[Control]) -> list[str] | None:
    """Takes each out and prints its row: the names of those that nothing missed; None where the tests are
    not green to begin with."""
    with tempfile.TemporaryDirectory(prefix="countersign-sabotage-") as folder:
        copies = Copies(Path(folder))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            if not _green_untouched(chosen, copies, pool):
                return None
            print(f"{'control':<{_WIDE}}  {'took':>7}  caught by\n    where, and how; what the test said")
            unseen = []
            for done in pool.map(lambda control: sabotage(control, copies), chosen):
                print(done.lines, flush=True)
                unseen += [] if done.by else [done.control.name]
    return unseen


def _keep(line: str, unseen: Sequence[str], seconds: float) -> None:
    """Writes T43 beside the other numbers of the catalogue."""
    row = Row(
        number=43,
        size=Size(len(CONTROLS) - len(unseen), len(CONTROLS), "controls"),
        figures=[line],
        seconds=seconds,
        fault=f"not missed: {', '.join(unseen)}" if unseen else "",
        on_postgresql=False,
    )
    page.keep(row)


def sabotage(control: Control, copies: Copies) -> Sabotage:
    """Takes one control out of a copy and runs the tests that should miss it there."""
    with copies.one() as copy, removed(control, root=copy):
        run = _tests(copy, control.tests, "-x")
    # A test whose surroundings could not even be set up, or whose time was over, saw nothing.
    red = [
        test
        for test in run.tests
        if test.outcome == "failed" and test.when == "call" and _TIMED_OUT not in test.why
    ]
    if run.problem or not red:
        why = run.problem or "; ".join(f"{test.name}: {test.why}" for test in run.tests if test.why)
        return Sabotage(control=control, by="", why=why or "all tests stay green", seconds=run.seconds)
    return Sabotage(control=control, by=red[0].name, why=red[0].why, seconds=run.seconds)


def _green_untouched(chosen: Sequence[Control], copies: Copies, pool: ThreadPoolExecutor) -> bool:
    """Runs all the tests over untouched copies: what is red already proves nothing."""
    names = sorted({name for control in chosen for name in control.tests})
    # A test may be in a file that is named whole as well.
    names = [
        name for name in names if name.partition("::")[0] == name or name.partition("::")[0] not in names
    ]

    def run_part(part: Sequence[str]) -> Run:
        with copies.one() as copy:
            return _tests(copy, part)

    runs = list(pool.map(run_part, filter(None, (names[number::AT_ONCE] for number in range(AT_ONCE)))))
    told = [run.problem for run in runs if run.problem]
    told += [
        f"{test.name}: {test.outcome} ({test.why})"
        for run in runs
        for test in run.tests
        if test.outcome != "passed"
    ]
    if told:
        print("The table would be void: untouched, these are not green:", *told, sep="\n  ")
        return False
    count, seconds = sum(len(run.tests) for run in runs), max(run.seconds for run in runs)
    print(f"Untouched, {count} tests are green ({seconds:.0f} s).\n", flush=True)
    return True


def _tests(copy: Path, names: Sequence[str], *more: str) -> Run:
    run = run_pytest(
        *("-k", "not postgresql"),  # the same controls on the other database: the suite proper does that
        *more,
        *names,
        project=copy,
        limit_s=LIMIT_S,
        environment={"COUNTERSIGN_TORTURE": None},
    )
    if run.tests and run.project != copy.resolve():
        raise RuntimeError(f"the tests looked at {run.project} instead of the copy {copy}")
    return run


if __name__ == "__main__":
    ended_politely()
    sys.exit(main(sys.argv[1:]))
