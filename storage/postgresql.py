"""PostgreSQL: the same units of work over psycopg, with as few round trips as they allow."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, make_url

from core.errors import ConfigError
from storage.migrate import upgrade
from storage.statements import DialectName, Row, Session, Statement

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

CONNECT_TIMEOUT_S: Final = 10
ALONE_WITHIN_S: Final = 3
"""A killed process is alone until the server notices that it is gone: whoever comes next waits so long."""
_WRITERS: Final = 0x436F756E74657273
"""The advisory lock that the transactions of all processes take turns on; the next number is held by
whoever is alone."""
_LOOK: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_USABLE: Final = (TransactionStatus.INTRANS, TransactionStatus.INERROR, TransactionStatus.ACTIVE)


class PipelinedSession(Session):
    """A session that sends what nobody waits for together with the next statement that somebody does.

    `round_trips` counts how often it waited for the server.
    """

    def __init__(self, connection: psycopg.Connection[Any], pipeline: psycopg.Pipeline) -> None:
        super().__init__(connection.cursor(), "postgresql")
        self._connection = connection
        self._pipeline = pipeline
        self._waiting = False
        self.round_trips = 0

    def do(self, statement: Statement, **values: Any) -> None:
        """Queues; an error is raised by what comes next, within the same unit."""
        self._send(statement, values)
        self._waiting = True

    def run(self, statement: Statement, **values: Any) -> int:
        """Executes and gives the number of rows changed."""
        cursor = self._send(statement, values)
        self._sync()
        return cursor.rowcount

    def one(self, statement: Statement, **values: Any) -> Row | None:
        """The first row, or None."""
        cursor = self._send(statement, values)
        self._sync()
        return cursor.fetchone()

    def all(self, statement: Statement, **values: Any) -> Sequence[Row]:
        """All rows."""
        cursor = self._send(statement, values)
        self._sync()
        return cursor.fetchall()

    def save(self) -> None:
        """Queued with what follows."""
        self._connection.execute("SAVEPOINT unit")
        self._waiting = True

    def release(self) -> None:
        """Waits for what is still queued, so that a unit's errors are raised within it."""
        if self._waiting:
            self._sync()
        self._connection.execute("RELEASE unit")

    def undo(self) -> None:
        """The failed pipeline is ended first: until then the server skips everything."""
        with contextlib.suppress(psycopg.Error):
            self._sync()
        self._connection.execute("ROLLBACK TO unit")
        # psycopg takes for prepared what the server skipped with the failed pipeline, except where it ran a
        # statement for the first time: from then on that statement would fail for ever.
        self._connection._prepared.clear()

    def flush(self) -> None:
        """Waits for everything that was queued."""
        self._sync()

    def _send(self, statement: Statement, values: dict[str, Any]) -> psycopg.Cursor[Any]:
        sql, constants = statement.on("postgresql")
        bound = {**constants, **values} if constants else values
        return self._connection.execute(sql, _without_nul(bound))

    def _sync(self) -> None:
        self._waiting = False
        self.round_trips += 1
        self._pipeline.sync()


