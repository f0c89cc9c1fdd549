"""`python -m tests.torture [T14 T9 …]`: exit code 1 if any test does not hold at its full size."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Final

from tests.architecture.files import ROOT
from tests.torture import page
from tests.torture.catalogue import NotCollected, Part, parts, run_part
from tests.torture.process import ended_politely
from tests.torture.rows import Row, row_of

ELSEWHERE: Final = frozenset({"T43"})
"""Rows that another command writes: `make sabotage`."""


def main(arguments: Sequence[str]) -> int:
    """Runs the numbers given, or all; prints a row each and keeps it at once. 0 where all of them hold."""
    try:
        known = parts(ROOT)
        wanted = _wanted(arguments, known)
    except (NotCollected, ValueError) as problem:
        print(problem)
        return 1
    held = True
    print(f"{page.machine()}\n")
    if not arguments:  # what is no test any more is no row any more
        names = {f"T{part.number}" for part in known} | ELSEWHERE
        page.write({name: row for name, row in page.read().items() if name in names})
    for number in wanted:
        row = _run(number, [part for part in known if part.number == number])
        print(page.line_of(f"T{number}", page.keep(row)), flush=True)
        held = held and not row.fault
    return 0 if held else 1


def _run(number: int, of_it: Sequence[Part]) -> Row:
    return row_of(number, {part.file: run_part(part, ROOT) for part in of_it})


def _wanted(arguments: Sequence[str], known: Sequence[Part]) -> list[int]:
    """The numbers asked for. Raises ValueError for one that has no test."""
    numbers = sorted({part.number for part in known})
    wanted = []
    for argument in arguments:
        given = re.fullmatch(r"[Tt]?0*(\d+)", argument)
        if given is None or int(given[1]) not in numbers:
            raise ValueError(
                f"{argument} has no test. There are {', '.join(f'T{each}' for each in numbers)}."
            )
        wanted.append(int(given[1]))
    return wanted or numbers


if __name__ == "__main__":
    ended_politely()
    sys.exit(main(sys.argv[1:]))
