"""`countersign execute --run`, killed in a step that must not be repeated, and taken up again."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.bootstrap import DEMO_MARKER
from bot.cli.records import new_id
from bot.clock import SystemClock
from core.engine import Env, Marked, mark
from core.ids import PersonId, RunId
from core.model import Channel, Principal, Role
from core.policy import Policy
from core.ports import Records
from core.registry import ToolRegistry
from storage.database import Database
from tests.kit.cli import add, at_home, logs_as_before, told
from tools.catalog import demo_tools

ROOT = Path(__file__).parents[2]
PLAN = """
[[step]]
tool = "create_task"
args = { title = "Before" }
[[step]]
tool = "print_label"
args = { text = "Box 7" }
[[step]]
tool = "list_tasks"
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    at_home(tmp_path, monkeypatch)
    with logs_as_before(monkeypatch):
        yield


def begin(*arguments: str) -> subprocess.Popen[str]:
    """The command as a process, as people run it."""
    return subprocess.Popen(
        [sys.executable, "-m", "bot.cli.main", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_that_was_killed_here_is_taken_up_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / DEMO_MARKER).touch()
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "policy.toml").write_text('[[rule]]\ntool = "print_label"\ndecision = "allow"\n')
    (tmp_path / "config.toml").write_text('[policy]\nfile = "policy.toml"\n')
    person = add(1, "Ann", "admin")
    (database,) = (tmp_path / "data").glob("*.sqlite3")
    # The printer's file is a pipe: what comes out of it says when the label was printed, and how often.
    os.mkfifo(tmp_path / "data" / "labels.jsonl")
    labels = os.open(tmp_path / "data" / "labels.jsonl", os.O_RDONLY | os.O_NONBLOCK)
    try:
        run = told("run-file", "plan.toml")
        doomed = begin("execute", "--run", run["run"])
        assert select.select([labels], [], [], 60)[0], doomed.communicate()
        doomed.kill()
        doomed.communicate()
        held = told("execute", "--run", run["run"], ends=1)
        assert [step["status"] for step in held["steps"]] == ["completed", "interrupted", "pending"]
        asyncio.run(_looked(database, run["run_id"], PersonId(person["person_id"])))
        done = told("execute", "--run", run["run"])
        assert [step["status"] for step in done["steps"]] == ["completed", "completed", "completed"]
        assert "Before" in done["steps"][2]["told"]
        assert os.read(labels, 65536).count(b"\n") == 1
    finally:
        os.close(labels)


async def _looked(database: Path, run_id: str, person: PersonId) -> None:
    """Somebody looked: the label is there."""
    opened = Database(database, new_id=new_id)
    registry = ToolRegistry(demo_tools(database.parent / "labels.jsonl"))
    env = Env(registry=registry, policy=Policy, new_id=new_id)

    def work(records: Records) -> object:
        second = records.runs.calls(RunId(run_id))[1]
        by = Principal(
            person=person, tenant=second.tenant_id, roles=frozenset({Role.ADMIN}), channel=Channel.CLI
        )
        return mark(records, by=by, call_id=second.id, done=True, now=SystemClock().both(), env=env)

    try:
        assert isinstance(await opened.writer.run("mark", work), Marked)
    finally:
        await opened.close()
