"""The commands: what they print, how they end, and that an error is one plain line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from bot.config import Settings
from core.engine.members import code_hash
from tests.kit.cli import add, countersign, refused, roles, running, told

PROJECT = Path(__file__).parents[3]


# --- members -----------------------------------------------------------------------------------------------


def test_members_are_added_changed_and_removed() -> None:
    assert add(1, "Ann", "admin")["before"] is None
    add(2, "Bob")
    assert roles() == {"Ann": "admin", "Bob": "member"}
    assert told("members", "role", "bob", "approver")["before"] == "member"
    assert "is approver already" in countersign("members", "role", "2", "approver").stdout
    assert "is no member any more" in countersign("members", "remove", "Bob").stdout
    assert roles() == {"Ann": "admin"}


def test_the_same_telegram_account_is_the_same_person() -> None:
    first = add(7, "Ann")
    again = add(7, "Anna", "approver")
    assert again["person_id"] == first["person_id"]
    assert roles() == {"Ann": "approver"}


def test_the_last_admin_stays() -> None:
    add(1, "Ann", "admin")
    assert "only admin" in refused("members", "remove", "Ann")
    assert roles() == {"Ann": "admin"}


def test_a_name_must_mean_one_member() -> None:
    add(1, "Ann", "admin")
    add(2, "Sam")
    add(3, "sam")
    assert "2 members are called" in refused("members", "remove", "SAM")
    assert "No member is called" in refused("members", "remove", "nobody")
    told("members", "remove", "3")
    assert roles() == {"Ann": "admin", "Sam": "member"}


def test_the_list_for_people_shows_names_as_they_are() -> None:
    add(1, "[red]Ann[/red]", "admin")
    shown = countersign("members", "list").stdout
    assert "[red]Ann[/red]" in shown
    assert "admin" in shown


def test_before_the_first_start_there_is_nobody() -> None:
    assert "no records" in refused("members", "list")


@pytest.mark.parametrize("name", ["", " ", "a\x1b[2Jb", "x" * 81])
def test_a_name_is_what_can_be_read(name: str) -> None:
    countersign("members", "add", "--telegram-id", "1", "--name", name, ends=2)


def test_an_invite_is_shown_once_and_kept_as_a_hash() -> None:
    invite = told("members", "invite", "--role", "approver", "--days", "3")
    assert invite["role"] == "approver"
    stored = (Path("data") / "countersign.sqlite3").read_bytes()
    assert invite["code"].encode() not in stored
    assert code_hash(invite["code"]).encode() in stored
    assert "/start " in countersign("members", "invite").stdout


def test_changes_need_the_bot_to_be_stopped() -> None:
    add(1, "Ann", "admin")
    with running():
        assert "in use by another Countersign process" in refused("members", "remove", "Ann")
        assert roles() == {"Ann": "admin"}  # looking does not


# --- audit -------------------------------------------------------------------------------------------------


def test_verify_tells_the_head_and_takes_it_back() -> None:
    add(1, "Ann", "admin")
    report = told("audit", "verify")
    assert report["ok"]
    chain = report["chains"][0]
    head = f"{chain['seq']}:{chain['hash']}"
    assert "the chain holds" in countersign("audit", "verify").stdout
    assert f"head {head}" in countersign("audit", "verify", "--head", head).stdout
    wrong = f"{chain['seq']}:{'0' * 64}"
    shown = countersign("audit", "verify", "--head", wrong, ends=1).stdout
    assert "DOES NOT HOLD" in shown
    assert "BREAK main, head" in shown
    assert told("audit", "verify", "--head", wrong, ends=1)["findings"][0]["place"] == "head"


def test_verify_checks_the_head_of_the_tenant_that_is_named() -> None:
    add(1, "Ann", "admin")
    found = told("audit", "verify", "--head", f"1:{'0' * 64}", "--tenant", "other", ends=1)["findings"]
    assert [each["tenant_id"] for each in found] == ["other"]


@pytest.mark.parametrize("head", ["5", "x:y", f"1:{'g' * 64}", f"-1:{'0' * 64}"])
def test_a_head_that_is_none_is_a_wrong_call(head: str) -> None:
    countersign("audit", "verify", "--head", head, ends=2)


def test_verify_without_a_database_fails_plainly() -> None:
    assert "no database" in refused("audit", "verify")


def test_export_writes_the_chain() -> None:
    add(1, "Ann", "admin")
    lines = countersign("audit", "export").stdout.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["member.role"]
    countersign("audit", "export", "--output", "chain.jsonl")
    assert Path("chain.jsonl").read_text().splitlines() == lines
    assert Path("chain.jsonl").stat().st_mode & 0o077 == 0
    assert "cannot be written" in refused("audit", "export", "-o", "absent/chain.jsonl")


# --- settings ----------------------------------------------------------------------------------------------


def test_a_wrong_config_is_told_plainly() -> None:
    Path("config.toml").write_text("[tenant]\ncurrency = 'euro'\n")
    result = countersign("members", "list", ends=1)
    assert result.stderr.startswith("tenant.currency = 'euro' does not fit")
    assert "Traceback" not in result.output


def test_a_config_and_a_data_folder_can_be_named() -> None:
    Path("other.toml").write_text("[tenant]\nid = 'acme'\n")
    given = ("--config", "other.toml", "--data", "elsewhere")
    told("members", "add", "--telegram-id", "1", "--name", "Ann", *given)
    assert Path("elsewhere/countersign.sqlite3").exists()
    assert [chain["tenant_id"] for chain in told("audit", "verify", *given)["chains"]] == ["acme"]
    assert "no such file" in refused("members", "list", "--config", "absent.toml")


# --- what starts -------------------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What would have been started, instead of starting it."""
    calls: list[tuple[str, Any]] = []
    module = ModuleType("bot.run")

    def stand_in(name: str) -> None:
        async def run(*settings: Settings, **given: Any) -> None:
            calls.append((name, settings[0] if settings else SimpleNamespace(**given)))

        setattr(module, name, run)

    for name in ("run_demo", "run_sandbox", "run_bot"):
        stand_in(name)
    monkeypatch.setitem(sys.modules, "bot.run", module)
    return calls


