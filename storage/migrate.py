"""Bringing a database to the schema of this version with Alembic, which is loaded only where work is due."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from core.errors import ConfigError

HEAD: Final = "0001"
"""The newest migration. A test holds it against the migrations folder."""

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def current_revision(path: Path) -> str | None:
    """The migration that the database file stands at; None for a new one.

    Raises ConfigError where the file is no database, or cannot be opened.
    """
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise ConfigError(f"The database {path} cannot be opened: {error}.") from None
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"{path} is not a readable database: {error}. Restore a backup.") from None
    return None if row is None else str(row[0])


def upgrade_sqlite(path: Path) -> bool:
    """Brings the database to `HEAD`; whether anything was to be done. Killed midway, it can be run again.

    Raises ConfigError where the database is newer than this program.
    """
    current = current_revision(path)
    if current == HEAD:
        return False
    if current is not None and current > HEAD:
        raise ConfigError(
            f"The database {path} is from a newer Countersign (schema {current}, this one knows {HEAD}). "
            "Install that version again, or restore a backup."
        )
    from alembic import command  # noqa: PLC0415 - a third of a second that an up-to-date start need not pay
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import URL  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["url"] = URL.create("sqlite", database=str(path))
    command.upgrade(config, HEAD)
    return True
