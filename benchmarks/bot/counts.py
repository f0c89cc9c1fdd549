"""What lies in the database afterwards: a run in which a tap was not a whole call is void."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

EVENTS = ("call.completed", "call.pending", "call.proposed", "call.running")
"""The audit events of every call, by name."""


def check_counts(database: Path, *, calls: int) -> None:
    """Ends the run unless exactly so many calls were proposed, signed, run and completed, each with one
    signature, one outcome and its four audit events."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        count = connection.execute
        found = {
            "calls": count("SELECT count(*) FROM tool_calls").fetchone()[0],
            "completed": count("SELECT count(*) FROM tool_calls WHERE status = 'completed'").fetchone()[0],
            "signatures": count("SELECT count(DISTINCT call_id) FROM approvals").fetchone()[0],
            "outcomes": count("SELECT count(*) FROM outcomes WHERE status = 'completed'").fetchone()[0],
            "audited": count(
                "SELECT count(*) FROM (SELECT group_concat(kind) AS kinds FROM (SELECT call_id, kind "
                "FROM audit_events WHERE call_id IS NOT NULL ORDER BY call_id, kind) GROUP BY call_id) "
                "WHERE kinds = ?",
                (",".join(EVENTS),),
            ).fetchone()[0],
        }
    wrong = {name: number for name, number in found.items() if number != calls}
    if wrong:
        raise SystemExit(f"void: {calls} taps, but in the database {wrong}")
