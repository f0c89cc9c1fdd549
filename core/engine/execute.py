"""Executing a call: one worker takes it through all guards; one outcome ends it."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from core import guards
from core.adapters import Carrier, Unavailable, guarded
from core.approvals import consent_digest_of
from core.digest import Json, args_digest
from core.engine import breakers, pins
from core.engine.answers import Refused, refused
from core.engine.breakers import choose
from core.engine.cancel import as_stopped, as_unseen
from core.engine.change import end_unrun, reply_at_end, step
from core.engine.env import Env
from core.engine.expire import end_expired
from core.engine.facts import gather, risk_today, verdict_today
from core.engine.held import HOLDING
from core.engine.readable import readable
from core.engine.routing import route, with_reach
from core.engine.steps import check_ready
from core.errors import Code, InvalidInput, Refusal
from core.ids import CallId
from core.lifecycle import EXECUTING, Status, in_words
from core.limits import count
from core.model import SYSTEM, Attempt, Outcome, PolicyDecision, Principal, Started, ToolCall
from core.ports import Now, Records, view
from core.registry import validate
from core.tool import RunResult

_FORBIDDEN = frozenset({Code.POLICY_FORBIDS, Code.TOOL_NOT_FOUND})


def start(
    records: Records, *, by: Principal, call_id: CallId, worker: str, now: Now, env: Env
) -> Started | Refused:
    """Gives the call to this worker, if every guard lets it: of any number of racers, one is Started.

    A call whose signatures lapsed goes back to be signed again; one that today's policy denies ends as
    denied. All other refusals leave it as it is. Raises CorruptRecord.
    """
    facts = gather(records, by=by, call_id=call_id, env=env, judged=now.wall, real=now.real)
    try:
        guards.check(facts)
        call = facts.known_call
        _check_in_time(call, now=now)
        check_ready(records, call)
        if facts.tool is not None:
            pins.check(records, call, facts.tool)
        carrier = _taken(records, facts, now=now, env=env)
        after = step(
            records,
            call,
            Status.RUNNING,
            by=by,
            now=now.wall,
            content={
                "worker": worker,
                "attempt": call.attempts + 1,
                "digest": call.consent_digest,
                **by_whom(carrier),
            },
            attempts=call.attempts + 1,
            start_by=None,
            note="",
        )
        count(records.rates, facts.windows, now=now.wall)
    except Refusal as refusal:
        answer = refused(records, refusal, verb="execute", by=by, now=now.wall, call=facts.call)
        if facts.call is not None and facts.call.status is Status.PENDING:
            _give_up(records, facts.call, refusal, now=now, env=env)
        return answer
    return attempt(records, after, worker=worker, adapter=carrier, now=now, env=env)


def _taken(records: Records, facts: guards.Facts, *, now: Now, env: Env) -> str:
    """The adapter that carries the call, which is its probe from now on where that was cut off."""
    if facts.tool is None or not isinstance(facts.carrier, Carrier):
        raise LookupError("the guards let a call through that nothing carries")
    breakers.take(records, facts.carrier, facts.known_call, facts.tool, now=now, env=env)
    return facts.carrier.adapter


def by_whom(adapter: str) -> dict[str, Json]:
    """What the audit says of an adapter: nothing of our own process, which carries what names no other."""
    return {"adapter": adapter} if guarded(adapter) else {}


def _check_in_time(call: ToolCall, *, now: Now) -> None:
    """An approval does not wait for ever, also where the sweeper was not there first."""
    if call.lapses_at is not None and now.wall >= call.lapses_at:
        raise Refusal(
            Code.NOT_PENDING,
            f"Call #{call.short_id} {in_words(Status.EXPIRED)}: it was not started in time.",
            current_status=Status.EXPIRED.value,
        )


def again(
    records: Records,
    call: ToolCall,
    *,
    worker: str,
    why: str = "the worker before it died",
    wait_s: float | None = None,
    now: Now,
    env: Env,
) -> Started:
    """Another attempt at an idempotent call, which stays `running`. Begun at once, unless `wait_s` is given
    or its adapter is cut off: then `core.engine.retrying.begin` begins it."""
    tool = env.registry.get(call.tool)
    carrier = None if wait_s is not None else choose(records, call, tool, real=now.real, env=env)
    if isinstance(carrier, Unavailable):
        wait_s = carrier.retry_after_s
    after = replace(call, attempts=call.attempts + 1, version=call.version + 1, changed_at=now.wall)
    if not records.calls.advance(call, after):
        raise Refusal(Code.NOT_PENDING, f"Call #{call.short_id} is being recovered by another worker.")
    records.audit.append(
        "call.attempt",
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        actor=SYSTEM.actor,
        call_id=call.id,
        content={
            "worker": worker,
            "attempt": after.attempts,
            "why": why,
            **({} if wait_s is None else {"wait_s": round(wait_s, 3)}),
        },
        now=now.wall,
    )
    if not isinstance(carrier, Carrier):
        waits = attempt(records, after, worker=worker, adapter=None, wait_s=wait_s, now=now, env=env)
        return replace(waits, held=carrier is not None)
    breakers.take(records, carrier, after, tool, now=now, env=env)
    return attempt(records, after, worker=worker, adapter=carrier.adapter, now=now, env=env)


def finish(
    records: Records, *, call_id: CallId, attempt: int, result: RunResult, now: Now, env: Env
) -> Outcome | None:
    """Writes what became of an attempt: the one outcome, or `interrupted`, which waits for a person.

    Refused by the fence (None, and recorded as such) where the attempt is not the live one any more.
    """
    held = end_attempt(records, call_id=call_id, attempt=attempt, result=result, now=now, env=env)
    return None if held is None else conclude(records, *held, result, now=now, env=env)


def end_attempt(
    records: Records, *, call_id: CallId, attempt: int, result: RunResult, now: Now, env: Env
) -> tuple[ToolCall, Attempt] | None:
    """Ends the live attempt with what became of it, and counts what that says of its adapter. None, and
    recorded as such, where it is not the live one any more: then nothing else may be written."""
    call = records.calls.get(call_id)
    if call is None:
        raise LookupError(f"call {call_id} was running and is gone")
    ended = None
    if call.status in EXECUTING:
        ended = records.attempts.end(
            call_id,
            attempt,
            now=now.real,
            error=result.error,
            error_class=result.error_class,
            unclear=result.unclear,
        )
    if ended is None:
        records.audit.append(
            "call.late_result",
            tenant_id=call.tenant_id,
            account_id=call.account_id,
            actor=SYSTEM.actor,
            call_id=call.id,
            content={"attempt": attempt, "status": result.status.value},
            now=now.wall,
        )
        return None
    if ended.adapter is not None:
        breakers.observe(
            records,
            ended.adapter,
            ok=result.healthy,
            call=call.id,
            why=result.error_class or "",
            now=now,
            env=env,
        )
    return call, ended


def conclude(
    records: Records, call: ToolCall, ended: Attempt, result: RunResult, *, now: Now, env: Env
) -> Outcome | None:
    """Takes a call whose attempt was just ended to its end, or to `interrupted`."""
    result = as_unseen(records, as_stopped(result, ended), ended)
    content = {
        "attempt": ended.number,
        "duration_ms": result.duration_ms,
        "error_class": result.error_class,
        **({} if ended.adapter is None else by_whom(ended.adapter)),
    }
    after = step(
        records, call, result.status, by=SYSTEM, now=now.wall, content=content, note=result.error or ""
    )
    outcome = None
    if result.status is not Status.INTERRUPTED:
        outcome = _outcome(records, after, ended, result, now=now)
        records.outcomes.add(outcome)
        if after.undo_of is not None and outcome.success:
            _show_undone(records, after, now=now)
    reply_at_end(records, after, now=now.wall, after_s=env.limits.reply_after.total_seconds())
    return outcome


def interrupt(records: Records, call: ToolCall, attempt: Attempt, *, why: str, now: Now, env: Env) -> None:
    """Nobody saw the end of this attempt: ends it, and asks a person."""
    if records.attempts.end(call.id, attempt.number, now=now.real) is None:
        return
    if attempt.adapter is not None:
        breakers.observe(records, attempt.adapter, ok=None, call=call.id, now=now, env=env)
    content = {"attempt": attempt.number, "worker": attempt.worker, "why": why}
    after = step(records, call, Status.INTERRUPTED, by=SYSTEM, now=now.wall, content=content, note=why)
    reply_at_end(records, after, now=now.wall, after_s=env.limits.reply_after.total_seconds())


def attempt(
    records: Records,
    call: ToolCall,
    *,
    worker: str,
    adapter: str | None,
    wait_s: float | None = None,
    now: Now,
    env: Env,
) -> Started:
    """Adds a live attempt. `adapter` None: which one carries it is seen when it is begun, after `wait_s`."""
    live = Attempt(
        call_id=call.id,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        number=call.attempts,
        worker=worker,
        started_at=now.wall,
        lease_until=now.real + env.limits.lease,
        adapter=adapter,
        not_before=None if wait_s is None else now.real + timedelta(seconds=wait_s),
    )
    records.attempts.add(live)
    return started_at(records, call, live, wait_s=wait_s)


def started_at(records: Records, call: ToolCall, attempt: Attempt, *, wait_s: float | None = None) -> Started:
    """A call with this attempt in hand, and what it takes back."""
    original = None if call.undo_of is None else records.calls.get(call.undo_of)
    seen = None if original is None else view(records, original)
    return Started(call=call, attempt=attempt, original=seen, wait_s=wait_s)


def _give_up(records: Records, call: ToolCall, refusal: Refusal, *, now: Now, env: Env) -> None:
    if refusal.code in _FORBIDDEN:
        after = end_unrun(
            records,
            call,
            Status.DENIED,
            by=SYSTEM,
            now=now.wall,
            error=refusal.message,
            error_class="policy_denied",
        )
        reply_at_end(records, after, now=now.wall, after_s=env.limits.reply_after.total_seconds())
    elif refusal.details.get("current_status") == Status.EXPIRED.value:
        end_expired(records, call, now=now, env=env)
    elif refusal.code is Code.APPROVAL_INVALID:
        lapse(records, call, why=refusal.message, now=now, env=env)
    elif refusal.code in HOLDING:
        records.outbox.card(call, held=True)
        if refusal.code is Code.ADAPTER_UNAVAILABLE:
            breakers.queue(records, call, env.registry.get(call.tool), now=now, env=env)


def lapse(
    records: Records,
    call: ToolCall,
    *,
    why: str,
    reason: str = "it was changed after it was recorded",
    self_approval: bool = False,
    now: Now,
    env: Env,
) -> None:
    """Back to be signed: a new revision over what the fields are now, old votes void, people told why. What
    policy allows is asked for all the same, with this reason."""
    tool = env.registry.get(call.tool)
    try:
        typed = validate(tool, call.arguments)
    except InvalidInput as invalid:
        end_unrun(
            records,
            call,
            Status.DENIED,
            by=SYSTEM,
            now=now.wall,
            error=invalid.message,
            error_class="invalid_input",
        )
        return
    digest = args_digest(tool.name, tool.version, call.arguments)
    verdict = verdict_today(records, call, tool, digest=digest, now=now.wall, env=env)
    if verdict.decision is PolicyDecision.ALLOW:
        # What was changed behind our back runs only after somebody looked, whatever policy allows.
        verdict = replace(
            verdict,
            decision=PolicyDecision.REQUIRES_APPROVAL,
            reason=reason,
            self_approval=self_approval,
        )
    conversation = records.people.conversation(call.conversation_id)
    if conversation is not None:
        asked = replace(call, verdict=verdict, status=Status.PROPOSED)
        verdict = with_reach(records, asked, conversation, now=now.wall, env=env).verdict
    is_undo = call.undo_of is not None
    preview = pins.preview_of(records, tool, typed, tenant_id=call.tenant_id, account_id=call.account_id)
    renewed = replace(
        call,
        revision=call.revision + 1,
        title=call.title if is_undo else preview.title,
        risk=risk_today(records, call, tool, digest=digest, env=env),
        dry_run_pin=None if is_undo else preview.pin,
        tool_version=tool.version,
        definition_hash=env.registry.definition_hash(tool.name),
        args_digest=digest,
    )
    after = step(
        records,
        call,
        Status.PROPOSED,
        by=SYSTEM,
        now=now.wall,
        content={"why": why},
        revision=renewed.revision,
        title=renewed.title,
        risk=renewed.risk,
        dry_run_pin=renewed.dry_run_pin,
        tool_version=renewed.tool_version,
        definition_hash=renewed.definition_hash,
        args_digest=renewed.args_digest,
        consent_digest=consent_digest_of(renewed),
        verdict=verdict,
        expires_at=now.wall + timedelta(seconds=verdict.expires_after_s),
        start_by=None,
        note=why,
    )
    if conversation is not None:
        route(records, after, conversation, env=env)
        records.outbox.card(after)


def _outcome(records: Records, call: ToolCall, last: Attempt, result: RunResult, *, now: Now) -> Outcome:
    first = last if last.number == 1 else records.attempts.of(call.id)[0]
    return Outcome(
        call_id=call.id,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        status=result.status,
        result=result.data,
        formatted=result.text,
        error=result.error,
        error_class=result.error_class,
        started_at=first.started_at,
        completed_at=now.wall,
        duration_ms=result.duration_ms,
        attempt_count=last.number,
        worker=last.worker,
        references=result.references,
    )


def _show_undone(records: Records, undo: ToolCall, *, now: Now) -> None:
    original = None if undo.undo_of is None else readable(records, undo.undo_of, now=now.wall)
    if original is None:
        return
    after = replace(original, version=original.version + 1, changed_at=now.wall)
    if records.calls.advance(original, after):
        records.audit.append(
            "call.undone",
            tenant_id=after.tenant_id,
            account_id=after.account_id,
            actor=undo.requester_id,
            call_id=after.id,
            content={"by_call": undo.id},
            now=now.wall,
        )
        records.outbox.card(after)
