"""Databases as earlier versions left them: made by their own migrations, filled with what they could hold."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, inspect, make_url

from storage import migrate
from storage.schema import metadata
from tests.kit.databases import Kind, Place, new_place

RELEASED: Final = ("0001", "0002", "0003")
"""Every schema before today's. A test holds it against the migrations folder."""
_VERDICT_0001: Final = (
    *("decision", "rule", "reason", "approvers", "named", "count", "self_approval"),
    *("expires_after_s", "note"),
)
"""What a policy decision consisted of in the first schema."""


def url_of(place: Place) -> str:
    """The address as SQLAlchemy takes it."""
    if isinstance(place.address, Path):
        return f"sqlite:///{place.address}"
    return make_url(place.address).set(drivername="postgresql+psycopg").render_as_string(False)


def upgrade_to(url: str, revision: str) -> None:
    """Runs the migrations up to this one."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    config.attributes["url"] = make_url(url)
    command.upgrade(config, revision)


def as_of(place: Place, revision: str, folder: Path, *, calls: int) -> Place:
    """A new database of an earlier schema with what `place` holds, as far as that schema knew it, and so many
    further calls that have ended, each with its outcome."""
    kind: Kind = place.kind
    old = new_place(kind, folder, name=f"as-of-{revision}.db", empty=True)
    upgrade_to(url_of(old), revision)
    engine = create_engine(url_of(old))
    there = inspect(engine)
    known = {name: [column["name"] for column in there.get_columns(name)] for name in there.get_table_names()}
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            if table.name not in known:
                continue
            columns = [name for name in known[table.name] if name in table.c]
            rows = _rows(place, table.name, columns, revision)
            values = ", ".join(f":{name}" for name in columns)
            insert = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values})"
            for batch in (rows, _copies(table.name, rows, calls)):
                if batch:
                    connection.execute(_text(insert), batch)
    engine.dispose()
    return old


def _text(sql: str) -> Any:
    from sqlalchemy import text  # noqa: PLC0415

    return text(sql)


def _rows(place: Place, table: str, columns: list[str], revision: str) -> list[dict[str, Any]]:
    rows = [
        dict(zip(columns, row, strict=True))
        for row in place.rows(f"SELECT {', '.join(columns)} FROM {table}")
    ]
    if table == "tool_calls" and revision == "0001":
        for row in rows:
            verdict = json.loads(row["verdict"])
            row["verdict"] = json.dumps({name: verdict[name] for name in _VERDICT_0001})
    return rows


def _id(number: int) -> str:
    """A UUIDv7 of long ago."""
    return str(UUID(int=(7 << 76) | (2 << 62) | number))


def _copies(table: str, rows: list[dict[str, Any]], calls: int) -> list[dict[str, Any]]:
    """So many more ended calls, or their outcomes, made of one that there is."""
    if table == "tool_calls":
        model = next(row for row in rows if row["status"] == "completed")
        fresh = {"idempotency_key": None, "undo_of": None}
        return [{**model, **fresh, "id": _id(n), "short_id": f"OLD{n:06}"} for n in range(calls)]
    if table == "outcomes":
        model = next(row for row in rows if row["status"] == "completed")
        return [{**model, "call_id": _id(n)} for n in range(calls)]
    return []


def die_at(statement: int) -> None:
    """From now on this process kills itself right before its so-many-eth change of a schema."""
    left = statement

    @event.listens_for(Engine, "before_cursor_execute")
    def _count(_c: Any, _cursor: Any, sql: str, *_more: Any) -> None:
        nonlocal left
        if sql.lstrip().startswith(("CREATE", "ALTER", "DROP", "UPDATE alembic_version")):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