class PostgresqlLink:
    """Implements `storage.link.Link`."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._stack = contextlib.ExitStack()
        pipeline = self._stack.enter_context(connection.pipeline())
        self.session = PipelinedSession(connection, pipeline)

    def begin(self) -> Session:
        """Writers of all processes take turns, as they do on SQLite: what a unit read stays true."""
        self._command("BEGIN")
        self._command(f"SELECT pg_advisory_xact_lock({_WRITERS})")
        return self.session

    def look(self) -> Session:
        """A snapshot of one moment."""
        self._command(_LOOK)
        return self.session

    def commit(self) -> None:
        """Answered once the server has it on disk."""
        self._command("COMMIT")
        self.session.flush()

    def roll_back(self) -> None:
        """On a lost connection there is nothing to end."""
        with contextlib.suppress(psycopg.Error):
            self.session.flush()
        if self.in_transaction:
            with contextlib.suppress(psycopg.Error):
                self._command("ROLLBACK")
                self.session.flush()

    @property
    def in_transaction(self) -> bool:
        """A statement that failed leaves it open: it can be rolled back to a savepoint."""
        return not self.lost and self._connection.info.transaction_status in _USABLE

    @property
    def lost(self) -> bool:
        """Whether the server, or the way to it, is gone, as far as the socket tells without asking."""
        for _ in ("what it said last", "that it hung up"):
            with contextlib.suppress(psycopg.Error):
                self._connection.pgconn.consume_input()
        return self._connection.closed or self._connection.broken

    def tolerate(self) -> None:
        """PostgreSQL takes in no text that is none."""

    def close(self) -> None:
        """Closes the connection."""
        with contextlib.suppress(psycopg.Error):
            self._stack.close()
        self._connection.close()

    def _command(self, sql: str) -> None:
        self._connection.execute(sql.encode())


class Postgresql:
    """Implements `storage.link.Backend` for an address postgresql://…"""

    dialect: DialectName = "postgresql"
    at_hand = False
    errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, address: str) -> None:
        self._url = make_url(address).set(drivername="postgresql+psycopg")
        self._conninfo = address

    @property
    def shown(self) -> str:
        """Host and database. Not the query, which may hold a password too."""
        url = self._url
        return URL.create(
            "postgresql", host=url.host, port=url.port, database=url.database
        ).render_as_string()

    def connect(
        self, *, read_only: bool = False, alone: bool = False, patient: bool = True
    ) -> PostgresqlLink:
        """A new connection; see `storage.link.Backend.connect`."""
        connection = psycopg.connect(self._conninfo, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)
        if alone and not _taken(connection):
            connection.close()
            raise ConfigError(
                f"The database {self.shown} is in use by another Countersign process. "
                "Stop that one first, or give this one a database of its own."
            )
        return PostgresqlLink(connection)

    def revision(self, *, to_write: bool = False) -> str | None:
        """The migration that the database stands at; None where it has none yet.

        Raises ConfigError where it cannot be reached, or not be written although that is what is wanted.
        """
        try:
            with psycopg.connect(self._conninfo, connect_timeout=CONNECT_TIMEOUT_S) as connection:
                if to_write and connection.execute("SHOW transaction_read_only").fetchone() == ("on",):
                    raise ConfigError(
                        f"The database {self.shown} is read-only: a standby, or one with "
                        "default_transaction_read_only on, for it or for this user. "
                        "Turn that off, or name the primary in storage.url."
                    )
                if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
                    return None
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except psycopg.Error as error:
            raise ConfigError(f"The database {self.shown} cannot be opened: {_in_one_line(error)}") from None
        return None if row is None else str(row[0])

    def migrate(self) -> bool:
        """Brings the schema to this version's; see `storage.link.Backend.migrate`. Raises ConfigError also
        where nobody may write there."""
        current = self.revision(to_write=True)
        return upgrade(self._url, current=current, shown=self.shown)

    def engine(self) -> AsyncEngine:
        """A few connections, each tried before it is used again."""
        from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - 6 MB, for lists only

        return create_async_engine(self._url, pool_size=2, max_overflow=2, pool_pre_ping=True)


def _without_nul(values: dict[str, Any]) -> dict[str, Any]:
    """The values as PostgreSQL can hold them: its text has no NUL, which people may send within a name or a
    note, as little as they may mean by it. It is kept as U+FFFD, in what is looked up as in what is stored.
    What is hashed has none: ids and words of ours, and JSON, which escapes it."""
    if not any(type(value) is str and "\0" in value for value in values.values()):
        return values
    return {
        name: value.replace("\0", "\ufffd") if isinstance(value, str) else value
        for name, value in values.items()
    }


def _taken(connection: psycopg.Connection[Any]) -> bool:
    """Whether this connection is now the only one of its kind; it stays so until it ends."""
    connection.execute(f"SET lock_timeout = '{ALONE_WITHIN_S}s'".encode())
    try:
        connection.execute(f"SELECT pg_advisory_lock({_WRITERS + 1})".encode())
    except psycopg.errors.LockNotAvailable:
        return False
    connection.execute(b"RESET lock_timeout")
    return True


def _in_one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) + "."
