"""What the schema itself guarantees, shown by raw SQL: whatever the engine does, these hold."""

from __future__ import annotations

from typing import Any

import pytest

from core.lifecycle import ENDS, Status
from storage.schema import APPEND_ONLY
from tests.kit.world import World


def refused(world: World, statement: str, *values: object, because: str) -> None:
    with pytest.raises(world.place.errors, match=f"(?i){because}"):
        world.sql(statement, *values)


def taken(table: str, *columns: str) -> str:
    """What both databases say where these columns are taken together already."""
    listed, named = ", ".join(columns), ", ".join(f"{table}.{column}" for column in columns)
    return rf"UNIQUE constraint failed: {named}$|Key \({listed}\)=.* already exists"


def copy(table: str, **changes: str) -> str:
    """Inserts every row of a table once more, with some columns changed."""
    columns = {
        "outcomes": "call_id, tenant_id, account_id, status, result, formatted, error, error_class,"
        " started_at, completed_at, duration_ms, attempt_count, worker, external_refs, marked_by",
        "approvals": "call_id, tenant_id, account_id, revision, person_id, person_name, vote,"
        " consent_digest, channel, comment, at",
        "attempts": "call_id, tenant_id, account_id, number, worker, started_at, lease_until, ended_at",
    }[table]
    chosen = ", ".join(changes.get(name, name) for name in columns.replace(",", " ").split())
    return f"INSERT INTO {table} ({columns}) SELECT {chosen} FROM {table}"


async def test_a_call_has_one_outcome(world: World) -> None:
    await world.done("low_once")
    refused(world, copy("outcomes"), because="UNIQUE")


REPLACE = {
    "sqlite": ("INSERT OR REPLACE INTO {table} SELECT * FROM {table}",),
    "postgresql": (
        "INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({key}) DO UPDATE SET account_id = 'other'",
        "MERGE INTO {table} USING {table} AS other ON FALSE"
        " WHEN NOT MATCHED BY SOURCE THEN UPDATE SET account_id = 'other'",
        "MERGE INTO {table} USING {table} AS other ON FALSE WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "TRUNCATE {table}",
        "TRUNCATE tool_calls CASCADE; TRUNCATE {table}",
    ),
}
"""What each database has for writing over rows without an UPDATE or a DELETE."""
KEYS = {"audit_events": "tenant_id, seq", "outcomes": "call_id"}


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_no_replace_gets_past_the_append_only_triggers(world: World, table: str) -> None:
    await world.done("low_once")
    before = world.sql(f"SELECT * FROM {table}")
    assert before
    for statement in REPLACE[world.place.kind]:
        refused(world, statement.format(table=table, key=KEYS[table]), because="append-only")
        assert world.sql(f"SELECT * FROM {table}") == before


@pytest.mark.parametrize("statement", ["UPDATE outcomes SET status = 'failed'", "DELETE FROM outcomes"])
async def test_outcomes_are_append_only(world: World, statement: str) -> None:
    await world.done("low_once")
    refused(world, statement, because="outcomes is append-only")


async def test_a_person_has_one_vote_on_a_revision(world: World) -> None:
    await world.approved()
    refused(world, copy("approvals"), because=taken("approvals", "call_id", "revision", "person_id"))
    refused(world, copy("approvals", vote="'denied'"), because="UNIQUE")
    world.sql(copy("approvals", revision="2"))


async def test_a_call_has_one_live_attempt(world: World) -> None:
    await world.started(await world.propose("low_once"))
    refused(world, copy("attempts"), because="UNIQUE")
    refused(world, copy("attempts", number="2"), because=taken("attempts", "call_id"))
    world.sql("UPDATE attempts SET ended_at = 1")
    world.sql(copy("attempts", number="2", ended_at="NULL"))
    refused(world, copy("attempts", ended_at="1"), because=taken("attempts", "call_id", "number"))


async def test_a_short_id_is_one_calls_within_a_team(world: World) -> None:
    await world.propose("low_once")
    await world.propose("low_once")
    refused(
        world,
        "UPDATE tool_calls SET short_id = 'AAAAAA'",
        because=taken("tool_calls", "tenant_id", "short_id"),
    )


async def test_an_idempotency_key_is_one_calls(world: World) -> None:
    await world.propose("low_once", message=1)
    await world.propose("low_once", message=2)
    refused(
        world,
        "UPDATE tool_calls SET idempotency_key = 'k'",
        because=taken("tool_calls", "tenant_id", "idempotency_key"),
    )
    world.sql("UPDATE tool_calls SET idempotency_key = NULL")


async def test_a_call_has_one_undo_that_is_alive_or_done(world: World) -> None:
    first, second = await world.propose("low_once"), await world.propose("low_once")
    refused(world, "UPDATE tool_calls SET undo_of = 'x'", because=taken("tool_calls", "undo_of"))
    world.sql("UPDATE tool_calls SET status = 'failed' WHERE id = ?", first.id)
    world.sql("UPDATE tool_calls SET undo_of = 'x'")
    refused(world, "UPDATE tool_calls SET status = 'completed'", because=taken("tool_calls", "undo_of"))
    assert second.undo_of is None


CHECKS = [
    ("tool_calls", "status", "done"),
    ("tool_calls", "risk", "tiny"),
    ("tool_calls", "channel", "fax"),
    ("approvals", "vote", "maybe"),
    ("memberships", "role", "king"),
    ("identities", "channel", "fax"),
    ("conversations", "channel", "fax"),
]


@pytest.mark.parametrize(("table", "column", "value"), CHECKS)
async def test_words_that_do_not_exist_are_refused(world: World, table: str, column: str, value: str) -> None:
    await world.approved()
    refused(world, f"UPDATE {table} SET {column} = ?", value, because=f"CHECK constraint.* .?ck_{table}")


@pytest.mark.parametrize("status", [status for status in Status if status not in ENDS])
async def test_an_outcome_is_an_end(world: World, status: Status) -> None:
    call = await world.propose("low_once")
    refused(
        world,
        "INSERT INTO outcomes VALUES"
        " (?, 't', 'a', ?, 'null', '', NULL, NULL, NULL, 0, 0, 0, NULL, '{}', NULL)",
        call.id,
        status.value,
        because="ck_outcomes_status",
    )


async def test_rows_belong_to_calls_that_exist(world: World) -> None:
    await world.approved()
    refused(world, copy("approvals", call_id="'nowhere'"), because="FOREIGN KEY")
    refused(world, "UPDATE tool_calls SET tenant_id = 'nowhere'", because="FOREIGN KEY")


async def test_commits_survive_a_power_cut(sqlite_world: World) -> None:
    """WAL and synchronous=FULL, on the connection that writes."""

    def pragmas(records: Any) -> list[object]:
        cursor = records.session._cursor
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await sqlite_world.unit(pragmas) == ["wal", 2, 1]
