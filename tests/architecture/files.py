"""The files of the project, as the tests about it see them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
ROOMS: Final = ("bot", "core", "storage", "tools")
_NOT_OURS: Final = {".git", ".venv", "__pycache__", "node_modules", "build", "dist", "data", "demo-data"}


def sources() -> list[Path]:
    """Every Python file of the product, tests and benchmarks not among them."""
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def all_files() -> Iterator[Path]:
    """Every file that could be committed."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name not in _NOT_OURS and not name.endswith(("_cache", ".egg-info")) and name != ".hypothesis"
        ]
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith(".coverage"))


def shown(path: Path) -> str:
    """The path as people write it."""
    return path.relative_to(ROOT).as_posix()
