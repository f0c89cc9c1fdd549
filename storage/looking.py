"""Reading beside a running bot: a connection that cannot write, in short snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import ConfigError
from storage.database import Address, backend_of
from storage.link import Link
from storage.statements import Session


@contextmanager
def opened(database: Address) -> Iterator[Link]:
    """A connection that only reads. Raises ConfigError where the database cannot be read."""
    backend = backend_of(database)
    if isinstance(database, Path) and not database.exists():
        raise ConfigError(f"There is no database at {database} yet. Start the bot first, or name --data.")
    try:
        link = backend.connect(read_only=True)
        try:
            yield link
        finally:
            link.close()
    except backend.errors as error:
        raise ConfigError(f"The database {backend.shown} cannot be read: {error}.") from None


@contextmanager
def snapshot(link: Link) -> Iterator[Session]:
    """One committed state. Short ones do not hold up the writer's checkpoints."""
    session = link.look()
    try:
        yield session
    finally:
        link.roll_back()
