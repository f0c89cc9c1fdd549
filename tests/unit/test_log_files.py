"""Log files by their subject: which line goes where, how many are open, that all of them are clean (T35)."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from bot import logs
from bot.log_handlers import BACKUPS, MOST_OPEN, Calls, Rotated
from core.errors import ConfigError
from core.redaction import Redactor

SECRET = "123456789:AAcanaryCanaryCanaryCanaryCanary_-1"
PLAIN = "open sesame canary"
CALL = "0191f000-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def set_up(folder: Path | None) -> None:
    logs.configure(
        redactor=Redactor([SECRET, PLAIN]),
        level="debug",
        form="json",
        stream=io.StringIO(),
        folder=folder,
    )


def events(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_text().splitlines()]


def test_each_line_is_where_its_subject_says(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    set_up(folder)
    logs.get_logger("bot.telegram.app").info("said")
    executor = logs.get_logger("bot.workers.executor")
    with logs.call_context(call_id=CALL):
        executor.info("ended", status="failed")
        logs.get_logger("resilience").info("tried again", attempt=2)
        logging.getLogger("some.tool").warning("of the tool itself")
    executor.info("not started", call_id="other-1", code="rate_limited")
    assert events(folder / "application.jsonl") == [
        "said",
        "ended",
        "tried again",
        "of the tool itself",
        "not started",
    ]
    assert events(folder / "executor.jsonl") == ["ended", "not started"]
    assert events(folder / "resilience.jsonl") == ["tried again", "not started"]
    assert events(folder / "calls" / f"{CALL}.jsonl") == ["ended", "tried again", "of the tool itself"]
    assert events(folder / "calls" / "other-1.jsonl") == ["not started"]
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*.jsonl")} == {0}


def test_t35_no_secret_is_in_any_of_them(tmp_path: Path) -> None:
    set_up(tmp_path)
    with logs.call_context(call_id=CALL):
        url = f"https://x/bot{SECRET}/{PLAIN}"
        logs.get_logger("bot.workers.executor").info("asked", url=url, code="paused")
        logging.getLogger("resilience.x").error("with %s", PLAIN, exc_info=ValueError(SECRET + PLAIN))
    files = sorted(tmp_path.rglob("*.jsonl"))
    assert len(files) == 4
    for path in files:
        assert path.read_text()
        assert SECRET.partition(":")[2] not in path.read_text(), path
        assert PLAIN not in path.read_text(), path


def test_a_call_without_a_plain_name_gets_no_file(tmp_path: Path) -> None:
    set_up(tmp_path / "logs")
    for name in ("../../out", "a/b", "", "x" * 65, 7, None):
        logs.get_logger("x").info("hostile", call_id=name)
    assert not list((tmp_path / "logs" / "calls").iterdir())
    assert not (tmp_path / "out.jsonl").exists()


def test_no_more_files_are_open_than_so_many_and_none_is_lost(tmp_path: Path) -> None:
    set_up(tmp_path)
    (calls,) = [handler for handler in logging.getLogger().handlers if isinstance(handler, Calls)]
    for turn in range(2):
        for number in range(MOST_OPEN + 10):
            logs.get_logger("x").info(f"turn {turn}", call_id=f"call-{number}")
            assert len(calls._open) <= MOST_OPEN
    for number in range(MOST_OPEN + 10):
        assert events(tmp_path / "calls" / f"call-{number}.jsonl") == ["turn 0", "turn 1"]


def test_they_are_rotated_by_size_and_older_ones_go(tmp_path: Path) -> None:
    set_up(tmp_path)
    handlers = [each for each in logging.getLogger().handlers if isinstance(each, Rotated)]
    for handler in handlers:
        assert handler.maxBytes == 20_000_000
        handler.maxBytes = 1_000
    for _ in range(10):
        logs.get_logger("x").info("long", text="x" * 800)
    assert len(list(tmp_path.glob("application.jsonl*"))) == BACKUPS + 1
    assert all(path.stat().st_size <= 1_000 for path in tmp_path.glob("application.jsonl*"))
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.glob("application.jsonl*"))


def test_without_a_folder_nothing_is_written_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    set_up(None)
    with logs.call_context(call_id=CALL):
        logs.get_logger("x").info("said")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"logging\.folder"):
        set_up(tmp_path / "file")
