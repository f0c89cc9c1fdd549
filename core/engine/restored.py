"""After a restore: nothing goes on by itself that was under way when the backup was made.

Between the backup and now, people may have signed, denied or undone what the backup shows as open, and tools
may have run. Nobody can tell from the records, so whoever signs is asked again, and told why.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from core.approvals import consent_digest_of
from core.digest import Json
from core.engine.change import amend, end_unrun
from core.engine.env import Env
from core.engine.execute import interrupt, lapse
from core.engine.expire import end_expired
from core.engine.fire import pass_by
from core.engine.readable import readable
from core.engine.routing import route
from core.ids import CallId
from core.lifecycle import Status
from core.model import SYSTEM, ToolCall
from core.ports import Now, Records, Stopped

REASON: Final = "the records were restored from a backup"


class Restored(Struct, frozen=True, kw_only=True):
    """What a restore changed so that nothing runs unasked: how many calls of each kind, of how many
    schedules a time passed, and the queues."""

    asked_again: int
    interrupted: int
    ended: int
    passed: int
    stopped: Stopped


def make_safe(records: Records, *, taken_at: datetime, source: str, now: Now, env: Env) -> Restored:
    """Makes restored records safe to run: every call that waits is asked for anew, none that ran goes on, no
    time of a schedule that passed is made up for, no queue, grant or invite of the time before counts, and
    every chain says from which backup it comes.

    `taken_at` is when the backup was made, `source` what tells it from others.
    """
    why = f"The records were restored from a backup of {taken_at:%d %b %Y %H:%M} UTC."
    stopped = records.keeping.stop(why="restored", now=now.wall)
    running = [_interrupt(records, each, why=why, now=now, env=env) for each in records.keeping.running()]
    waiting = [_ask_again(records, each, why=why, now=now, env=env) for each in records.keeping.waiting()]
    done = Restored(
        asked_again=waiting.count(Status.PROPOSED),
        interrupted=running.count(True),
        ended=len(waiting) - waiting.count(Status.PROPOSED) - waiting.count(None),
        passed=pass_by(records, now=now),
        stopped=stopped,
    )
    _tell(records, done, taken_at=taken_at, source=source, now=now.wall)
    return done


def _interrupt(records: Records, call_id: CallId, *, why: str, now: Now, env: Env) -> bool:
    """Also of a tool that may be repeated: what it did since the backup, nobody saw."""
    call = readable(records, call_id, now=now.wall)
    live = [each for each in records.attempts.of(call_id) if each.ended_at is None]
    if call is None or not live:
        return False
    interrupt(records, call, live[-1], why=f"{why} It ran when that was made.", now=now, env=env)
    return True


def _ask_again(records: Records, call_id: CallId, *, why: str, now: Now, env: Env) -> Status | None:
    """What became of a call that waited; None where it cannot be read."""
    call = readable(records, call_id, now=now.wall)
    if call is None:
        return None
    told = f"{why} It may have been done since then: look before you sign."
    if call.status not in {Status.PROPOSED, Status.PENDING}:
        pass  # an earlier one's end was its end too: steps of one run
    elif call.lapses_at is not None and call.lapses_at <= now.wall:
        end_expired(records, call, now=now, env=env)
    elif env.registry.find(call.tool) is None:
        _end_unknown(records, call, now=now)
    elif call.status is Status.PENDING:
        lapse(records, call, why=told, reason=REASON, self_approval=True, now=now, env=env)
    else:
        _void(records, call, why=told, now=now, env=env)
    after = readable(records, call_id, now=now.wall)
    return None if after is None else after.status


def _end_unknown(records: Records, call: ToolCall, *, now: Now) -> None:
    error = f"There is no tool {call.tool} any more. Nothing was changed."
    end_unrun(records, call, Status.DENIED, by=SYSTEM, now=now.wall, error=error, error_class="policy_denied")


def _void(records: Records, call: ToolCall, *, why: str, now: Now, env: Env) -> None:
    """A new revision of what nobody has decided yet: taps on what was shown before count no more."""
    asked = replace(call, revision=call.revision + 1)
    after = amend(
        records,
        call,
        "asked_anew",
        by=SYSTEM,
        now=now.wall,
        content={"why": why},
        revision=asked.revision,
        consent_digest=consent_digest_of(asked),
        note=why,
    )
    place = records.people.conversation(call.conversation_id)
    if place is not None:
        route(records, after, place, env=env)
        records.outbox.card(after)


def _tell(records: Records, done: Restored, *, taken_at: datetime, source: str, now: datetime) -> None:
    content: dict[str, Json] = {
        "taken_at": taken_at.isoformat(),
        "source": source,
        "asked_again": done.asked_again,
        "interrupted": done.interrupted,
        "ended": done.ended,
        "schedules_passed": done.passed,
        "grants_revoked": done.stopped.grants,
        "invites_ended": done.stopped.invites,
        "messages_dropped": done.stopped.messages,
        "updates_dropped": done.stopped.updates,
    }
    for tenant in [None, *(tenant.id for tenant in records.people.tenants())]:
        records.audit.append(
            "records.restored", tenant_id=tenant, actor=SYSTEM.actor, content=content, now=now
        )
