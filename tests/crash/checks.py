"""What must hold after every crash, read from outside: the database, the mirror, the tools' ledgers."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from core.lifecycle import ENDS
from storage.sqlite import connect
from storage.verify import verify
from tests.crash.tools import LABELS, LEDGER
from tests.e2e.ledger import effects
from tests.kit.databases import Place

COUNTED = frozenset({"stamp", "tick", "print_label", "linger", "hold", "slow"})
"""Tools whose effects are in a ledger."""
_ENDED = ", ".join(f"'{status.value}'" for status in ENDS)
_UNDECIDED_OR_NOT_RUN = frozenset({"proposed", "pending", "denied", "expired", "cancelled"})
_ONCE = frozenset(
    f"call.{status}"
    for status in ("completed", "failed", "denied", "expired", "cancelled", "interrupted", "running")
)


class Seen:
    """A victim's data folder and database, looked at from another process."""

    def __init__(self, data: Path, place: Place) -> None:
        self.data = data
        self.place = place
        self._server: psycopg.Connection[Any] | None = None
        self._file: sqlite3.Connection | None = None

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What the committed database says."""
        address = self.place.address
        if self._file is not None:
            return self._file.execute(sql, values).fetchall()
        if isinstance(address, Path):
            with closing(connect(address, read_only=True)) as connection:
                return connection.execute(sql, values).fetchall()
        asked = sql.replace("%", "%%").replace("?", "%s").encode()
        try:
            return self._connected(address).execute(asked, values).fetchall()
        except psycopg.OperationalError:
            # The server was killed meanwhile, and is up again.
            self.close()
            return self._connected(address).execute(asked, values).fetchall()

    @contextmanager
    def _opened_once(self) -> Iterator[None]:
        """A file is opened once for many looks: each opening reads its whole schema. Never for longer than
        the looks take, as who closes a file last tidies it up."""
        if isinstance(self.place.address, str):
            yield
            return
        with closing(connect(self.place.address, read_only=True)) as self._file:
            yield
        self._file = None

    def _connected(self, address: str) -> psycopg.Connection[Any]:
        if self._server is None or self._server.closed:
            self._server = psycopg.connect(address, autocommit=True)
        return self._server

    def change(self, sql: str, *values: object) -> None:
        """Changes the database behind the product's back, while it is down."""
        self.place.rows(sql, *values)

    def number(self, sql: str, *values: object) -> int:
        """The one number that a query gives."""
        return int(self.rows(sql, *values)[0][0])

    def close(self) -> None:
        """Ends the connection."""
        if self._server is not None:
            self._server.close()

    def effects(self) -> Counter[str]:
        """How often each call had its effect, whatever the engine says."""
        counted = effects(self.data / LEDGER)
        labels = self.data / LABELS
        if labels.exists():
            counted += Counter(json.loads(line)["call_id"] for line in labels.read_text().splitlines())
        return counted

    def unsettled(self, waiting_updates: list[int], *, now_ms: int = 0) -> list[str]:
        """What is still under way: [] once everything that was asked of the product is done or interrupted.
        `waiting_updates` were not confirmed at Telegram yet; `now_ms` is what the product's clock says."""
        # One statement, so one snapshot: between two looks an update may become a call unseen.
        under_way = self.rows(
            "SELECT 'call', id || ' ' || tool || ' ' || status FROM tool_calls "
            "WHERE status IN ('pending', 'running', 'validating') "
            "AND id NOT IN (SELECT row_id FROM quarantine) "
            "UNION ALL SELECT 'update', CAST(update_id AS TEXT) FROM inbox WHERE done_at IS NULL "
            "UNION ALL SELECT 'message', id || ' ' || chat || ' ' || kind FROM outbox WHERE done_at IS NULL "
            "UNION ALL SELECT 'schedule', id FROM schedules "
            "WHERE next_at <= ? AND paused_at IS NULL AND ended_at IS NULL "
            "UNION ALL SELECT 'done', CAST(update_id AS TEXT) FROM inbox WHERE done_at IS NOT NULL",
            now_ms,
        )
        known = {what for kind, what in under_way if kind == "done"}
        return [
            *(f"{kind} {what}" for kind, what in under_way if kind != "done"),
            *(f"update at Telegram {number}" for number in waiting_updates if str(number) not in known),
        ]

    def wrongs(self) -> list[str]:
        """Every promise that is broken. The product may run meanwhile, but must be settled."""
        with self._opened_once():
            return [
                *self._effects(),
                *self._outcomes(),
                *self._signals(),
                *self._schedules(),
                *self._breakers(),
                *self._history(),
                *self._cards(),
                *self._chain(),
            ]

    def _effects(self) -> Iterator[str]:
        counted = self.effects()
        calls = self.rows(
            "SELECT c.id, c.tool, c.status, c.undo_of, o.marked_by FROM tool_calls c "
            "LEFT JOIN outcomes o ON o.call_id = c.id"
        )
        yield from (f"a foreign effect: {call_id}" for call_id in counted.keys() - {row[0] for row in calls})
        for call_id, tool, status, _undo, marked_by in calls:
            times = counted[call_id]
            if times > 1:
                yield f"{tool} {call_id} had its effect {times} times"
            if tool not in COUNTED:
                continue
            if status in _UNDECIDED_OR_NOT_RUN and times:
                yield f"{tool} {call_id} is {status} and had its effect"
            if status == "completed" and marked_by is None and not times:
                yield f"{tool} {call_id} is completed and had no effect"
            if status == "failed" and marked_by is None:
                yield f"{tool} {call_id} failed, which it never does"
        for table in ("tasks", "expenses"):
            query = f"SELECT call_id, count(*) FROM {table} GROUP BY call_id HAVING count(*) > 1"
            yield from (f"{table}: {row}" for row in self.rows(query))

    def _outcomes(self) -> Iterator[str]:
        doubled = "SELECT call_id, count(*) FROM outcomes GROUP BY call_id HAVING count(*) > 1"
        yield from (f"several outcomes: {row}" for row in self.rows(doubled))
        calls, told = "SELECT id, status FROM tool_calls WHERE status", "IN (SELECT call_id FROM outcomes)"
        without = f"{calls} IN ({_ENDED}) AND id NOT {told}"
        yield from (f"ended without an outcome: {row}" for row in self.rows(without))
        early = f"{calls} NOT IN ({_ENDED}) AND id {told}"
        yield from (f"an outcome before the end: {row}" for row in self.rows(early))
        live = (
            "SELECT call_id, number FROM attempts a WHERE ended_at IS NULL AND NOT EXISTS "
            "(SELECT 1 FROM tool_calls WHERE id = call_id AND status IN ('running', 'validating'))"
        )
        yield from (f"an attempt that never ended: {row}" for row in self.rows(live))

    def _signals(self) -> Iterator[str]:
        """What was attempted and has ended is told once; nothing else is."""
        told = "SELECT subject FROM signals WHERE kind IN ('ACTION_EXECUTED', 'ACTION_FAILED')"
        doubled = f"{told} GROUP BY subject HAVING count(*) > 1"
        yield from (f"told twice: {row}" for row in self.rows(doubled))
        tried = f"SELECT call_id FROM outcomes WHERE attempt_count > 0 AND call_id NOT IN ({told})"
        yield from (f"an end that nobody was told of: {row}" for row in self.rows(tried))
        early = f"{told} AND subject NOT IN (SELECT call_id FROM outcomes WHERE attempt_count > 0)"
        yield from (f"told of what never ended: {row}" for row in self.rows(early))

    def _schedules(self) -> Iterator[str]:
        """What was wanted once in chat, of which each has words of its own, makes one call; an entry of the
        file makes one schedule."""
        made = self.rows(
            "SELECT s.id, count(c.id) FROM schedules s LEFT JOIN tool_calls c ON c.arguments = s.arguments "
            "AND c.tool = s.tool WHERE s.source = '' AND s.rule LIKE 'at %' AND s.ended_at IS NOT NULL "
            "GROUP BY s.id HAVING count(c.id) <> 1"
        )
        yield from (f"a schedule that made so many calls: {row}" for row in made)
        entries = "SELECT source, count(*) FROM schedules WHERE source <> '' AND ended_at IS NULL"
        doubled = self.rows(f"{entries} GROUP BY source HAVING count(*) > 1")
        yield from (f"an entry of the file that is several schedules: {row}" for row in doubled)

    def _breakers(self) -> Iterator[str]:
        """A breaker is as it was last audited."""
        audited = {
            json.loads(content)["adapter"]: kind.removeprefix("breaker.")
            for kind, content in self.rows(
                "SELECT kind, content FROM audit_events WHERE kind LIKE 'breaker.%' "
                "AND kind <> 'breaker.safe_mode' ORDER BY tenant_id, seq"
            )
        }
        for adapter, state in self.rows("SELECT adapter, state FROM breakers"):
            if audited.get(adapter, "closed") != state:
                yield f"{adapter} is {state}, and was last audited as {audited.get(adapter)}"

    def _history(self) -> Iterator[str]:
        """Each step of a call is in the audit once."""
        counted = self.rows(
            "SELECT call_id, kind, count(*) FROM audit_events WHERE call_id IS NOT NULL "
            "GROUP BY 1, 2 HAVING count(*) > 1"
        )
        yield from (f"audited several times: {row}" for row in counted if row[1] in _ONCE)
        missing = self.rows(
            "SELECT id, status FROM tool_calls c WHERE NOT EXISTS "
            "(SELECT 1 FROM audit_events WHERE call_id = c.id AND kind = 'call.' || c.status)"
        )
        yield from (f"not audited: {row}" for row in missing)

    def _cards(self) -> Iterator[str]:
        """Every card shows the committed state."""
        old = self.rows(
            "SELECT k.chat, c.id, k.shown_version, COALESCE(r.version, c.version) FROM cards k "
            "JOIN tool_calls c ON c.id = k.call_id LEFT JOIN runs r ON r.id = k.run_id "
            "WHERE k.shown_version <> COALESCE(r.version, c.version) "
            "AND c.id NOT IN (SELECT row_id FROM quarantine) AND NOT EXISTS "
            "(SELECT 1 FROM outbox o WHERE o.card_id = k.id AND o.error IS NOT NULL)"
        )
        yield from (f"a card that shows something old: {row}" for row in old)

    def _chain(self) -> Iterator[str]:
        report = verify(self.place.address, self.data / "audit")
        yield from (str(finding) for finding in report.findings)
