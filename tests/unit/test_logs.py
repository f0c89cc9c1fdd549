"""Logging: lines for machines and people, and 20 canaries of which none comes through (T35)."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from bot import logs
from core.errors import ConfigError
from core.redaction import MASK, Redactor

TOKEN = "123456789:AAcanaryCanaryCanaryCanaryCanary_-1"
PASSWORD = 'canary "quoted" \\ pässword\n2nd line'
SHORT = "cnry"


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    named = {name: logging.getLogger(name).level for name in logs._QUIET}
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    yield
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    for name, was in named.items():
        logging.getLogger(name).setLevel(was)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def set_up(out: io.StringIO, *, level: logs.Level = "debug", form: logs.Format = "json") -> None:
    logs.configure(redactor=Redactor([PASSWORD, SHORT]), level=level, form=form, stream=out)


def test_a_line_is_json_with_time_level_logger_and_fields(out: io.StringIO) -> None:
    set_up(out)
    logs.get_logger("core.engine").info("call_proposed", tool="create_task", n=2)
    (line,) = lines(out)
    assert list(line)[:4] == ["at", "level", "logger", "event"]
    assert str(line["at"]).endswith("Z")
    assert {key: line[key] for key in ("level", "logger", "event", "tool", "n")} == {
        "level": "info",
        "logger": "core.engine",
        "event": "call_proposed",
        "tool": "create_task",
        "n": 2,
    }


def test_call_ids_reach_every_line_inside_whoever_writes_it(out: io.StringIO) -> None:
    set_up(out)
    with logs.call_context(call_id="c1"):
        logs.get_logger("a").info("ours")
        logging.getLogger("telegram.ext").warning("theirs %s", "too")
    logs.get_logger("a").info("outside")
    assert [(line["event"], line.get("call_id")) for line in lines(out)] == [
        ("ours", "c1"),
        ("theirs too", "c1"),
        ("outside", None),
    ]


async def test_call_ids_of_tasks_do_not_mix(out: io.StringIO) -> None:
    set_up(out)

    async def work(call_id: str) -> None:
        with logs.call_context(call_id=call_id):
            await asyncio.sleep(0)
            logs.get_logger("a").info("line", meant=call_id)

    await asyncio.gather(*(work(f"c{number}") for number in range(10)))
    assert all(line["meant"] == line["call_id"] for line in lines(out))
    assert len(lines(out)) == 10


def test_the_level_holds_for_all_loggers(out: io.StringIO) -> None:
    set_up(out, level="warning")
    logs.get_logger("a").info("no")
    logging.getLogger("b").info("no")
    logging.getLogger("telegram").info("no")
    logs.get_logger("a").warning("yes")
    assert [line["event"] for line in lines(out)] == ["yes"]


def test_what_libraries_say_of_requests_and_statements_is_never_logged(out: io.StringIO) -> None:
    set_up(out, level="debug")
    logging.getLogger("httpx").info("HTTP Request: POST …")
    logging.getLogger("aiosqlite").debug("executing …")
    logging.getLogger("telegram.Bot").debug("Calling Bot API endpoint …")
    logging.getLogger("sqlalchemy.engine.Engine").info("INSERT …")
    logging.getLogger("aiohttp.access").info("GET …")
    assert out.getvalue() == ""


def test_lines_for_people_on_a_terminal_and_json_elsewhere(out: io.StringIO, tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    file = tmp_path / "new" / "log.jsonl"
    logs.configure(redactor=Redactor(), form="auto", stream=terminal, file=file)
    logs.get_logger("a").info("hello", n=1)
    assert "hello" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert json.loads(file.read_text())["n"] == 1
    assert file.stat().st_mode & 0o077 == 0
    logs.configure(redactor=Redactor(), form="auto", stream=out)
    logs.get_logger("a").info("again")
    assert lines(out)[0]["event"] == "again"
    assert "again" not in terminal.getvalue() + file.read_text()


def test_a_log_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"logging\.file = '.*' cannot be written to"):
        logs.configure(redactor=Redactor(), file=tmp_path / "file" / "log.jsonl")
    assert logging.getLogger().handlers == before


def test_handlers_that_clean_nothing_are_taken_off(out: io.StringIO) -> None:
    loose = io.StringIO()
    logging.getLogger().addHandler(logging.StreamHandler(loose))
    set_up(out)
    logging.getLogger("a").warning("x")
    assert loose.getvalue() == ""
    assert len(lines(out)) == 1


# --- T35 --------------------------------------------------------------------------------------------------


def leak_everything(secret: str) -> None:
    """Logs a secret in every way that a program and its libraries could."""
    ours, theirs = logs.get_logger("ours"), logging.getLogger("theirs")
    ours.info(f"text {secret} text")
    ours.info("positional %s", secret)
    ours.info("field", value=secret)
    ours.info("nested", value={"headers": [{"X": secret}]})
    ours.info("bytes", value=secret.encode())
    ours.info("object", value=ValueError(secret))
    ours.info(secret)
    ours.info("bound", value=(secret,))
    ours.bind(value=secret).info("before")
    theirs.info("args %s %r", secret, secret)
    theirs.info("dict %(a)s", {"a": secret})
    theirs.info(f"POST https://host/{'bot' if len(secret) >= 8 else ''}{secret}/getMe")
    theirs.info("url", stack_info=True)
    with logs.call_context(secret=secret):
        theirs.info("context")
    for logger in (ours, theirs):
        try:
            try:
                raise KeyError(secret)
            except KeyError as error:
                raise RuntimeError(f"cause {secret}") from error
        except RuntimeError:
            logger.exception("failed")
            logger.warning("again", exc_info=True)
    theirs.info("too few %s %s", secret)  # not renderable
    theirs.info("no such %(key)s", {"other": secret})  # not renderable
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(f"warned {secret}", stacklevel=1)
    sys.excepthook(ValueError, ValueError(secret), None)
    thread = threading.Thread(target=lambda: int(secret))
    thread.start()
    thread.join()


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("secret", [TOKEN, PASSWORD, SHORT])
def test_t35_no_canary_comes_through_at_debug(
    secret: str,
    form: logs.Format,
    out: io.StringIO,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", True)
    root = logging.getLogger()
    for handler in list(root.handlers):  # pytest's own would raise on what cannot be rendered
        monkeypatch.setattr(handler, "emit", lambda record: None)
    set_up(out, form=form)
    leak_everything(secret)
    printed = capsys.readouterr()
    said = out.getvalue() + printed.out + printed.err
    core = "2nd line" if secret == PASSWORD else secret.rsplit(":", maxsplit=1)[-1]
    assert core not in said
    assert secret not in said
    assert said.count(MASK) >= 20
    assert printed.err.count("a log line could not be written (") == 2
    if form == "json":
        assert len(lines(out)) >= 20


def test_a_secret_registered_later_is_hidden_from_then_on(out: io.StringIO) -> None:
    redactor = Redactor()
    logs.configure(redactor=redactor, form="json", stream=out)
    redactor.register("canary-canary")
    logs.get_logger("a").info("x canary-canary")
    assert lines(out)[0]["event"] == f"x {MASK}"


def test_ctrl_c_is_not_an_error(out: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(out)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert out.getvalue() == ""
    assert "KeyboardInterrupt" in capsys.readouterr().err
