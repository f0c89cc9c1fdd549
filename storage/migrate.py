"""Bringing a database to the schema of this version with Alembic, which is loaded only where work is due."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import URL

from core.errors import ConfigError

HEAD: Final = "0004"
"""The newest migration. A test holds it against the migrations folder."""

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def upgrade(url: URL, *, current: str | None, shown: str) -> bool:
    """Brings the database at `url`, which stands at `current`, to `HEAD`; whether anything was to be done.
    Killed midway, it can be run again.

    Raises ConfigError where the database is newer than this program.
    """
    if current == HEAD:
        return False
    if current is not None and current > HEAD:
        raise ConfigError(
            f"The database {shown} is from a newer Countersign (schema {current}, this one knows {HEAD}). "
            "Install that version again, or restore a backup."
        )
    from alembic import command  # noqa: PLC0415 - a third of a second that an up-to-date start need not pay
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["url"] = url
    command.upgrade(config, HEAD)
    return True