def test_demo_gets_its_options(started: list[tuple[str, Any]]) -> None:
    countersign("demo")
    countersign(
        "demo", "--host", "::1", "--port", "0", "--data", "x", "--fresh", "--no-open", "--config", "c"
    )
    first, second = (given for _, given in started)
    assert vars(first) == {
        "host": "127.0.0.1",
        "port": 8800,
        "data": Path("demo-data"),
        "fresh": False,
        "open_browser": True,
        "config": None,
    }
    assert vars(second) == {
        "host": "::1",
        "port": 0,
        "data": Path("x"),
        "fresh": True,
        "open_browser": False,
        "config": Path("c"),
    }


def test_sandbox_gets_its_options(started: list[tuple[str, Any]]) -> None:
    countersign("sandbox", "--port", "9000", "--data", "x")
    assert vars(started[0][1]) == {"host": "127.0.0.1", "port": 9000, "data": Path("x")}
    assert "no such file" in refused("sandbox", "--config", "absent.toml")


def test_run_needs_a_token(started: list[tuple[str, Any]]) -> None:
    assert "telegram.token is not set" in refused("run")
    Path("config.toml").write_text("[telegram]\ntoken = '1:abcdefgh'\n")
    countersign("run", "--data", "x")
    assert [name for name, _ in started] == ["run_bot"]
    assert started[0][1].storage.folder == Path("x").absolute()


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["demo", "--port", "x"], ["demo", "--port", "70000"], ["members", "role"]]
)
def test_a_wrong_call_ends_with_2(arguments: list[str]) -> None:
    countersign(*arguments, ends=2)


# --- as a process ------------------------------------------------------------------------------------------


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


def test_version_is_told() -> None:
    ended = process("version")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("countersign 0.")


def test_a_process_fails_with_one_line_and_no_traceback() -> None:
    ended = process("run", "--config", "absent.toml")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1


def test_nothing_heavy_is_imported_for_a_light_command() -> None:
    code = (
        "import sys; from bot.cli.main import app\n"
        "try: app(['version'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('sqlalchemy', 'aiohttp', 'telegram', 'alembic', 'asyncio') if m in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    assert ended.stdout.splitlines()[-1] == "[]"


def test_an_export_into_a_closed_pipe_is_quiet() -> None:
    for number in range(1, 4):
        add(number, f"Ann {number}", "admin")
    ended = subprocess.run(
        f"{sys.executable} -m bot.cli.main audit export | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    assert ended.stderr == ""
