"""docs/torture.json and docs/torture.md: what ran at full size, when, where, and what came of it."""

from __future__ import annotations

import json
import os
import platform
import re
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.architecture.files import ROOT
from tests.kit.databases import server_address
from tests.torture.rows import Row

JSON: Final = ROOT / "docs" / "torture.json"
PAGE: Final = ROOT / "docs" / "torture.md"
_HEAD: Final = """\
# The catalogue at full size

Written by `make torture`, not by hand: every test of the numbered catalogue at its full size, each file in a
process of its own. `python -m tests.torture T14 T9` runs only these and leaves the other rows as they are.

"""
Rows = dict[str, Any]


def read(path: Path = JSON) -> Rows:
    """The rows so far, by "T<number>"."""
    if not path.exists():
        return {}
    rows: Rows = json.loads(path.read_text(encoding="utf-8"))
    return rows


def write(rows: Rows, *, path: Path = JSON, page: Path = PAGE) -> None:
    """Writes both files, the rows in the order of their numbers."""
    ordered = {name: rows[name] for name in sorted(rows, key=lambda name: int(name[1:]))}
    path.write_text(json.dumps(ordered, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    page.write_text(page_of(ordered), encoding="utf-8")


def keep(row: Row) -> Mapping[str, Any]:
    """Puts a row into both files, dated today, and leaves the others as they are. As it was written."""
    rows = read()
    rows[f"T{row.number}"] = kept = row.as_json(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=machine(),
        postgresql=postgresql() if row.on_postgresql else "",
    )
    write(rows)
    return kept


def page_of(rows: Rows) -> str:
    """The page, in Markdown."""
    lines = [_HEAD.rstrip(), "", *_places(rows), ""]
    lines += ["| T | size | figures | seconds | date | result |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        detail = row["detail"]
        cells = (
            name,
            f"{row['value']:,}/{row['goal']:,} {row['unit']}",
            "<br>".join(map(_cell, _figures(detail))),
            f"{detail['seconds']:,.0f}",
            detail["date"],
            _cell(detail["result"]),
        )
        lines.append(f"| {' | '.join(cells)} |")
    met = sum(row["met"] for row in rows.values())
    return "\n".join([*lines, "", f"{met} of {len(rows)} passed at full size.", ""])


def _places(rows: Rows) -> list[str]:
    """Where the rows come from: each machine, with its rows where there are several."""
    machines: dict[str, list[str]] = {}
    for name, row in rows.items():
        machines.setdefault(row["detail"]["machine"], []).append(name)
    servers = sorted({row["detail"]["postgresql"] for row in rows.values() if "postgresql" in row["detail"]})
    lines = [
        f"* {each}" + (f" ({', '.join(of)})" if len(machines) > 1 else "") for each, of in machines.items()
    ]
    return [*lines, *(f"* {server} where the tests of a row need one" for server in servers)]


def _cell(text: str) -> str:
    flat = " ".join(text.split())
    return re.sub(r"([|<>`*_\\])", r"\\\1", flat if len(flat) <= 300 else f"{flat[:299]}…")


def machine() -> str:
    """What this machine is: processor, cores, memory, and the versions that matter."""
    processor = _found("/proc/cpuinfo", r"model name\s*: (.+)") or platform.processor() or platform.machine()
    kilobytes = _found("/proc/meminfo", r"MemTotal:\s*(\d+)")
    memory = f"{int(kilobytes) / 1024**2:.1f} GB" if kilobytes else "unknown memory"
    python, sqlite = platform.python_version(), sqlite3.sqlite_version
    return f"{processor}, {os.cpu_count()} cores, {memory}; Python {python}, SQLite {sqlite}"


@cache
def postgresql() -> str:
    """The version of the PostgreSQL that the tests start, as it says itself."""
    with psycopg.connect(server_address()) as server:
        return f"PostgreSQL {server.info.parameter_status('server_version')}"


def _found(file: str, pattern: str) -> str:
    path = Path(file)
    found = re.search(pattern, path.read_text()) if path.exists() else None
    return found[1].strip() if found else ""


def line_of(name: str, row: Mapping[str, Any]) -> str:
    """The row as it is printed."""
    detail = row["detail"]
    size = f"{row['value']:,}/{row['goal']:,} {row['unit']}"
    result = "passed" if row["met"] else detail["result"]
    head = f"{name:<4} {size:<24} {detail['seconds']:>7,.0f} s  {result}"
    return "\n".join([head, *(f"     {line}" for line in _figures(detail))])


def _figures(detail: Mapping[str, Any]) -> list[str]:
    """The lines that the tests printed, without the number that their row has anyway."""
    return [re.sub(r"^T\d+:? ", "", line) for line in detail["figures"]]
