"""A scratch copy of the project, in which one text can be changed and put back."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path

from tests.architecture.files import ROOT, all_files
from tests.sabotage.control import Control


class Lost(Exception):
    """A control's text is not in its file, or not once: the list has to follow the code."""


def found_once(control: Control, *, root: Path = ROOT) -> str:
    """The content of the control's file. Raises Lost where the control is not there exactly once."""
    path = root / control.file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    times = text.count(control.old)
    if times != 1:
        raise Lost(f"{control.name}: its text stands {times} times in {control.file}, and should once")
    return text


def copy_project(folder: Path) -> None:
    """Copies every file that could be committed, without what can be made again."""
    for path in all_files():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # somebody's temporary file, gone since it was listed
            shutil.copy2(path, target)


@contextmanager
def removed(control: Control, *, root: Path) -> Iterator[None]:
    """The copy without this control; with it again afterwards."""
    text = found_once(control, root=root)
    path = root / control.file
    _write(path, text.replace(control.old, control.new))
    try:
        yield
    finally:
        _write(path, text)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    # Python trusts bytecode by size and second: a change within one second could go unseen.
    Path(cache_from_source(str(path))).unlink(missing_ok=True)
