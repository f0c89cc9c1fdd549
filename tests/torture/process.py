"""Starting pytest in a process of its own, and reading what it wrote down."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.torture.plugin import REPORT

_PLUGIN: Final = "tests.torture.plugin"
_ON_GOOD_TERMS_S: Final = 10.0
"""So long may a process take to end after it was interrupted, before it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """What became of one test: the worst of its phases, `when` that was and `why`."""

    __test__ = False  # pytest: this is no test

    name: str
    outcome: str
    when: str
    seconds: float
    said: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process of pytest that has ended. `limits`: the time limit each collected test gives itself."""

    code: int
    seconds: float
    timed_out: bool
    project: Path
    limits: Mapping[str, float | None]
    not_collected: Sequence[str]
    tests: Sequence[Test]
    output: str

    @property
    def problem(self) -> str:
        """Why this run says nothing about its tests; "" where it does."""
        if self.not_collected:
            return f"cannot be loaded: {self.not_collected[0]}"
        if self.timed_out:
            return f"was stopped after {self.seconds:.0f} s"
        if self.code not in (0, 1):
            return f"pytest ended with {self.code}: {self.output.strip()[-200:]}"
        return ""


def run_pytest(
    *arguments: str, project: Path, limit_s: float, environment: Mapping[str, str | None] | None = None
) -> Run:
    """Runs pytest over the project in this folder, and ends it with all its children after `limit_s`.

    A variable whose value is None is taken out of the environment.
    """
    with tempfile.TemporaryDirectory(prefix="countersign-tests-") as folder:
        report, output = Path(folder, "report"), Path(folder, "output")
        report.touch()
        command = [sys.executable, "-m", "pytest", "-p", _PLUGIN, "-p", "no:cacheprovider", "-n0", "-q"]
        command += ["--tb=short", f"--basetemp={folder}/tmp", *arguments]
        begun = time.monotonic()
        with output.open("wb") as written:
            process = subprocess.Popen(
                command,
                cwd=project,
                env=_environment(project, report, environment or {}),
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            timed_out = not _ended(process, limit_s)
        seconds = time.monotonic() - begun
        entries = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
        told = output.read_text(encoding="utf-8", errors="replace")
    return _run(entries, code=process.returncode, seconds=seconds, timed_out=timed_out, output=told)


def ended_politely() -> None:
    """From now on a SIGTERM ends this program as Ctrl-C does: with the processes that it started."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def _environment(project: Path, report: Path, changes: Mapping[str, str | None]) -> dict[str, str]:
    """The surroundings of the tests; in a scratch copy its own modules come before the installed ones."""
    wanted: dict[str, str | None] = {
        **os.environ,
        "PYTHONPATH": str(project),
        REPORT: str(report),
        **changes,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _ended(process: subprocess.Popen[bytes], limit_s: float) -> bool:
    """Waits; ends the process and whatever it started where it takes too long, or we are stopped."""
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return False
    else:
        return True
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_ON_GOOD_TERMS_S)
    with contextlib.suppress(ProcessLookupError):  # nothing is left of its group
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _run(
    entries: Sequence[dict[str, Any]], *, code: int, seconds: float, timed_out: bool, output: str
) -> Run:
    project = next((entry["folder"] for entry in entries if entry["kind"] == "project"), "")
    phases: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        if entry["kind"] == "phase":
            phases.setdefault(entry["test"], []).append(entry)
    return Run(
        code=code,
        seconds=seconds,
        timed_out=timed_out,
        project=Path(project),
        limits={entry["test"]: entry["limit_s"] for entry in entries if entry["kind"] == "item"},
        not_collected=[
            f"{entry['test']}: {entry['why']}" for entry in entries if entry["kind"] == "not_collected"
        ],
        tests=[_test(name, of_it) for name, of_it in phases.items()],
        output=output,
    )


def _test(name: str, phases: Sequence[dict[str, Any]]) -> Test:
    ranks = ("passed", "skipped", "failed")
    worst = max(phases, key=lambda phase: ranks.index(phase["outcome"]))
    ended = any(phase["when"] == "teardown" for phase in phases)
    return Test(
        name=name,
        outcome=str(worst["outcome"]) if ended else "unfinished",
        when=str(worst["when"]),
        seconds=sum(phase["seconds"] for phase in phases),
        said="".join(phase["said"] for phase in phases),
        why=str(worst["why"]),
    )
