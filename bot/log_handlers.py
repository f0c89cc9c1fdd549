"""Where log lines go: streams and files. A line that cannot be written says so without its content."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler, WatchedFileHandler
from pathlib import Path
from typing import Final, TextIO

from structlog.contextvars import get_contextvars

from core.errors import Code, ConfigError
from core.redaction import Redactor

BACKUPS: Final = 5
MOST_OPEN: Final = 32
"""So many files of calls are open at a time."""
EXECUTOR: Final = ("bot.workers", "core.runner")
RESILIENCE: Final = ("resilience",)
_HELD: Final = frozenset({Code.PAUSED, Code.RATE_LIMITED, Code.ADAPTER_UNAVAILABLE})
_PLAIN_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")


class Safe(logging.Handler):
    """A handler that, when a record cannot be rendered, says so without the record's content.

    The standard library would print the raw message and arguments past every filter.
    """

    redactor: Redactor

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Tells where the bad call is and what went wrong, cleaned."""
        kind = sys.exc_info()[0]
        reason = kind.__name__ if kind else "unknown"
        place = f"{record.pathname}:{record.lineno}"
        line = f"a log line could not be written ({reason}): logger {record.name}, {place}\n"
        if sys.stderr is not None and not sys.stderr.closed:
            sys.stderr.write(self.redactor.clean(line))


class Stream(Safe, logging.StreamHandler[TextIO]):
    """Lines to a stream."""

    def __init__(self, stream: TextIO, redactor: Redactor) -> None:
        super().__init__(stream)
        self.redactor = redactor


class File(Safe, WatchedFileHandler):
    """Follows the file when it is rotated away."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        super().__init__(path, encoding="utf-8")
        self.redactor = redactor

    def _open(self) -> TextIOWrapper:
        return _opened(self.baseFilename)


class Rotated(Safe, RotatingFileHandler):
    """Rotates the file itself, by its size."""

    def __init__(self, path: Path, redactor: Redactor, *, most_bytes: int) -> None:
        super().__init__(path, encoding="utf-8", maxBytes=most_bytes, backupCount=BACKUPS)
        self.redactor = redactor

    def _open(self) -> TextIOWrapper:
        return _opened(self.baseFilename)


class Calls(Safe):
    """One file for each call. No more than MOST_OPEN of them are open, whatever is going on."""

    def __init__(self, folder: Path, redactor: Redactor, *, most_bytes: int) -> None:
        super().__init__()
        self.redactor = redactor
        self._folder = folder
        self._most_bytes = most_bytes
        self._open: OrderedDict[str, Rotated] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line that belongs to a call to its file; others are none of ours."""
        call_id = call_of(record)
        if call_id is None:
            return
        try:
            self._file(call_id).emit(record)
        except Exception:  # noqa: BLE001 - what logging asks of a handler
            self.handleError(record)

    def close(self) -> None:
        """Closes all files."""
        for file in self._open.values():
            file.close()
        self._open.clear()
        super().close()

    def _file(self, call_id: str) -> Rotated:
        file = self._open.pop(call_id, None)
        if file is None:
            path = self._folder / f"{call_id}.jsonl"
            file = Rotated(path, self.redactor, most_bytes=self._most_bytes)
            file.setFormatter(self.formatter)
        self._open[call_id] = file
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        return file


def call_of(record: logging.LogRecord) -> str | None:
    """The call that a line belongs to; None for a line of no call, and for an id that is no plain name."""
    fields = record.msg if isinstance(record.msg, dict) else get_contextvars()
    found = fields.get("call_id")
    return found if isinstance(found, str) and _PLAIN_ID.fullmatch(found) else None


def in_folder(folder: Path, redactor: Redactor, *, most_bytes: int) -> Sequence[Safe]:
    """The handlers of all files of the folder, which is made. Raises ConfigError where it cannot be."""
    try:
        (folder / "calls").mkdir(mode=0o700, parents=True, exist_ok=True)
        return [
            Rotated(folder / "application.jsonl", redactor, most_bytes=most_bytes),
            _only(Rotated(folder / "executor.jsonl", redactor, most_bytes=most_bytes), _of_executor),
            _only(Rotated(folder / "resilience.jsonl", redactor, most_bytes=most_bytes), _of_resilience),
            Calls(folder / "calls", redactor, most_bytes=most_bytes),
        ]
    except OSError as error:
        raise refused("folder", folder, error) from None


def in_file(path: Path, redactor: Redactor) -> File:
    """The handler of one file, whose folder is made. Raises ConfigError where it cannot be written to."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return File(path, redactor)
    except OSError as error:
        raise refused("file", path, error) from None


def refused(key: str, path: Path, error: OSError) -> ConfigError:
    """What is told of a place that cannot be written to."""
    reason = error.strerror or type(error).__name__
    return ConfigError(f"logging.{key} = {str(path)!r} cannot be written to ({reason}).")


def _only(handler: Safe, fits: Callable[[logging.LogRecord], bool]) -> Safe:
    handler.addFilter(fits)
    return handler


def _of_executor(record: logging.LogRecord) -> bool:
    return record.name.startswith(EXECUTOR)


def _of_resilience(record: logging.LogRecord) -> bool:
    """What is tried again, cut off or held back: by its logger, or by why a call did not start."""
    code = record.msg.get("code") if isinstance(record.msg, dict) else None
    return record.name.startswith(RESILIENCE) or code in _HELD


def _opened(path: str) -> TextIOWrapper:
    """The end of a file that, where it is new, is nobody else's on this machine."""
    return open(path, "a", encoding="utf-8", opener=partial(os.open, mode=0o600))
