"""What survives a restart: records as JSON and file contents, in one SQLite file."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Store:
    """A store for a sandbox that is forgotten when it stops: it only holds the contents of files."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def load(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every committed record of a kind."""
        yield from ()

    def put(self, kind: str, key: str, record: dict[str, Any]) -> None:
        """Keep a record with the next commit."""

    def drop(self, kind: str, key: str) -> None:
        """Forget a record with the next commit."""

    def put_blob(self, blob_id: str, content: bytes) -> None:
        """Keep a file's content with the next commit."""
        self._blobs[blob_id] = content

    def blob(self, blob_id: str) -> bytes | None:
        """Return a file's content, committed or not."""
        return self._blobs.get(blob_id)

    def forget_all(self, *kinds: str) -> None:
        """Forget every record of these kinds, and every file, with the next commit."""
        self._blobs.clear()

    def commit(self) -> None:
        """Write every change since the last commit in one transaction."""

    def close(self) -> None:
        """Commit what waits and close. A second call does nothing."""


class SqliteStore(Store):
    """Keeps records by (kind, key). A change is durable against a killed process once `commit` returned."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._pending: dict[tuple[str, str], str | None] = {}
        self._emptied = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        # NORMAL loses nothing when the process dies, and cannot corrupt the file when the power goes.
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
            self._db.execute(f"PRAGMA {pragma}").close()
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS records"
            " (kind TEXT, key TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS blobs (id TEXT PRIMARY KEY, content BLOB NOT NULL)")

    def load(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every committed record of a kind."""
        for key, body in self._db.execute("SELECT key, body FROM records WHERE kind = ?", (kind,)):
            yield key, json.loads(body)

    def put(self, kind: str, key: str, record: dict[str, Any]) -> None:
        """Keep a record, as it is now, with the next commit."""
        self._pending[kind, key] = json.dumps(record)

    def drop(self, kind: str, key: str) -> None:
        """Forget a record with the next commit."""
        self._pending[kind, key] = None

    def blob(self, blob_id: str) -> bytes | None:
        """Return a file's content, committed or not."""
        if blob_id in self._blobs or self._emptied:
            return self._blobs.get(blob_id)
        row = self._db.execute("SELECT content FROM blobs WHERE id = ?", (blob_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def forget_all(self, *kinds: str) -> None:
        """Forget every record of these kinds, and every file, with the next commit."""
        super().forget_all(*kinds)
        self._emptied = True
        for kind in kinds:
            stored = self._db.execute("SELECT key FROM records WHERE kind = ?", (kind,)).fetchall()
            waiting = [key for of, key in self._pending if of == kind]
            for key in [key for (key,) in stored] + waiting:
                self._pending[kind, key] = None

    def commit(self) -> None:
        """Write every change since the last commit in one transaction; if that fails, all of them wait on."""
        if not (self._pending or self._blobs or self._emptied):
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._write()
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._pending.clear()
        self._blobs.clear()
        self._emptied = False

    def _write(self) -> None:
        if self._emptied:
            self._db.execute("DELETE FROM blobs")
        kept = [(kind, key, body) for (kind, key), body in self._pending.items() if body is not None]
        dropped = [named for named, body in self._pending.items() if body is None]
        self._db.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", kept)
        self._db.executemany("DELETE FROM records WHERE kind = ? AND key = ?", dropped)
        self._db.executemany("INSERT OR REPLACE INTO blobs VALUES (?, ?)", self._blobs.items())

    def close(self) -> None:
        """Commit what waits and close the file. A second call does nothing."""
        self.commit()
        self._db.close()
