"""What must be there once rows were set aside."""

from __future__ import annotations

import json

from tests.faults.stage import Town


def check_set_aside(town: Town, table: str, rows: int, *, aside: int | None = None) -> None:
    """So many rows of the table were set aside, each told by the audit once."""
    found = town.place.number("SELECT count(*) FROM quarantine WHERE source = ?", table)
    told = town.place.rows("SELECT content FROM audit_events WHERE kind = 'record.corrupt'")
    events = [event for (content,) in told if (event := json.loads(content))["table"] == table]
    assert (found, len(events)) == (rows if aside is None else aside, rows)
