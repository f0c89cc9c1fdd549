"""The command line in this process: its tree of commands is built once, what a command does is real."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
import typer
from typer.testing import CliRunner

from bot.cli.main import app


class Told(NamedTuple):
    """What a command printed; `output` is both, as people see it."""

    stdout: str
    stderr: str
    output: str


@cache
def tree() -> Any:
    """Every command of the command line."""
    return typer.main.get_command(app)


def countersign(*arguments: str, ends: int = 0, typed: str | None = None) -> Told:
    """Runs a command that reads what was `typed` and ends with this number; an error that it does not tell
    of goes through."""
    with CliRunner().isolation(input=typed) as streams:
        with pytest.raises(SystemExit) as ended:
            tree().main(list(arguments), prog_name="countersign")
        sys.stdout.flush()
        sys.stderr.flush()
        printed = [stream.getvalue().decode() for stream in streams]
    assert ended.value.code == ends, printed[-1]
    return Told(*printed)


def told(*arguments: str, ends: int = 0) -> Any:
    """What a command answers in JSON."""
    return json.loads(countersign(*arguments, "--json", ends=ends).stdout)


def refused(*arguments: str) -> str:
    """The one line on standard error of a command that fails."""
    lines = countersign(*arguments, ends=1).stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def add(telegram_id: int, name: str, role: str = "member") -> Any:
    """Makes somebody a member."""
    return told("members", "add", "--telegram-id", str(telegram_id), "--name", name, "--role", role)


def roles() -> dict[str, str]:
    """The members' roles by their names."""
    return {member["name"]: member["role"] for member in told("members", "list")}


def at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are run in this folder, where no setting of whoever runs the tests counts."""
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("COUNTERSIGN_")]:
        monkeypatch.delenv(name)


@contextmanager
def logs_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a command that runs calls sets up for its whole process is as it was afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@contextmanager
def running(folder: str = "data") -> Iterator[None]:
    """Another process that has the data folder meanwhile."""
    code = (
        f"import fcntl, sys; lock = open('{folder}/countersign.lock', 'a')\n"
        "fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB); print('locked', flush=True); sys.stdin.read()"
    )
    command = (sys.executable, "-I", "-S", "-c", code)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield
        process.communicate()
