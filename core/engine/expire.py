"""Time running out. It never allows anything."""

from __future__ import annotations

from core.engine.change import end_unrun, reply_at_end
from core.engine.env import Env
from core.engine.readable import readable
from core.lifecycle import Status
from core.model import SYSTEM, ToolCall
from core.ports import Now, Records

BATCH = 50


def expire(records: Records, *, now: Now, env: Env) -> int:
    """Ends every call that nobody decided, or nobody started, in time. At most `BATCH`; how many."""
    due = records.calls.due(now.wall, limit=BATCH)
    for call_id in due:
        call = readable(records, call_id, now=now.wall)
        if call is not None and call.status in {Status.PROPOSED, Status.PENDING}:
            end_expired(records, call, now=now, env=env)
    return len(due)


def end_expired(records: Records, call: ToolCall, *, now: Now, env: Env) -> None:
    """Ends one call whose time has run out, and says which time."""
    proposed = call.status is Status.PROPOSED
    waited = "Nobody decided in time." if proposed else "It was not started in time."
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
