"""Alembic's way in: one transaction a migration, on the address given by `storage.migrate`."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from storage.schema import metadata

_MIGRATING = 0x436F756E7465726D


def _run() -> None:
    # A connection is used once and closed, also where the migration fails.
    engine = create_engine(context.config.attributes["url"], poolclass=NullPool)

    if engine.dialect.name == "sqlite":
        # The driver's own habit of beginning late would leave half a migration behind a crash.
        @event.listens_for(engine, "connect")
        def _explicit(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
            connection.isolation_level = None

        @event.listens_for(engine, "begin")
        def _begin(connection: object) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Processes that start at once take turns; whoever is second finds that nothing is left to do.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
        context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
        context.run_migrations()


_run()
