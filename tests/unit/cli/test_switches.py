"""`countersign pause` and `resume`: the kill switch from the machine, also beside a bot that runs."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from core.model import Switch
from storage.database import Database
from tests.kit.cli import add, countersign, refused, told

DATABASE = Path("data") / "countersign.sqlite3"


def rows(statement: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(DATABASE) as connection:
        return connection.execute(statement).fetchall()


def test_the_whole_bot_is_paused_and_resumed_also_before_its_first_start() -> None:
    paused = told("pause", "--reason", "deploy  freeze", "--for", "2h")
    assert (paused["target"], paused["tenant"], paused["reason"]) == ("everything", None, "deploy freeze")
    left = datetime.fromisoformat(paused["until"]) - datetime.now(UTC)
    assert timedelta(hours=1.9) < left <= timedelta(hours=2)
    assert rows("SELECT tenant_id, by_name, ended_at FROM switches") == [("*", "the machine", None)]
    shown = countersign("resume").stdout
    assert shown.startswith("Resumed: everything of every team.")
    assert "no pause of just everything" in refused("resume")
    kinds = [kind for (kind,) in rows("SELECT kind FROM audit_events WHERE tenant_id = 'main' ORDER BY seq")]
    assert kinds == ["switch.paused", "switch.resumed", "refused"]


def test_a_tool_an_adapter_or_a_team_alone() -> None:
    told("members", "tenant", "add", "acme", "--name", "Acme")
    assert told("pause", "--reason", "x", "--tool", "create_task")["name"] == "create_task"
    assert told("pause", "--reason", "x", "--adapter", "python", "--tenant", "acme")["tenant"] == "acme"
    assert "stays so until it is resumed" in countersign("pause", "--reason", "y", "--tenant", "acme").stdout
    assert told("resume", "--tool", "create_task")["tenant"] is None
    assert told("resume", "--adapter", "python", "--tenant", "acme")["tenant"] == "acme"
    assert "no pause" in refused("resume")
    assert told("resume", "--tenant", "acme")["target"] == "everything"
    assert "no such team" in refused("pause", "--reason", "x", "--tenant", "nowhere")
    assert "use one of" in refused("pause", "--reason", "x", "--tool", "nope").lower()


def test_what_an_admin_paused_for_the_only_team_the_machine_resumes() -> None:
    told("pause", "--reason", "x", "--tenant", "main")
    assert told("resume")["tenant"] == "main"


@pytest.mark.parametrize(
    "arguments",
    [
        ("pause",),
        ("pause", "--reason", "x", "--for", "soon"),
        ("pause", "--reason", "x", "--tool", "create_task", "--adapter", "python"),
    ],
)
def test_wrongly_called(arguments: tuple[str, ...]) -> None:
    countersign(*arguments, ends=2)


def test_it_pauses_beside_a_running_bot_and_tells_its_admins() -> None:
    """The bot's own writer lives: the pause takes its turn with it, and is seen by its next unit."""
    add(1, "Ann", "admin")
    rows_ = rows("SELECT person_id FROM identities")
    with sqlite3.connect(DATABASE) as connection:
        connection.execute("UPDATE identities SET private_chat = 1")
    assert rows_

    async def beside() -> tuple[list[Switch], list[Switch]]:
        database = Database(DATABASE, new_id=lambda: str(uuid7()))
        try:
            now = datetime.now(UTC)

            async def live() -> list[Switch]:
                return list(await database.writer.run("look", lambda records: records.switches.live(now=now)))

            before = await live()
            command = ("pause", "--reason", "incident 7", "--json")
            paused = await asyncio.to_thread(countersign, *command)
            assert json.loads(paused.stdout)["reason"] == "incident 7"
            return before, await live()
        finally:
            await database.close()

    before, after = asyncio.run(beside())
    assert (len(before), [each.reason for each in after]) == (0, ["incident 7"])
    assert [json.loads(str(payload))["what"] for (payload,) in rows("SELECT payload FROM outbox")] == [
        "paused"
    ]


def test_it_pauses_whatever_is_wrong_with_the_policy() -> None:
    Path("policy.toml").write_text("this is no policy")
    Path("config.toml").write_text('[policy]\nfile = "policy.toml"\n')
    assert told("pause", "--reason", "x")["target"] == "everything"
