"""No statement of the daily work reads through a table that history fills, as SQLite tells its plans.

PostgreSQL chooses by what it knows of the rows; the indexes and the texts of the statements are the same.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

import storage
from storage.schema import metadata
from storage.statements import Statement
from tests.kit.world import World

SMALL = {
    "alarms": "what was cleared is deleted",
    "api_tokens": "made by hand",
    "alembic_version": "one row",
    "audit_heads": "one row a team",
    "breakers": "one row an adapter",
    "conversations": "one row a chat, and read through only when a group moves",
    "dead_letters": "deleted after a while",
    "invites": "deleted after a while",
    "memberships": "one row a member",
    "people": "one row a person",
    "quarantine": "what somebody damaged",
    "schedules": "made by hand",
    "switches": "made by hand",
    "tenants": "one row a team",
    "webhooks": "made by hand",
    "workers": "deleted after a while",
}
RARE = {
    "storage.records.erasing": "a person is erased by hand, with the bot stopped",
    "storage.records.keeping": "old rows are deleted by hand or after a restore, with the bot stopped",
    "storage.tombstones": "a restore looks for what was erased",
}
RARE_ONES = {"_MIGRATE_OUTBOX": "a group moves once"}
GROWING = sorted(set(metadata.tables) - set(SMALL))


def named_statements() -> Iterator[tuple[str, Statement]]:
    """Every statement that is written down in storage, by the name it has there."""
    for found in pkgutil.walk_packages(storage.__path__, "storage."):
        if ".migrations" in found.name or found.name in RARE:
            continue
        for name, value in vars(importlib.import_module(found.name)).items():
            several: Any = {"": value}
            if isinstance(value, dict):
                several = value
            elif isinstance(value, list | tuple):
                several = dict(enumerate(value))
            for key, each in several.items():
                if isinstance(each, Statement) and key != "postgresql":
                    yield f"{found.name}.{name}{key}", each


def plan(world: World, statement: Statement) -> list[str]:
    sql, bound = statement.on("sqlite")
    values = [bound.get(each, "0") for each in re.findall(r":(\w+)", sql)]
    return [row[3] for row in world.sql("EXPLAIN QUERY PLAN " + re.sub(r":\w+", "?", sql), *values)]


def partial_indexes(world: World) -> set[str]:
    """Those over a few rows of a table alone."""
    found = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'"
    return {row[0] for row in world.sql(found)}


def read_through(steps: list[str], partial: set[str]) -> list[str]:
    """The steps that read a whole growing table, or a whole index that is not partial, whose rows are few."""
    whole = re.compile(rf"SCAN ({'|'.join(GROWING)})\b(?:.* INDEX (\w+))?")
    return [step for step in steps if (found := whole.match(step)) and found[2] not in partial]


def test_no_statement_reads_through_a_table_that_history_fills(sqlite_world: World) -> None:
    looked_at, partial = dict(named_statements()), partial_indexes(sqlite_world)
    assert len(looked_at) > 150
    slow = {
        name: steps
        for name, statement in looked_at.items()
        if name.rpartition(".")[2] not in RARE_ONES
        and (steps := read_through(plan(sqlite_world, statement), partial))
    }
    assert slow == {}


@pytest.mark.parametrize("name", [*RARE_ONES, *RARE])
def test_what_is_excepted_exists(name: str) -> None:
    modules = {found.name for found in pkgutil.walk_packages(storage.__path__, "storage.")}
    assert name in modules | {each.rpartition(".")[2] for each, _ in named_statements()}


def test_a_constant_stands_in_the_text_and_a_value_does_not() -> None:
    (due,) = (each for name, each in named_statements() if name == "storage.records.calls._DUE")
    for dialect in ("sqlite", "postgresql"):
        sql, _ = due.on(dialect)
        assert "status IN ('proposed', 'pending')" in sql
        assert "now_" in sql
