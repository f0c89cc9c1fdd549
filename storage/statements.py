"""Hot statements: SQLAlchemy Core builds them, each is compiled once a dialect and run on the bare cursor.

Values are bound by name, so the order of columns cannot mix them up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol

from sqlalchemy import BindParameter, Table, bindparam, insert
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.expression import ClauseElement

DialectName = Literal["sqlite", "postgresql"]
Row = Sequence[Any]

_DIALECTS: Final[Mapping[DialectName, Dialect]] = {
    "sqlite": SQLiteDialect(paramstyle="named"),
    "postgresql": PGDialect(paramstyle="pyformat"),  # type: ignore[no-untyped-call]
}


class Cursor(Protocol):
    """What is used of a DB-API cursor, the same on sqlite3 and psycopg."""

    @property
    def rowcount(self) -> int:
        """Rows changed by the last statement."""
        ...

    def execute(self, sql: Any, parameters: Mapping[str, Any] = ..., /) -> Any:
        """Runs one statement."""
        ...

    def fetchone(self) -> Any:
        """The next row or None."""
        ...

    def fetchall(self) -> Any:
        """All rows left."""
        ...


class Statement:
    """One statement, written once. Bind values by `arg` names."""

    def __init__(self, clause: ClauseElement) -> None:
        self._clause = clause
        self.compiled: dict[DialectName, tuple[str, dict[str, Any]]] = {}

    def on(self, dialect: DialectName) -> tuple[str, dict[str, Any]]:
        """The SQL text and the constants that it binds itself."""
        found = self.compiled.get(dialect)
        if found is None:
            compiled = self._clause.compile(
                dialect=_DIALECTS[dialect], compile_kwargs={"render_postcompile": True}
            )
            constants = {name: value for name, value in compiled.params.items() if value is not None}
            found = self.compiled[dialect] = (str(compiled), constants)
        return found


class Session:
    """A cursor and its dialect: statements within the transaction that its connection has open."""

    def __init__(self, cursor: Cursor, dialect: DialectName) -> None:
        self._cursor = cursor
        self._execute = cursor.execute
        self.dialect: DialectName = dialect

    def do(self, statement: Statement, **values: Any) -> None:
        """Executes what must succeed and whose row count nobody asks for. An error is raised within the
        same unit of work, though maybe not here."""
        sql, constants = statement.compiled.get(self.dialect) or statement.on(self.dialect)
        self._execute(sql, {**constants, **values} if constants else values)

    def run(self, statement: Statement, **values: Any) -> int:
        """Executes and gives the number of rows changed."""
        self.do(statement, **values)
        return self._cursor.rowcount

    def one(self, statement: Statement, **values: Any) -> Row | None:
        """The first row, or None."""
        self.do(statement, **values)
        row: Row | None = self._cursor.fetchone()
        return row

    def all(self, statement: Statement, **values: Any) -> Sequence[Row]:
        """All rows."""
        self.do(statement, **values)
        rows: Sequence[Row] = self._cursor.fetchall()
        return rows

    def save(self) -> None:
        """Sets the savepoint that a unit of work can be taken back to."""
        self._execute("SAVEPOINT unit")

    def release(self) -> None:
        """Keeps what was done since the savepoint. Raises what went wrong meanwhile."""
        self._execute("RELEASE unit")

    def undo(self) -> None:
        """Takes back what was done since the savepoint, which stays."""
        self._execute("ROLLBACK TO unit")

    def flush(self) -> None:
        """Returns once everything was executed."""


def arg(name: str) -> BindParameter[Any]:
    """A value that each execution binds under `name`."""
    return bindparam(name, None)


def insert_into(table: Table) -> Statement:
    """Inserts one whole row, every column bound under its own name."""
    return Statement(insert(table).values({column.name: arg(column.name) for column in table.columns}))


def insert_once(table: Table) -> Statement:
    """Like `insert_into`, but leaves an existing row alone; the row count tells which."""
    values = {column.name: arg(column.name) for column in table.columns}
    # ON CONFLICT DO NOTHING is spelt alike on both databases: the construct of one compiles for the other.
    return Statement(postgresql.insert(table).values(values).on_conflict_do_nothing())
