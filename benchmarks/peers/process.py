"""One peer in a process of its own, which runs a round whenever it is given a line."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.environment import HERE, prepare

PATIENCE: Final = 600.0
"""Seconds that a round may take before its peer counts as stuck."""

# Nobody is told of what is measured, and nothing of this project's environment is seen by a peer.
_QUIET: Final = {"LANGSMITH_TRACING": "false", "OPENAI_AGENTS_DISABLE_TRACING": "1"}
_OURS: Final = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS")


class PeerProcess:
    """A running peer; whatever it says or does wrong voids the run, with the end of its log."""

    def __init__(self, name: str, process: subprocess.Popen[str], log: Path) -> None:
        self._name, self._process, self._log = name, process, log
        self._read()

    def round(self) -> Mapping[str, float]:
        """One round, after which each lifecycle so far had its effect once and is done in the peer's file."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        said = self._read()
        return {name: float(said[name]) for name in ("alone_per_s", "at_once_per_s")}

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        stuck = threading.Timer(PATIENCE, self._process.kill)
        stuck.start()
        line = self._process.stdout.readline()
        stuck.cancel()
        if not line:
            raise SystemExit(f"void: {self._name} ended: {self._log.read_text()[-2000:]}")
        said: dict[str, Any] = json.loads(line)
        if reason := said.get("void"):
            raise SystemExit(f"void: {self._name}: {reason}")
        return said


@contextmanager
def running(name: str, *, script: str, arguments: tuple[str, ...], folder: Path) -> Iterator[PeerProcess]:
    """A peer that has made its database in `folder` and is warm. Raises `Missing` where it cannot be had."""
    python, folder = prepare(script), folder.resolve()
    folder.mkdir()
    environment = {key: value for key, value in os.environ.items() if key not in _OURS} | _QUIET
    log = folder / "stderr.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(python), str(HERE / "foreign" / f"with_{script}.py"), str(folder), *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield PeerProcess(name, process, log)
    finally:
        process.kill()
        process.communicate()
