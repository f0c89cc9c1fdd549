"""Where peers without a store of their own keep what they serialise: one row a lifecycle, one commit a step.

Standard library only. One connection, WAL and synchronous=FULL, as their users write it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


class Steps:
    """The newest step of each lifecycle, durable when `save` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(
            "CREATE TABLE steps (key TEXT PRIMARY KEY, step TEXT NOT NULL, body BLOB NOT NULL) WITHOUT ROWID"
        )

    def save(self, key: str, step: str, body: str | bytes) -> None:
        """The lifecycle is at this step, and stays there if the machine stops."""
        self._connection.execute("REPLACE INTO steps VALUES (?, ?, ?)", (key, step, body))

    def body(self, key: str) -> str | bytes:
        """What was saved last: a resumed run reads it, rather than its own memory."""
        row = self._connection.execute("SELECT body FROM steps WHERE key = ?", (key,)).fetchone()
        body: str | bytes = row[0]
        return body

    def completed(self) -> int:
        """How many are done, by a connection of its own."""
        with closing(sqlite3.connect(self._path)) as own:
            (number,) = own.execute("SELECT count(*) FROM steps WHERE step = 'complete'").fetchone()
        return int(number)
