"""backup, restore, prune, erase and doctor at the command line."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import doctor
from bot.config import load
from bot.doctor import Check
from bot.run import DEMO_TOKEN
from bot.sandbox.limits import Limits
from bot.sandbox.server import start_sandbox
from core.adapters import Adapter
from core.registry import ToolRegistry
from tests.kit.cli import add, countersign, refused, roles, running, told


def test_what_was_backed_up_comes_back() -> None:
    add(1, "Ann", "admin")
    made = told("backup", "one.tar")
    assert made["chains"].keys() == {"main"}
    assert stat.S_IMODE(Path("one.tar").stat().st_mode) == 0o600
    add(2, "Bob")
    assert "--force" in refused("restore", "one.tar")
    assert roles() == {"Ann": "admin", "Bob": "member"}
    shown = countersign("restore", "one.tar", "--force").stdout
    assert "0 calls are asked for again" in shown
    assert roles() == {"Ann": "admin"}
    (aside,) = Path("data").glob("before-restore-*")
    assert (aside / "countersign.sqlite3").exists()
    assert "holds" in countersign("audit", "verify").stdout
    told("restore", "one.tar", "--data", "other")
    assert [each["name"] for each in told("members", "list", "--data", "other")] == ["Ann"]


def test_a_backup_goes_where_it_is_told_and_over_nothing() -> None:
    assert "no database" in refused("backup", "one.tar")
    add(1, "Ann", "admin")
    Path("backups").mkdir()
    told("backup", "backups")
    (file,) = Path("backups").iterdir()
    assert file.name.startswith("countersign-20")
    before = file.read_bytes()
    assert "exists already" in refused("backup", str(file))
    assert file.read_bytes() == before
    assert "cannot be written" in refused("backup", "nowhere/one.tar")
    assert "is no" in refused("restore", "config.toml" if Path("config.toml").exists() else __file__)


def test_both_commands_while_a_bot_runs() -> None:
    add(1, "Ann", "admin")
    with running():
        told("backup", "one.tar")
        assert "in use" in refused("restore", "one.tar", "--force")
        assert "in use" in refused("erase", "Ann", "--yes")
        assert told("prune", "--dry-run")["rows"] == {}


def test_prune_counts_takes_and_is_wrongly_called() -> None:
    add(1, "Ann", "admin")
    assert told("prune") == {"dry_run": False, "rows": {}}
    assert "Nothing is old enough" in countersign("prune", "--dry-run").stdout
    for wrong in ("1d", "soon", "-3d", "999999d", "999999999.9d"):
        told_ = countersign("prune", f"--older-than={wrong}", ends=2).stderr
        assert "Traceback" not in told_
        assert "a duration from 2 days" in " ".join(told_.split())


def test_somebody_is_erased_by_name_and_again_by_id() -> None:
    add(1, "Ann", "admin")
    add(2, "Bob")
    (bob,) = [each["person_id"] for each in told("members", "list") if each["name"] == "Bob"]
    countersign("erase", "Bob", ends=1)  # nobody said yes
    assert "--yes" in countersign("erase", "Bob", "--json", ends=2).stderr  # nor was asked
    assert roles().keys() == {"Ann", "Bob"}
    gone = told("erase", "bob", "--yes")
    assert (gone["person_id"], gone["calls"]) == (bob, 0)
    left = b"".join(path.read_bytes() for path in Path("data").glob("countersign.sqlite3*"))
    assert b"Ann" in left
    assert b"Bob" not in left, "it lies in a free page, or in the log"
    assert roles() == {"Ann": "admin"}
    assert "Nobody is called" in refused("erase", "Bob", "--yes")
    shown = countersign("erase", bob, "--yes").stdout
    assert "0 calls" in shown
    assert "before-restore-" in shown
    assert "only admin" in refused("erase", "1", "--yes")
    shown = countersign("audit", "verify").stdout
    assert "holds" in shown
    assert "which was erased" in shown


# --- doctor -------------------------------------------------------------------------------------------------


@pytest.fixture
def api() -> Iterator[str]:
    """A Bot API in a thread of its own."""
    ready, over, found = threading.Event(), threading.Event(), []

    async def serve() -> None:
        sandbox = await start_sandbox(limits=Limits.off())
        found.append(sandbox.url)
        ready.set()
        await asyncio.to_thread(over.wait)
        await sandbox.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    yield found[0]
    over.set()
    thread.join()


def set_up(api: str, monkeypatch: pytest.MonkeyPatch, **more: object) -> None:
    given = {"TELEGRAM__TOKEN": DEMO_TOKEN, "TELEGRAM__API_BASE_URL": api, **more}
    for name, value in given.items():
        monkeypatch.setenv(f"COUNTERSIGN_{name}", str(value))


def checks(*, ends: int) -> dict[str, Any]:
    return {each["name"]: each for each in told("doctor", ends=ends)["checks"]}


def test_the_doctor_finds_nothing_to_mend(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(api, monkeypatch)
    assert "no records" in checks(ends=0)["database"]["detail"]
    add(1, "Ann", "admin")
    with running():
        found = checks(ends=0)
    assert [name for name, check in found.items() if check["ok"] is True] == [
        *("data folder", "space", "database", "audit", "policy", "token", "clock", "updates"),
    ]
    assert "All is well." in countersign("doctor").stdout


def test_the_doctor_says_how_to_mend_each(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add(1, "Ann", "admin")
    Path("policy.toml").write_text("[[rule]]\nnope = 1\n")
    Path("data").chmod(0o755)
    Path("token").write_text(DEMO_TOKEN)
    Path("token").chmod(0o644)
    set_up(api, monkeypatch, POLICY__FILE="policy.toml", TELEGRAM__APPROVERS_CHAT=-12345)
    monkeypatch.delenv("COUNTERSIGN_TELEGRAM__TOKEN")
    monkeypatch.setenv("COUNTERSIGN_TELEGRAM__TOKEN_FILE", "token")
    found = checks(ends=1)
    wrong = {name: check["remedy"] for name, check in found.items() if check["ok"] is False}
    assert wrong.keys() == {"data folder", "secrets", "policy", "approvers' chat"}
    assert all(wrong.values())
    assert "chmod 600" in wrong["secrets"]
    assert "4 to mend." in countersign("doctor", ends=1).stdout


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (f'telegram.token = "{DEMO_TOKEN}"', True),
        ('telegram.proxy = "http://me:canary@proxy:3128"', True),
        ('storage.url = "postgresql://u:canary@127.0.0.1:9/db"', True),
        ('storage.url = "postgresql://127.0.0.1:9/db?password=canary"', True),
        (f'metrics.token = "{"x" * 16}"', True),
        ('metrics.token_file = "token"', True),
        ('telegram.proxy = "http://proxy:3128"\nstorage.url = "postgresql://u@127.0.0.1:9/db"', False),
        ('tenant.name = "Us"', False),
    ],
)
def test_the_doctor_looks_who_can_read_what_holds_a_secret(
    monkeypatch: pytest.MonkeyPatch, written: str, found: bool
) -> None:
    """One that is given elsewhere is no matter."""
    if not found:
        monkeypatch.setenv("COUNTERSIGN_HTTP__KEY", "k" * 48)
    for name, text in (("config.toml", written), ("token", "x" * 16)):
        Path(name).write_text(text)
        Path(name).chmod(0o644)
    config = Path("config.toml")
    settings = load(config, environ=os.environ)
    assert any(check.name == "secrets" for check in doctor.machine(settings, config=config)) is found
    for path in (config, Path("token")):
        path.chmod(0o600)
    assert all(check.name != "secrets" for check in doctor.machine(settings, config=config))


def test_a_mirror_that_lost_its_end_and_a_database_of_another_version_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(1, "Ann", "admin")
    database = Path("data/countersign.sqlite3")
    for sql, name in (
        ("UPDATE audit_heads SET mirrored_seq = 1", "audit"),
        ("UPDATE audit_heads SET hash = 'x', mirrored_seq = 0", "audit"),
        ("UPDATE alembic_version SET version_num = '9999'", "database"),
    ):
        with sqlite3.connect(database) as connection:
            connection.execute(sql)
        assert checks(ends=1)[name]["ok"] is False, sql
    database.write_text("a letter " * 1000)
    assert checks(ends=1)["database"]["ok"] is False
    assert "restore a backup" in checks(ends=1)["database"]["remedy"]


async def _looked(settings: Any, now: datetime) -> dict[str, Check]:
    return {check.name: check for check in await doctor.telegram(settings, now=lambda: now)}


def test_the_doctor_at_telegram(api: str) -> None:
    def look(token: str, *, url: str = api, off: timedelta = timedelta(0)) -> dict[str, Check]:
        environ = {"COUNTERSIGN_TELEGRAM__TOKEN": token, "COUNTERSIGN_TELEGRAM__API_BASE_URL": url}
        return asyncio.run(_looked(load(None, environ=environ), datetime.now(UTC) + off))

    assert look(DEMO_TOKEN)["token"].ok
    for off, word in ((timedelta(minutes=3), "fast"), (-timedelta(minutes=3), "slow")):
        clock = look(DEMO_TOKEN, off=off)["clock"]
        assert (clock.ok, word in clock.detail) == (False, True)
    away = look(DEMO_TOKEN, url="http://127.0.0.1:9")
    assert away["telegram"].ok is False
    assert DEMO_TOKEN not in str(away)


def test_a_webhook_of_somebody_else_is_found() -> None:
    answer = doctor._Answer(200, {"url": "https://evil.example/hook"}, "", None)
    found = doctor._webhook(answer)
    assert (found.ok, "evil.example" in found.detail) == (False, True)
    assert doctor._webhook(doctor._Answer(500, None, "", None)).ok is None
    assert doctor._clock(answer, now=datetime.now(UTC)).ok is None
    assert doctor._token(doctor._Answer(401, None, "Unauthorized", None)).ok is False
    assert doctor._token(doctor._Answer(502, None, "", None)).ok is False


def test_adapters_are_asked() -> None:
    async def well() -> None: ...

    async def ill() -> None:
        raise ConnectionError("no line")

    declared = [Adapter(name="one", check=well), Adapter(name="two", check=ill), Adapter(name="three")]
    found = asyncio.run(doctor.adapters(declared, ToolRegistry([])))
    assert [(check.ok, check.detail) for check in found] == [
        (True, "answers"),
        (False, "no line"),
        (None, "has no check"),
    ]
