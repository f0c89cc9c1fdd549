"""What other systems are told: the facts that a row of the stream stands for, and what each says.

Nothing here is read or made while calls run: what a signal says is put together from committed records when
it is delivered, and reads the same each time.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from core.digest import Json
from core.lifecycle import Status
from core.model import CallView, Outcome, Run, Signal, SignalKind

TTL: Final = timedelta(days=90)
"""For so long a signal is kept, and may be delivered."""
STRIDE: Final = 4
SUMMARY_MOST: Final = 200

_K = SignalKind
FACTS: Final[Mapping[SignalKind, tuple[SignalKind, ...]]] = {
    _K.TASK_STARTED: (_K.TASK_STARTED,),
    _K.ACTION_EXECUTED: (_K.TASK_STARTED, _K.ACTION_EXECUTED, _K.TASK_COMPLETED),
    _K.ACTION_FAILED: (_K.TASK_STARTED, _K.ACTION_FAILED, _K.TASK_FAILED),
    _K.EXECUTION_FINISHED: (_K.EXECUTION_FINISHED,),
}
"""What a row of this kind tells, in order: one INSERT a call says all three. That it was started has a row of
its own only where the call takes long enough for anybody to care; then the later row leaves it out."""

USUAL: Final = frozenset({_K.ACTION_EXECUTED, _K.ACTION_FAILED, _K.EXECUTION_FINISHED})
"""What a webhook is told unless it asks for something else."""


def ended_kind(status: Status) -> SignalKind:
    """What the end of a call that was attempted is told as. Stopped or timed out counts as failed; `status`
    says which."""
    return _K.ACTION_EXECUTED if status is Status.COMPLETED else _K.ACTION_FAILED


def dedupe_key(signal: Signal) -> str:
    """One for each kind about each call or run: who has seen it has seen this signal."""
    return f"{signal.subject}:{signal.kind.value}"


def told_of_call(
    signal: Signal, view: CallView, *, clean: Callable[[str], str] = str, private: bool = False
) -> dict[str, Json]:
    """What a signal says of a call. No result and no argument: how it went, what it refers to, and the
    beginning of what it said, out of which `clean` has taken what must not be shown. `private`: its tool's
    results are nobody's but the requester's."""
    call, outcome = view.call, None if signal.kind is _K.TASK_STARTED else view.outcome
    at = _started_at(view) or signal.at if signal.kind is _K.TASK_STARTED else signal.at
    return {
        **_head(signal, at),
        "call_id": call.id,
        "short_id": call.short_id,
        "run_id": call.run_id,
        "step": call.step,
        "retry_of": call.retry_of,
        "undo_of": call.undo_of,
        "tool": call.tool,
        "status": (Status.RUNNING if outcome is None else outcome.status).value,
        "started_at": _text(_started_at(view)),
        "duration_ms": None if outcome is None else outcome.duration_ms,
        "attempt_count": None if outcome is None else outcome.attempt_count,
        "error_class": None if outcome is None else outcome.error_class,
        "marked": outcome is not None and outcome.marked_by is not None,
        "references": _references(outcome, clean) if outcome and not private else {},
        "summary": _summary(outcome, clean) if outcome and not private else "",
    }


def told_of_run(signal: Signal, run: Run, views: Sequence[CallView]) -> dict[str, Json]:
    """What the end of a run says: how many of its calls came to which end, and how long it all took."""
    counts = Counter(view.call.status.value for view in views)
    return {
        **_head(signal, signal.at),
        "run_id": run.id,
        "short_id": run.short_id,
        "status": (Status.COMPLETED if set(counts) <= {"completed"} else Status.FAILED).value,
        "counts": dict(sorted(counts.items())),
        "duration_ms": span_ms(views),
        "calls": [view.call.id for view in views],
    }


def span_ms(views: Sequence[CallView]) -> int:
    """From the first start to the last end, of what was attempted; 0 where nothing was."""
    tried = [view.outcome for view in views if view.outcome is not None and view.outcome.started_at]
    starts = [each.started_at for each in tried if each.started_at is not None]
    if not starts:
        return 0
    return round((max(each.completed_at for each in tried) - min(starts)).total_seconds() * 1000)


def _head(signal: Signal, at: datetime) -> dict[str, Json]:
    return {
        "event": signal.kind.value,
        "dedupe_key": dedupe_key(signal),
        "window_key": f"{signal.account_id}-{signal.subject}",
        "number": signal.seq,
        "at": _text(at),
        "expires_at": _text(at + TTL),
        "tenant_id": signal.tenant_id,
        "account_id": signal.account_id,
    }


def _started_at(view: CallView) -> datetime | None:
    return view.attempts[0].started_at if view.attempts else None


def _references(outcome: Outcome, clean: Callable[[str], str]) -> dict[str, Json]:
    return {name: clean(value) for name, value in outcome.references.items()}


def _summary(outcome: Outcome, clean: Callable[[str], str]) -> str:
    said = clean(outcome.formatted or outcome.error or "")
    return said if len(said) <= SUMMARY_MOST else said[: SUMMARY_MOST - 1] + "…"


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def signature(secret: str, *, timestamp: int, body: bytes) -> str:
    """What proves that we sent this body at this time: HMAC-SHA256 over "<timestamp>.<body>", in hex."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, sha256).hexdigest()
