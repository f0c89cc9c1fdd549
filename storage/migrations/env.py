"""Alembic's way in: one transaction a migration, on the address given by `storage.migrate`."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from storage.schema import metadata


def _run() -> None:
    engine = create_engine(context.config.attributes["url"])

    if engine.dialect.name == "sqlite":
        # The driver's own habit of beginning late would leave half a migration behind a crash.
        @event.listens_for(engine, "connect")
        def _explicit(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
            connection.isolation_level = None

        @event.listens_for(engine, "begin")
        def _begin(connection: object) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    with engine.begin() as connection:
        context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
        context.run_migrations()
    engine.dispose()


_run()
