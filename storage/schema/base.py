"""What all tables share: the metadata, the kinds of columns, the words that a column may hold.

Times are integers: milliseconds since the epoch, UTC. JSON is text. Both read alike on SQLite and PostgreSQL
and need no conversion by a driver.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import BigInteger, Column, Connection, Index, MetaData, Text, event, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def one_of(column: str, values: Iterable[StrEnum]) -> str:
    """A check constraint's text: the column holds one of these."""
    listed = ", ".join(f"'{value}'" for value in sorted(values))
    return f"{column} IN ({listed})"


def time(name: str, *, nullable: bool = False) -> Column[int]:
    """A point in time, in milliseconds."""
    return Column(name, BigInteger, nullable=nullable)


def words(name: str, *, nullable: bool = False, primary_key: bool = False) -> Column[str]:
    """A text."""
    return Column(name, Text, nullable=nullable, primary_key=primary_key)


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index over the rows that fulfil `where`, on both databases.

    SQLAlchemy loads a dialect as soon as an option of it is named; a start on SQLite does without the other
    one, so PostgreSQL's is set when its tables are made.
    """
    return Index(name, *columns, unique=unique, sqlite_where=text(where), info={"where": where})


@event.listens_for(metadata, "before_create")
def _on_postgresql(_: MetaData, connection: Connection, **_more: object) -> None:
    if connection.dialect.name == "postgresql":
        for table in metadata.tables.values():
            for index in table.indexes:
                if "where" in index.info:
                    index.dialect_options["postgresql"]["where"] = text(index.info["where"])
