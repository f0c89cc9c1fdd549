"""Time running out. It never allows anything."""

from __future__ import annotations

from core.engine.change import end_unrun, reply_at_end
from core.engine.env import Env
from core.lifecycle import Status
from core.model import SYSTEM
from core.ports import Now, Records

BATCH = 50


def expire(records: Records, *, now: Now, env: Env) -> int:
    """Ends every call that nobody decided, or nobody started, in time. At most `BATCH`; how many."""
    due = records.calls.due(now.wall, limit=BATCH)
    for call_id in due:
        call = records.calls.get(call_id)
        if call is None or call.status not in {Status.PROPOSED, Status.PENDING}:
            continue
        waited = (
            "Nobody decided in time." if call.status is Status.PROPOSED else "It was not started in time."
        )
        after = end_unrun(
            records,
            call,
            Status.EXPIRED,
            by=SYSTEM,
            now=now.wall,
            error=f"{waited} Nothing was changed.",
            error_class="expired",
        )
        reply_at_end(records, after, now=now.wall, after_s=env.limits.reply_after.total_seconds())
    return len(due)
