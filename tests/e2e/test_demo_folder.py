"""A demo's folder is a demo's: nothing of anybody else is shown over, and nothing in use is emptied."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bot.bootstrap import DEMO_MARKER, open_demo_folder
from bot.config import StorageSettings
from core.errors import ConfigError
from tests.e2e.phone import running_demo
from tests.kit.cli import refused


def database(folder: Path) -> Path:
    return folder / "countersign.sqlite3"


def test_a_new_folder_becomes_a_demos_and_can_begin_afresh(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    open_demo_folder(folder, StorageSettings(folder=folder), fresh=True)
    for name in ("labels.jsonl", "countersign.sqlite3", "mine.txt"):
        (folder / name).write_text("x")
    open_demo_folder(folder, StorageSettings(folder=folder), fresh=False)
    assert (folder / "labels.jsonl").exists()
    open_demo_folder(folder, StorageSettings(folder=folder), fresh=True)
    assert {path.name for path in folder.iterdir()} == {DEMO_MARKER, "mine.txt"}
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("fresh", [True, False])
def test_the_folder_of_a_real_bot_is_left_alone(tmp_path: Path, fresh: bool) -> None:
    database(tmp_path).write_text("records of a real bot")
    with pytest.raises(ConfigError, match="no demo"):
        open_demo_folder(tmp_path, StorageSettings(folder=tmp_path), fresh=fresh)
    assert database(tmp_path).read_text() == "records of a real bot"


async def test_a_folder_in_use_is_not_emptied(tmp_path: Path) -> None:
    async with running_demo(tmp_path) as (phones, _):
        (tmp_path / DEMO_MARKER).touch()
        with pytest.raises(ConfigError, match="in use"):
            open_demo_folder(tmp_path, StorageSettings(folder=tmp_path), fresh=True)
        await phones.say("member", "expense 12.50 EUR coffee")
        await phones.see("member", "12.50")


def test_a_taken_port_is_one_plain_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        told = refused("demo", "--no-open", "--port", port, "--data", str(tmp_path / "demo"))
    assert told.startswith(f"Nothing can listen on --host 127.0.0.1 --port {port}: ")
