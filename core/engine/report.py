"""What became of a run, as one record: every call with its status, times, tries, errors and references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from core.digest import Json
from core.engine.runs import RunView
from core.lifecycle import ENDS
from core.model import Attempt, CallView
from core.redaction import MASK, Redactor, secret_values
from core.registry import ToolRegistry
from core.signals import span_ms


def report(run: RunView, *, registry: ToolRegistry) -> dict[str, Json]:
    """The record of a run; of the same committed state always the same. What must not be shown is hidden, and
    results are left out: what a call refers to says where they are."""
    record, first = run.record, run.calls[0]
    return {
        "run": record.short_id,
        "run_id": record.id,
        "tenant_id": record.tenant_id,
        "account_id": record.account_id,
        "title": record.title,
        "requested_by": first.requester_name,
        "created_at": _text(record.created_at),
        "on_failure": record.on_failure.value,
        "ended": has_ended(run),
        "counts": dict(sorted(Counter(call.status.value for call in run.calls).items())),
        "duration_ms": span_ms(run.views),
        "calls": [_call(run, view, registry=registry) for view in run.views],
    }


def has_ended(run: RunView) -> bool:
    """Whether no step of it can change any more."""
    return all(call.status in ENDS for call in run.calls)


def _call(run: RunView, view: CallView, *, registry: ToolRegistry) -> Json:
    call, outcome = view.call, view.outcome
    clean, private = shown_as(view, registry=registry)
    references = dict(outcome.references) if outcome and not private else {}
    return {
        "step": call.step,
        "needs": list(run.record.needs.get(call.step or 0, ())),
        "call_id": call.id,
        "short_id": call.short_id,
        "tool": call.tool,
        "title": clean(call.title),
        "status": call.status.value,
        "started_at": _text(outcome.started_at if outcome else None),
        "completed_at": _text(outcome.completed_at if outcome else None),
        "duration_ms": outcome.duration_ms if outcome else None,
        "error": _cleaned(outcome.error if outcome else None, clean, private=private),
        "error_class": outcome.error_class if outcome else None,
        "references": {name: clean(value) for name, value in references.items()},
        "attempts": _attempts(view.attempts, clean, private=private),
    }


def shown_as(view: CallView, *, registry: ToolRegistry) -> tuple[Callable[[str], str], bool]:
    """What takes out of a text what of this call must not be shown; and whether what its tool said is
    nobody's but the requester's. Of a tool that nobody knows any more all of that is taken to be so."""
    tool = registry.find(view.call.tool)
    hidden = frozenset(view.call.arguments) if tool is None else tool.sensitive
    known = dict.fromkeys(secret_values(view.call.arguments, hidden))
    return Redactor(known).clean, tool is None or tool.private


def _attempts(attempts: Sequence[Attempt], clean: Callable[[str], str], *, private: bool) -> list[Json]:
    return [
        {
            "number": each.number,
            "started_at": _text(each.started_at),
            "ended_at": _text(each.ended_at),
            "adapter": each.adapter,
            "error": _cleaned(each.error, clean, private=private),
            "error_class": each.error_class,
        }
        for each in attempts
    ]


def _cleaned(text: str | None, clean: Callable[[str], str], *, private: bool) -> str | None:
    if text is None:
        return None
    return MASK if private else clean(text)


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
