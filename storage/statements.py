"""Hot statements: SQLAlchemy Core builds them, each is compiled once a dialect and run on the bare cursor.

Values are bound by name, so the order of columns cannot mix them up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, Protocol

from sqlalchemy import BindParameter, Table, bindparam, insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.sql.visitors import iterate

DialectName = Literal["sqlite", "postgresql"]
Row = Sequence[Any]


class Inserter(Protocol):
    """A dialect's own `insert`, whose statements know ON CONFLICT."""

    def __call__(self, table: Table, /) -> Any:
        """An insert into this table."""
        ...


@cache
def _dialect(name: DialectName) -> tuple[Dialect, Inserter]:
    if name == "sqlite":
        return SQLiteDialect(paramstyle="named"), sqlite_insert
    # Importing it takes a tenth of a start, which one on SQLite need not pay.
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert  # noqa: PLC0415
    from sqlalchemy.dialects.postgresql.base import PGDialect  # noqa: PLC0415

    return PGDialect(paramstyle="pyformat"), postgresql_insert  # type: ignore[no-untyped-call]


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
    """One statement, written once; where it has ON CONFLICT, as a function of the dialect's own `insert`.
    Bind values by `arg` names."""

    def __init__(self, clause: ClauseElement | Callable[[Inserter], ClauseElement]) -> None:
        self._clause = clause
        self.compiled: dict[DialectName, tuple[str, dict[str, Any]]] = {}

    def on(self, dialect: DialectName) -> tuple[str, dict[str, Any]]:
        """The SQL text and the constants that it binds itself."""
        found = self.compiled.get(dialect)
        if found is None:
            compiler, inserter = _dialect(dialect)
            clause = self._clause if isinstance(self._clause, ClauseElement) else self._clause(inserter)
            compiled = _written_out(clause).compile(
                dialect=compiler, compile_kwargs={"render_postcompile": True}
            )
            constants = {name: value for name, value in compiled.params.items() if value is not None}
            found = self.compiled[dialect] = (str(compiled), constants)
        return found


def _written_out(clause: ClauseElement) -> ClauseElement:
    """The clause, from now on with its constants in its text. A database uses a partial index only where it
    can see while it plans that the rows asked for are in it, and a bound value is not there yet."""
    for element in iterate(clause):
        if isinstance(element, BindParameter) and element.value is not None:
            element.literal_execute = True
    return clause


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


def all_columns(table: Table) -> dict[str, BindParameter[Any]]:
    """Every column of a table, bound under its own name."""
    return {column.name: arg(column.name) for column in table.columns}


def insert_into(table: Table) -> Statement:
    """Inserts one whole row, every column bound under its own name."""
    return Statement(insert(table).values(all_columns(table)))


def insert_once(table: Table) -> Statement:
    """Like `insert_into`, but leaves an existing row alone; the row count tells which."""
    return Statement(lambda insert: insert(table).values(all_columns(table)).on_conflict_do_nothing())
