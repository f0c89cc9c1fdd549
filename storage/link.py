"""What the writer and the readers need of a database, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from storage.statements import DialectName, Session

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


class Link(Protocol):
    """One connection. Used by one thread at a time."""

    def begin(self) -> Session:
        """Begins a transaction that may write: nobody else's may until it ends, in any process."""
        ...

    def look(self) -> Session:
        """Begins a transaction that sees one committed snapshot and cannot write."""
        ...

    def commit(self) -> None:
        """Ends the transaction, durably."""
        ...

    def roll_back(self) -> None:
        """Ends whatever transaction there is, also on a connection that is lost."""
        ...

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open that statements can still go into."""
        ...

    def tolerate(self) -> None:
        """From now on text that is none is read with what can be made of it, so that it can be named."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the connection is of no use any more."""
        ...

    def close(self) -> None:
        """Closes the connection."""
        ...


class Backend(Protocol):
    """A database at an address."""

    @property
    def dialect(self) -> DialectName:
        """Which of the two it is."""
        ...

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its driver raises."""
        ...

    @property
    def at_hand(self) -> bool:
        """Whether a small read takes no longer than handing it to another thread would."""
        ...

    @property
    def shown(self) -> str:
        """The address as people may see it: without a password."""
        ...

    def connect(self, *, read_only: bool = False, alone: bool = False, patient: bool = True) -> Link:
        """A new connection. `alone`: only one such connection exists at a time, in all processes. `patient`:
        it waits while others hold the database up.

        Raises one of `errors`; ConfigError where another process is there already.
        """
        ...

    def revision(self) -> str | None:
        """The migration that the database stands at; None where there is none yet. Raises ConfigError."""
        ...

    def migrate(self) -> bool:
        """Brings the schema to this version's; whether anything was to be done. Raises ConfigError."""
        ...

    def engine(self) -> AsyncEngine:
        """SQLAlchemy's way in, for lists."""
        ...
