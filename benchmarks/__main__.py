"""Measures what is asked for (`python -m benchmarks P1 P9`), or everything, in a folder beside this file.

A whole run writes results.json; a partial one only prints.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks.table import Row, machine, show, write

MODULES: Final = {
    "benchmarks.engine": ("P1", "P2", "P3"),
    "benchmarks.peers": ("P4", "P5"),
    "benchmarks.bot": ("P6", "P7", "P8"),
    "benchmarks.history": ("P9",),
    "benchmarks.parse": ("P11",),
    "benchmarks.policy": ("P12",),
}
"""Where each row is measured. A module is loaded only when one of its rows is asked for."""

RESULTS: Final = Path(__file__).parent / "results.json"
Measure = Callable[[Path], list[Row]]


def main(asked: Sequence[str]) -> int:
    """Measures on the disk that the repository is on, not in memory. 1 where a goal was missed, 2 where a
    name is not known."""
    known = [name for names in MODULES.values() for name in names]
    if unknown := [name for name in asked if name not in known]:
        print(f"There is no {', '.join(unknown)}. There are {', '.join(known)}.", file=sys.stderr)
        return 2
    # Whoever is told to stop takes the gigabytes along that P9 has laid down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Bytecode is compiled for whoever uses the product; a start-up measured without it is not theirs.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    print(", ".join(f"{name}: {value}" for name, value in machine().items()), flush=True)
    rows = [row for name, names in MODULES.items() if not asked or {*asked} & {*names} for row in _run(name)]
    if asked:
        rows = [row for row in rows if row.name.split()[0] in asked]
    show(rows)
    if not asked:
        write(rows, RESULTS)
    return 0 if all(row.met for row in rows) else 1


def _run(name: str) -> list[Row]:
    """Runs one module in a folder of its own, which is deleted afterwards."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    measure: Measure = import_module(name).measure
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent, prefix="run-") as folder:
        return measure(Path(folder))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
