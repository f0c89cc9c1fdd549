"""Executing a call: one worker takes it through all guards; one outcome ends it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from core import guards
from core.approvals import consent_digest_of
from core.digest import args_digest
from core.engine import pins
from core.engine.answers import Refused, refused
from core.engine.change import end_unrun, reply_at_end, step
from core.engine.env import Env
from core.engine.expire import end_expired
from core.engine.facts import gather, risk_today, verdict_today
from core.engine.readable import readable
from core.engine.routing import route, with_reach
from core.engine.steps import check_ready
from core.errors import Code, InvalidInput, Refusal
from core.ids import CallId
from core.lifecycle import EXECUTING, Status, in_words
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
    facts = gather(records, by=by, call_id=call_id, env=env, judged=now.wall)
    try:
        guards.check(facts)
        call = facts.known_call
        _check_in_time(call, now=now)
        check_ready(records, call)
        if facts.tool is not None:
            pins.check(records, call, facts.tool)
        after = step(
            records,
            call,
            Status.RUNNING,
            by=by,
            now=now.wall,
            content={"worker": worker, "attempt": call.attempts + 1, "digest": call.consent_digest},
            attempts=call.attempts + 1,
            start_by=None,
            note="",
        )
    except Refusal as refusal:
        answer = refused(records, refusal, verb="execute", by=by, now=now.wall, call=facts.call)
        if facts.call is not None and facts.call.status is Status.PENDING:
            _give_up(records, facts.call, refusal, now=now, env=env)
        return answer
    return _attempt(records, after, worker=worker, now=now, env=env)


def _check_in_time(call: ToolCall, *, now: Now) -> None:
    """An approval does not wait for ever, also where the sweeper was not there first."""
    if call.start_by is not None and now.wall >= call.start_by:
        raise Refusal(
            Code.NOT_PENDING,
            f"Call #{call.short_id} {in_words(Status.EXPIRED)}: it was not started in time.",
            current_status=Status.EXPIRED.value,
        )


def again(records: Records, call: ToolCall, *, worker: str, now: Now, env: Env) -> Started:
    """Another attempt at an idempotent call whose worker died. The call stays `running`."""
    after = call.but(attempts=call.attempts + 1, version=call.version + 1, changed_at=now.wall)
    if not records.calls.advance(call, after):
        raise Refusal(Code.NOT_PENDING, f"Call #{call.short_id} is being recovered by another worker.")
    records.audit.append(
        "call.attempt",
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        actor=SYSTEM.actor,
        call_id=call.id,
        content={"worker": worker, "attempt": after.attempts, "why": "the worker before it died"},
        now=now.wall,
    )
    return _attempt(records, after, worker=worker, now=now, env=env)


def finish(
    records: Records, *, call_id: CallId, attempt: int, result: RunResult, now: Now, env: Env
) -> Outcome | None:
    """Writes what became of an attempt: the one outcome, or `interrupted`, which waits for a person.

    Refused by the fence (None, and recorded as such) where the attempt is not the live one any more.
    """
    call = records.calls.get(call_id)
    if call is None:
        raise LookupError(f"call {call_id} was running and is gone")
    ended = records.attempts.end(call_id, attempt, now=now.real) if call.status in EXECUTING else None
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
    content = {"attempt": attempt, "duration_ms": result.duration_ms, "error_class": result.error_class}
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
    content = {"attempt": attempt.number, "worker": attempt.worker, "why": why}
    after = step(records, call, Status.INTERRUPTED, by=SYSTEM, now=now.wall, content=content, note=why)
    reply_at_end(records, after, now=now.wall, after_s=env.limits.reply_after.total_seconds())


def _attempt(records: Records, call: ToolCall, *, worker: str, now: Now, env: Env) -> Started:
    attempt = Attempt(
        call_id=call.id,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        number=call.attempts,
        worker=worker,
        started_at=now.wall,
        lease_until=now.real + env.limits.lease,
    )
    records.attempts.add(attempt)
    original = None if call.undo_of is None else records.calls.get(call.undo_of)
    return Started(call=call, attempt=attempt, original=None if original is None else view(records, original))


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
        _lapse(records, call, why=refusal.message, now=now, env=env)


def _lapse(records: Records, call: ToolCall, *, why: str, now: Now, env: Env) -> None:
    """Back to be signed: a new revision over what the fields are now, old votes void, people told why."""
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
            reason="it was changed after it was recorded",
            self_approval=False,
        )
    conversation = records.people.conversation(call.conversation_id)
    if conversation is not None:
        asked = call.but(verdict=verdict, status=Status.PROPOSED)
        verdict = with_reach(records, asked, conversation, now=now.wall, env=env).verdict
    is_undo = call.undo_of is not None
    preview = pins.preview_of(records, tool, typed, tenant_id=call.tenant_id, account_id=call.account_id)
    renewed = call.but(
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
    after = original.but(version=original.version + 1, changed_at=now.wall)
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
