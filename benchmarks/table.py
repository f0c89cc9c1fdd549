"""What a benchmark found: one row a goal, shown as a table and written as JSON."""

from __future__ import annotations

import json
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_CPUINFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Row:
    """One measured goal. `value` is rounded where it is shown, never before it is judged; `goal` says in
    words what `met` was judged by."""

    name: str
    value: float
    goal: str
    met: bool
    unit: str
    detail: Mapping[str, object]


def at_least(
    name: str, value: float, bound: float, *, unit: str = "ratio", detail: Mapping[str, object]
) -> Row:
    """A row whose goal is met from `bound` upwards."""
    return Row(name=name, value=value, goal=f">= {bound:g}", met=value >= bound, unit=unit, detail=detail)


def at_most(
    name: str, value: float, bound: float, *, unit: str = "ratio", detail: Mapping[str, object]
) -> Row:
    """A row whose goal is met up to `bound`."""
    return Row(name=name, value=value, goal=f"<= {bound:g}", met=value <= bound, unit=unit, detail=detail)


def show(rows: Sequence[Row]) -> None:
    """Prints all rows as one table, with what lies behind each below it."""
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        told = "met" if row.met else "MISSED"
        print(f"{row.name:<{width}}  {_figure(row.value):>10}  {row.goal:<10} {told:<6}  {row.unit}")
        for key, value in row.detail.items():
            print(f"{'':<{width}}  {'':>10}    {key}: {_figure(value)}")


def write(rows: Sequence[Row], path: Path) -> None:
    """Writes exactly these rows, by name; what an earlier run left in the file is gone."""
    found = {row.name: {key: value for key, value in asdict(row).items() if key != "name"} for row in rows}
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False, default=str) + "\n")


def machine() -> Mapping[str, str]:
    """What the figures were measured on."""
    cores, model = 0, platform.processor() or platform.machine()
    if _CPUINFO.exists():
        lines = _CPUINFO.read_text().splitlines()
        cores = sum(line.startswith("processor") for line in lines)
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
    return {
        "CPU": model,
        "cores": str(cores or "unknown"),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
    }


def _figure(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
