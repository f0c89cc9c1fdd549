from __future__ import annotations

import multiprocessing.synchronize
import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, make_url

from core.errors import ConfigError
from storage import migrate
from storage.database import Address, Database, backend_of
from storage.migrate import HEAD
from storage.schema import APPEND_ONLY, metadata
from storage.sqlite import Sqlite
from tests.kit.databases import KINDS, Kind, Place, new_place
from tests.kit.processes import FORKED
from tests.kit.world import ids, open_world

NEEDED = set(metadata.tables)
TRIGGERS = {
    "sqlite": ("SELECT name FROM sqlite_master WHERE type = 'trigger'", ("UPDATE", "DELETE", "replace")),
    "postgresql": (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
        ("update", "delete", "truncate"),
    ),
}


@pytest.fixture(params=KINDS)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place with nothing in it: no file, or a database without a table."""
    kind: Kind = request.param
    return new_place(kind, tmp_path, name="new.db", empty=True)


def url_of(place: Place) -> str:
    if isinstance(place.address, Path):
        return f"sqlite:///{place.address}"
    return make_url(place.address).set(drivername="postgresql+psycopg").render_as_string(False)


def tables(place: Place) -> set[str]:
    engine = create_engine(url_of(place))
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def test_the_head_is_the_newest_migration_in_the_folder() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_new_database_is_brought_to_the_head_once(empty: Place) -> None:
    backend = backend_of(empty.address)
    assert backend.revision() is None
    assert backend.migrate()
    assert backend.revision() == HEAD
    assert not backend.migrate()
    assert tables(empty) >= NEEDED


def test_migrations_and_schema_say_the_same(empty: Place) -> None:
    backend_of(empty.address).migrate()
    engine = create_engine(url_of(empty))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


SPELLED = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE sql NOT NULL AND type != 'trigger'",
    "postgresql": """
        SELECT conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT attrelid::regclass || '.' || attname,
            format_type(atttypid, atttypmod) || attnotnull::text || attidentity::text FROM pg_attribute
            WHERE attnum > 0 AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r'
                AND relnamespace = 'public'::regnamespace)""",
}


def spelled(place: Place) -> dict[str, str]:
    """Each table, index and constraint as the database keeps it, without spaces and quotes."""
    return {
        name: "".join(sorted(re.split(r"[\s,()\"]+", sql.lower())))
        for name, sql in place.rows(SPELLED[place.kind])
        if "alembic_version" not in name
    }


def test_constraints_and_partial_indexes_are_the_same_too(empty: Place, tmp_path: Path) -> None:
    made = new_place(empty.kind, tmp_path, name="made.db", empty=True)
    engine = create_engine(url_of(made))
    metadata.create_all(engine)
    engine.dispose()
    backend_of(empty.address).migrate()
    assert len(spelled(made)) > 50 or empty.kind == "sqlite"
    assert spelled(empty) == spelled(made)


def test_what_must_not_change_has_its_triggers(empty: Place) -> None:
    backend_of(empty.address).migrate()
    question, verbs = TRIGGERS[empty.kind]
    found = {name for (name,) in empty.rows(question)}
    assert found == {f"{table}_no_{verb}" for table in APPEND_ONLY for verb in verbs}


def test_a_migration_killed_midway_leaves_nothing_and_can_be_run_again(
    empty: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import op  # noqa: PLC0415 - patched here only

    def killed(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(op, "execute", killed)
    with pytest.raises(KeyboardInterrupt):
        backend_of(empty.address).migrate()
    monkeypatch.undo()
    assert tables(empty) == set()
    assert backend_of(empty.address).migrate()
    assert tables(empty) >= NEEDED


def test_a_newer_database_is_left_alone(empty: Place) -> None:
    backend_of(empty.address).migrate()
    empty.rows("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match="from a newer Countersign"):
        Database(empty.address, new_id=ids())
    # The lock was given free again.
    with pytest.raises(ConfigError, match="from a newer Countersign"):
        Database(empty.address, new_id=ids())


def _migrate(address: Address, go: multiprocessing.synchronize.Barrier, answers: object) -> None:
    from alembic import command  # noqa: F401, PLC0415 - loaded before the start, so that they meet

    backend = backend_of(address)
    go.wait(60)
    try:
        answer: object = backend.migrate()
    except Exception as error:  # noqa: BLE001 - the parent wants to see any
        answer = repr(error)
    answers.put(answer)  # type: ignore[attr-defined]


def test_processes_that_migrate_at_once_all_find_it_done(empty: Place) -> None:
    go, answers = FORKED.Barrier(3), FORKED.Queue()
    workers = [FORKED.Process(target=_migrate, args=(empty.address, go, answers)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert {answers.get(timeout=60) for _ in workers} <= {True, False}
    for worker in workers:
        worker.join()
    assert backend_of(empty.address).revision() == HEAD
    assert tables(empty) >= NEEDED
    assert empty.number("SELECT count(*) FROM alembic_version") == 1


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    path.write_text("this is a letter, not a database; " * 100)
    with pytest.raises(ConfigError, match="not a readable database"):
        Sqlite(path).migrate()


def test_a_folder_in_its_place_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    path.mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        Sqlite(path).migrate()


def test_a_database_of_somebody_else_without_our_table_is_new_to_us(empty: Place) -> None:
    empty.rows("CREATE TABLE alembic_version (version_num TEXT)")
    empty.rows("CREATE TABLE somebody_elses (name TEXT)")
    assert backend_of(empty.address).revision() is None
    assert backend_of(empty.address).migrate()
    assert tables(empty) >= {*NEEDED, "somebody_elses"}


async def test_a_database_is_opened_by_one_process_at_a_time(tmp_path: Path, place: Place) -> None:
    async with open_world(tmp_path, place=place):
        with pytest.raises(ConfigError, match="in use by another Countersign process"):
            Database(place.address, new_id=ids())
    async with open_world(tmp_path, place=place) as again:
        assert again.chain() == []


@pytest.mark.parametrize("folder", ["with space", "100%", "a#b", "ümlaut", "a?b"])
async def test_any_folder_name_will_do(tmp_path: Path, folder: str) -> None:
    # Once ("a?b" only): migrate and Database spell the address as f"sqlite:///{path}", where "?" begins a
    # query: the migration goes to another file. sqlalchemy.URL.create("sqlite", database=str(path)) does not.
    async with open_world(tmp_path / folder) as world:
        assert (await world.done("low_once")).version == 3
    assert [path.name for path in tmp_path.iterdir()] == [folder]


async def test_data_is_kept_between_starts(tmp_path: Path, place: Place) -> None:
    async with open_world(tmp_path, place=place) as world:
        call = await world.done("low_once")
        chain = world.chain()
    async with open_world(tmp_path, place=place) as world:
        assert await world.call(call) == call
        assert world.chain() == chain
