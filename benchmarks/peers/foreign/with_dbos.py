"""DBOS: a workflow that waits for its approval with recv and runs the tool as a step, over SQLite.

In its favour: WAL (its own default is a rollback journal), plain threads, the approval sent without waiting
for recv to be there (which saves it the wait for its poll), a poll of 10 ms instead of 1 s, and five
connections instead of 20, which get in each other's way less. Durable are propose (the workflow's row),
approve (the notification), what the step returned, and complete; not that the step starts. SQLite's own
synchronous=FULL.
"""
# mypy: ignore-errors

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from dbos import DBOS, SetWorkflowID
from rounds import in_threads, serve

EFFECTS: list[str] = []


@DBOS.step()
def effect(key: str) -> str:
    """The tool."""
    EFFECTS.append(key)
    return "done"


@DBOS.workflow()
def call(key: str) -> str:
    """Waits for the approval, and runs the tool."""
    return effect(key) if DBOS.recv("approval") else "denied"


def lifecycle(key: str) -> None:
    """Propose, approve, and wait until it has run and is complete."""
    with SetWorkflowID(key):
        handle = DBOS.start_workflow(call, key)
    DBOS.send(key, True, topic="approval")
    handle.get_result()


def main() -> None:
    path = Path(sys.argv[1]) / "dbos.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    config = {
        "name": "bench",
        "system_database_url": f"sqlite:///{path}",
        "log_level": "ERROR",
        "notification_listener_polling_interval_sec": 0.01,
        "sys_db_pool_size": 5,
    }
    DBOS(config=config)
    DBOS.launch()

    def completed() -> int:
        with closing(sqlite3.connect(path)) as own:
            query = "SELECT count(*) FROM workflow_status WHERE status = 'SUCCESS'"
            return int(own.execute(query).fetchone()[0])

    alone, at_once = in_threads(lifecycle)
    serve(alone, at_once, effects=EFFECTS, completed=completed)
    DBOS.destroy()


if __name__ == "__main__":
    main()
