"""Adapters' breakers: whether one lets a call through, and what becomes of it after an attempt.

Of adapters in our own process there are none, so their calls cost nothing here. Of others the start of a call
reads its breaker, since another process may have changed it; a success is written only where the breaker is
not known to be clean.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from core.adapters import Carrier, Unavailable, carriers, guarded
from core.engine.env import BreakerNews, Env
from core.guards import unavailable
from core.ids import CallId
from core.model import SYSTEM, Breaker, BreakerState, ToolCall
from core.ports import Now, Records
from core.resilience import breaker as rules
from core.tool import Tool

PROBE_SLACK: Final = timedelta(seconds=20)
"""A probe may take its tool's time and so much longer, then another one may go."""


def choose(
    records: Records, call: ToolCall, tool: Tool, *, real: datetime, env: Env
) -> Carrier | Unavailable:
    """The adapter to carry this call now: the tool's own, as a probe where it is time for one, else its
    fallback; or why there is none. Changes nothing: see `take`."""
    held: list[Breaker] = []
    for name in _carriers(records, call, tool):
        if not guarded(name):
            return Carrier(adapter=name)
        breaker = records.breakers.get(name)
        env.adapters.found(name, clean=rules.is_clean(breaker))
        if breaker is None or breaker.state is BreakerState.CLOSED:
            return Carrier(adapter=name)
        if rules.may_probe(breaker, call=call.id, now=real):
            return Carrier(adapter=name, probe=breaker)
        held.append(breaker)
    wait = min(rules.waits(each, now=real) for each in held)
    return Unavailable(adapter=held[0].adapter, retry_after_s=wait)


def take(records: Records, carrier: Carrier, call: ToolCall, tool: Tool, *, now: Now, env: Env) -> None:
    """Makes the call the one probe, where it is to be that. Raises Refusal `adapter_unavailable` where
    another was faster."""
    if carrier.probe is None:
        return
    until = now.real + timedelta(seconds=tool.timeout_s) + PROBE_SLACK
    after = rules.probing(carrier.probe, call.id, until=until, now=now.real)
    if not _change(records, carrier.probe, after, why="", now=now, env=env):
        raise unavailable(Unavailable(adapter=carrier.adapter, retry_after_s=1.0))


def observe(
    records: Records,
    adapter: str,
    *,
    ok: bool | None,
    call: CallId | None,
    why: str = "",
    now: Now,
    env: Env,
) -> None:
    """Counts what an attempt, or (no call) a health check, says of an adapter: it works, it failed, or (None)
    nothing, as where it was cancelled."""
    if not guarded(adapter) or (ok is not False and env.adapters.clean(adapter)):
        return
    before = records.breakers.get(adapter)
    breaker = before or rules.new(adapter, now=now.real)
    after = _after(breaker, ok=ok, call=call, now=now, env=env)
    if after != breaker:
        _change(records, before, after, why=why, now=now, env=env)
    else:
        env.adapters.found(adapter, clean=rules.is_clean(before))


def _after(breaker: Breaker, *, ok: bool | None, call: CallId | None, now: Now, env: Env) -> Breaker:
    if ok is None:
        return breaker if call is None else rules.gave_up(breaker, call=call, now=now.real)
    if ok:
        return rules.worked(breaker, call=call, now=now.real)
    return rules.failed(breaker, call=call, now=now.real, thresholds=env.resilience.breaker)


def cut_off(records: Records, call: ToolCall, tool: Tool) -> str | None:
    """The first adapter of a call for which none would carry it; None where one would."""
    return None if carried_by(records, call, tool) else _carriers(records, call, tool)[0]


def carried_by(records: Records, call: ToolCall, tool: Tool) -> str | None:
    """The first adapter of a call that is not cut off; None where all are."""
    for name in _carriers(records, call, tool):
        breaker = records.breakers.get(name) if guarded(name) else None
        if breaker is None or breaker.state is BreakerState.CLOSED:
            return name
    return None


def queue(records: Records, call: ToolCall, tool: Tool, *, now: Now, env: Env) -> None:
    """A call found all its adapters cut off: they are in safe mode, in which calls wait."""
    for name in _carriers(records, call, tool):
        breaker = records.breakers.get(name)
        if breaker is not None and breaker.state is BreakerState.OPEN and breaker.safe_since is None:
            after = rules.queueing(breaker, now=now.real)
            _change(records, breaker, after, why="", now=now, env=env)


def is_overdue(records: Records, *, real: datetime, env: Env) -> tuple[frozenset[str], bool]:
    """The names of all that is cut off, and whether any of it is past the limit for `watch` to see."""
    found = records.breakers.all()
    names = frozenset(each.adapter for each in found if each.state is not BreakerState.CLOSED)
    return names, any(rules.is_overdue(each, now=real, thresholds=env.resilience.breaker) for each in found)


def watch(records: Records, *, now: Now, env: Env) -> None:
    """Puts into safe mode what has been cut off past the limit, whether a call waits for it or not."""
    for breaker in records.breakers.all():
        if rules.is_overdue(breaker, now=now.real, thresholds=env.resilience.breaker):
            after = rules.queueing(breaker, now=now.real)
            _change(records, breaker, after, why="", now=now, env=env)


def _carriers(records: Records, call: ToolCall, tool: Tool) -> tuple[str, ...]:
    """What is taken back is taken back by the tool's own adapter: a fallback has no undo. What one may have
    done stays with it: the key that makes a repeat harmless means nothing to the other one."""
    if tool.fallback is None or call.undo_of is not None:
        return (tool.adapter,)
    begun = records.attempts.of(call.id) if call.attempts else ()
    unclear = [each.adapter for each in begun if each.unclear and each.adapter is not None]
    return (unclear[-1],) if unclear else carriers(tool)


def _change(
    records: Records, before: Breaker | None, after: Breaker, *, why: str, now: Now, env: Env
) -> bool:
    """The conditional update of a breaker; where its state changed, audited and told, without whose call it
    was. False where it was not as it had been read any more: then it is as another process left it."""
    # Should this be rolled back, the next success costs a look.
    env.adapters.found(after.adapter, clean=False)
    if not records.breakers.put(before, after):
        return False
    state = BreakerState.CLOSED if before is None else before.state
    safe = None if before is None else before.safe_since
    if (state, safe) == (after.state, after.safe_since):
        return True
    kind = after.state.value if after.state is not state else "safe_mode"
    records.audit.append(
        f"breaker.{kind}",
        tenant_id=env.home,
        actor=SYSTEM.actor,
        content={"adapter": after.adapter, "failures": after.failures, "why": why},
        now=now.wall,
    )
    env.on_breaker(records, BreakerNews(before=before, after=after, why=why), now.wall)
    return True
