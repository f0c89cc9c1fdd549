"""Where each peer lives: a virtual environment of its own, made from its pinned requirements."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
CACHE: Final = HERE.parents[1] / "build" / "peers"
"""Inside of what git ignores and `make clean` removes."""

_STAMP: Final = "made-of"


class Missing(Exception):
    """A peer that cannot be had on this machine, with pip's own reason."""


def prepare(name: str) -> Path:
    """The interpreter of this peer's environment, which has exactly what its requirements pin.

    It is made anew only if they, or our interpreter, changed. Raises `Missing` where it cannot be made.
    """
    requirements, folder = HERE / f"requirements-{name}.txt", CACHE / name
    python, made_of = folder / "bin" / "python", _digest(requirements)
    if not _is_made(folder, made_of):
        print(f"installing {name} ...", file=sys.stderr, flush=True)
        _install(requirements, folder=folder, python=python)
        (folder / _STAMP).write_text(made_of)
    return python


def _is_made(folder: Path, made_of: str) -> bool:
    stamp = folder / _STAMP
    return stamp.exists() and stamp.read_text() == made_of


def _digest(requirements: Path) -> str:
    return hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()


def _install(requirements: Path, *, folder: Path, python: Path) -> None:
    venv.create(folder, clear=True, with_pip=True, symlinks=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "-qq", "install"]
    command = [*pip, "--require-hashes", "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        raise Missing(told[-1] if told else f"pip ended with {done.returncode}")
