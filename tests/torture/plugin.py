"""A pytest plug-in that writes down, a JSON line each, what is collected and what became of it.

Output that is captured and shown at the end is for people; this is for the programs that start pytest.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

REPORT: Final = "COUNTERSIGN_TEST_REPORT"
"""The environment variable that names the file to write."""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Which copy of the project is tested: where there are two, the wrong one is easily had."""
    found = importlib.util.find_spec("core")
    origin = str(Path(found.origin).parents[1]) if found and found.origin else ""
    _write({"kind": "project", "folder": origin, "root": str(session.config.rootpath)})


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _write({"kind": "not_collected", "test": report.nodeid, "why": _last_line(report.longreprtext)})


def pytest_collection_finish(session: pytest.Session) -> None:
    for item in session.items:
        limit = item.get_closest_marker("timeout")
        seconds = None if limit is None else limit.kwargs.get("timeout", *limit.args[:1])
        _write({"kind": "item", "test": item.nodeid, "limit_s": seconds})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    why = ""
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        why = _first_line(crash.message) if crash else _last_line(report.longreprtext)
    said = report.capstdout if report.when == "teardown" else ""
    _write(
        {
            "kind": "phase",
            "test": report.nodeid,
            "when": report.when,
            "outcome": report.outcome,
            "seconds": report.duration,
            "said": said,
            "why": why,
        }
    )


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def _write(entry: Mapping[str, object]) -> None:
    with Path(os.environ[REPORT]).open("a", encoding="utf-8") as report:
        report.write(json.dumps(entry) + "\n")
