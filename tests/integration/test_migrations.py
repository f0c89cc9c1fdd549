from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from core.errors import ConfigError
from storage import migrate
from storage.database import Database
from storage.migrate import HEAD
from storage.schema import APPEND_ONLY, metadata
from storage.sqlite import Sqlite
from tests.kit.world import ids, open_world

NEEDED = set(metadata.tables)


def names(path: Path, kind: str) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = ?", (kind,))
        }


def test_the_head_is_the_newest_migration_in_the_folder() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_new_file_is_brought_to_the_head_once(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    assert Sqlite(path).revision() is None
    assert Sqlite(path).migrate()
    assert Sqlite(path).revision() == HEAD
    assert not Sqlite(path).migrate()
    assert names(path, "table") >= NEEDED


def test_migrations_and_schema_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    Sqlite(path).migrate()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def spelled(path: Path) -> dict[str, str]:
    """Each table and index as SQLite keeps it, without spaces and quotes: constraints included."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql NOT NULL AND type != 'trigger'"
        )
        return {name: "".join(sorted(re.split(r"[\s,()\"]+", sql.lower()))) for name, sql in rows}


def test_constraints_and_partial_indexes_are_the_same_too(tmp_path: Path) -> None:
    migrated, made = tmp_path / "migrated.db", tmp_path / "made.db"
    Sqlite(migrated).migrate()
    engine = create_engine(f"sqlite:///{made}")
    metadata.create_all(engine)
    engine.dispose()
    expected = spelled(made)
    found = {name: sql for name, sql in spelled(migrated).items() if name != "alembic_version"}
    assert found == expected


def test_what_must_not_change_has_its_triggers(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    Sqlite(path).migrate()
    verbs = ("UPDATE", "DELETE", "replace")
    assert names(path, "trigger") == {f"{t}_no_{verb}" for t in APPEND_ONLY for verb in verbs}


def test_a_migration_killed_midway_leaves_nothing_and_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.db"
    from alembic import op  # noqa: PLC0415 - patched here only

    def killed(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(op, "execute", killed)
    with pytest.raises(KeyboardInterrupt):
        Sqlite(path).migrate()
    monkeypatch.undo()
    assert names(path, "table") == set()
    assert Sqlite(path).migrate()
    assert names(path, "table") >= NEEDED


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    Sqlite(path).migrate()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(ConfigError, match="from a newer Countersign"):
        Database(path, new_id=ids())
    # The lock was given free again.
    with pytest.raises(ConfigError, match="from a newer Countersign"):
        Database(path, new_id=ids())


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    path.write_text("this is a letter, not a database; " * 100)
    with pytest.raises(ConfigError, match="not a readable database"):
        Sqlite(path).migrate()


def test_a_folder_in_its_place_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be opened"):
        Sqlite(path).migrate()


def test_a_database_of_somebody_else_without_our_table_is_new_to_us(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    assert Sqlite(path).revision() is None


async def test_a_folder_is_opened_by_one_process_at_a_time(tmp_path: Path) -> None:
    async with open_world(tmp_path):
        with pytest.raises(ConfigError, match="in use by another Countersign process"):
            Database(tmp_path / "countersign.db", new_id=ids())
    async with open_world(tmp_path) as again:
        assert again.chain() == []


@pytest.mark.parametrize("folder", ["with space", "100%", "a#b", "ümlaut", "a?b"])
async def test_any_folder_name_will_do(tmp_path: Path, folder: str) -> None:
    # Once ("a?b" only): migrate and Database spell the address as f"sqlite:///{path}", where "?" begins a
    # query: the migration goes to another file. sqlalchemy.URL.create("sqlite", database=str(path)) does not.
    async with open_world(tmp_path / folder) as world:
        assert (await world.done("low_once")).version == 3
    assert [path.name for path in tmp_path.iterdir()] == [folder]


async def test_data_is_kept_between_starts(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        call = await world.done("low_once")
        chain = world.chain()
    async with open_world(tmp_path) as world:
        assert await world.call(call) == call
        assert world.chain() == chain
