"""Logging: structlog and the standard library's loggers through one pipe, out of which no secret comes.

Every line is cleaned by the Redactor as it is: with its message, its arguments, its fields and its traceback,
whoever wrote it. What libraries say of a request's content is not logged at any level.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, TextIO

import structlog
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

from bot.log_handlers import Safe, Stream, in_file, in_folder
from core.redaction import Redactor

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "console"]

# Below these levels, libraries log URLs, statements and parameters: what people wrote, and what is marked
# sensitive. The Redactor knows secrets, not people's words, so these lines are never made.
_QUIET: Final = {
    "aiohttp.access": logging.WARNING,
    "aiosqlite": logging.INFO,
    "alembic": logging.WARNING,
    "apscheduler": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "telegram": logging.INFO,
}


def configure(
    *,
    redactor: Redactor,
    level: Level = "info",
    form: Format = "auto",
    stream: TextIO | None = None,
    file: Path | None = None,
    folder: Path | None = None,
    rotate_mb: int = 20,
) -> None:
    """From now on everything logged in this process goes, cleaned, to `stream` (standard error by default)
    and as JSON lines to `file` and, by what they are about, to files in `folder`, each rotated from
    `rotate_mb` on; so do exceptions that nobody caught. May be called again.

    `auto` means lines for people on a terminal and JSON elsewhere. Folders are made. Raises ConfigError
    where `file` or `folder` cannot be written to; then nothing was changed.
    """
    out = stream or sys.stderr
    for_people = form == "console" or (form == "auto" and out.isatty())
    screen = Stream(out, redactor)
    screen.setFormatter(
        _Clean(redactor, _console(redactor, colors=out.isatty()) if for_people else _json(redactor))
    )
    files: list[Safe] = [] if file is None else [in_file(file, redactor)]
    if folder is not None:
        files += in_folder(folder, redactor, most_bytes=rotate_mb * 1_000_000)
    for each in files:
        each.setFormatter(_Clean(redactor, _json(redactor)))
    handlers = [screen, *files]
    _replace_root_handlers(handlers)
    logging.getLogger().setLevel(level.upper())
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, logging.getLevelNamesMapping()[level.upper()]))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    _watch_for_uncaught()


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module: `log = get_logger(__name__)`, then `log.info("call_started", tool=…)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


call_context = bound_contextvars
"""`with call_context(call_id=…):` puts these fields into every line logged inside, by whomever."""


class _Clean(structlog.stdlib.ProcessorFormatter):
    """Renders a record, then takes the secrets out of the whole line."""

    def __init__(self, redactor: Redactor, renderers: Sequence[Processor]) -> None:
        super().__init__(
            foreign_pre_chain=_shared(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.clean(super().format(record))


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
    ]


def _json(redactor: Redactor) -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        _cleaned(redactor),
        _ordered,
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ]


def _console(redactor: Redactor, *, colors: bool) -> list[Processor]:
    # Plain tracebacks: the rich ones show local variables, and secrets are among those.
    plain = structlog.dev.plain_traceback
    renderer = structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="at", exception_formatter=plain)
    return [_cleaned(redactor), renderer]


def _cleaned(redactor: Redactor) -> Processor:
    """Cleans fields before they are escaped or coloured; the whole line is cleaned once more afterwards."""

    def clean(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {
            key: redactor.clean(value) if isinstance(value, str) else value for key, value in event.items()
        }

    return clean


def _ordered(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    first = {key: event[key] for key in ("at", "level", "logger", "event") if key in event}
    return {**first, **event}


def _replace_root_handlers(handlers: Sequence[logging.Handler]) -> None:
    """Takes off our earlier handlers and those of logging.basicConfig, which clean nothing."""
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old, Safe) or type(old) in (logging.StreamHandler, logging.FileHandler):
            root.removeHandler(old)
            old.close()
    for handler in handlers:
        root.addHandler(handler)


def _watch_for_uncaught() -> None:
    """Logs what would otherwise be printed past every filter; hooks of others (pytest's) are left alone."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _log_uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda args: _log_uncaught(
            args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
        )


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    get_logger("countersign").critical("uncaught_exception", exc_info=(kind, error, trace))
