"""A database whose commits go wrong where a test wants them to; all else is the real backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.link import Backend, Link
from storage.postgresql import PostgresqlLink
from storage.sqlite import SqliteLink
from storage.statements import DialectName, Session


class Fault(StrEnum):
    """What happens to a commit."""

    REFUSED = "refused"  # the database says no and stays
    CUT = "cut"  # the connection is lost before it: on PostgreSQL by killing the server's process for it
    UNHEARD = "unheard"  # it is done, but the connection is lost before anybody hears so


@dataclass
class Faults:
    """What goes wrong next, and how often what went wrong."""

    next: Fault | None = None
    seen: dict[Fault, int] = field(default_factory=lambda: dict.fromkeys(Fault, 0))

    def take(self) -> Fault | None:
        """The fault of this commit."""
        fault, self.next = self.next, None
        if fault is not None:
            self.seen[fault] += 1
        return fault


class FaultyLink:
    """Implements `storage.link.Link`."""

    def __init__(self, link: Link, backend: FaultyBackend) -> None:
        self._link = link
        self._backend = backend
        self._cut = False
        self._gone = False

    def begin(self) -> Session:
        return self._link.begin()

    def look(self) -> Session:
        return self._link.look()

    def commit(self) -> None:
        fault = self._backend.faults.take()
        if fault is Fault.REFUSED:
            raise self._backend.errors[0]("the disk is full")
        if fault is Fault.CUT:
            self._lose()
            # On PostgreSQL there is nobody there to commit; a file is there still, so it is undone by hand.
            self._link.commit() if self._gone else self._link.roll_back()
            raise self._backend.errors[0]("the connection is lost")
        self._link.commit()
        if fault is Fault.UNHEARD:
            self._lose()
            raise self._backend.errors[0]("the connection is lost")

    def roll_back(self) -> None:
        self._link.roll_back()

    def go_away(self) -> None:
        """On PostgreSQL the server's process for this connection ends, if it has not."""
        if isinstance(self._link, PostgresqlLink) and not self._gone:
            self._gone = True
            self._backend.kill(self._link)

    def _lose(self) -> None:
        self._cut = True
        self.go_away()

    @property
    def in_transaction(self) -> bool:
        return self._link.in_transaction

    def tolerate(self) -> None:
        self._link.tolerate()

    @property
    def lost(self) -> bool:
        return self._cut or self._link.lost

    def close(self) -> None:
        self._link.close()


class FaultyBackend:
    """Implements `storage.link.Backend` around a real one, with the faults that it is told."""

    def __init__(self, real: Backend, *, admin: psycopg.Connection[Any] | None) -> None:
        self._real = real
        self._admin = admin
        self.faults = Faults()
        self.links: list[FaultyLink] = []

    @property
    def dialect(self) -> DialectName:
        return self._real.dialect

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        return self._real.errors

    @property
    def at_hand(self) -> bool:
        return self._real.at_hand

    @property
    def shown(self) -> str:
        return self._real.shown

    def connect(self, *, read_only: bool = False, alone: bool = False, patient: bool = True) -> Link:
        link = self._real.connect(read_only=read_only, alone=alone, patient=patient)
        if isinstance(link, SqliteLink):
            # Power cuts are not among these faults: as with the tests' PostgreSQL, nothing is synced.
            link._connection.execute("PRAGMA synchronous = OFF")
        self.links.append(FaultyLink(link, self))
        return self.links[-1]

    def kill(self, link: PostgresqlLink) -> None:
        """Ends the server's process for this connection; returns once it is gone."""
        assert self._admin is not None
        process = link._connection.info.backend_pid
        ended = self._admin.execute("SELECT pg_terminate_backend(%s, 10000)", [process]).fetchone()
        assert ended == (True,)

    def cut_between_units(self) -> None:
        """The writer's connection is lost while nobody uses it. On SQLite that cannot be."""
        self.links[-1].go_away()

    def revision(self) -> str | None:
        return self._real.revision()

    def migrate(self) -> bool:
        return self._real.migrate()

    def engine(self) -> AsyncEngine:
        return self._real.engine()
