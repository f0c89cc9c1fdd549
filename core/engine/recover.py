"""After a crash: what a dead worker held, and what a person says became of it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from core import guards
from core.engine.answers import Marked, Refused, refused
from core.engine.change import step
from core.engine.env import Env
from core.engine.execute import interrupt
from core.engine.facts import gather
from core.engine.propose import ask_again
from core.engine.readable import readable, skipping
from core.engine.retrying import is_worn_out, may_be_repeated, resume, stop_unbegun
from core.errors import Code, Refusal
from core.ids import CallId
from core.lifecycle import EXECUTING, Status, in_words
from core.model import SYSTEM, Outcome, Principal, Role, Started, ToolCall
from core.ports import Now, Records, view

BATCH = 50


def recover(records: Records, *, worker: str, sole: bool, now: Now, env: Env) -> Sequence[Started]:
    """Takes over what dead workers held: another attempt where the tool is declared idempotent, else the
    call becomes `interrupted` and a person is asked.

    `sole`: this worker is known to be the only one alive, so that no lease needs to run out first.
    """
    restarted: list[Started] = []
    alive = worker if sole else None
    for attempt in records.attempts.lapsed(now.real, alive=alive, limit=BATCH):
        call = readable(records, attempt.call_id, now=now.wall)
        if call is None:
            continue
        if call.status not in EXECUTING:
            records.attempts.end(attempt.call_id, attempt.number, now=now.real)
            continue
        if attempt.stop_by is not None and attempt.adapter is None:
            stop_unbegun(records, attempt, now=now, env=env)
            continue
        facts = _facts(records, call, now=now, env=env)
        if facts is None:
            why = f"The worker stopped while it ran (attempt {attempt.number})."
            interrupt(records, call, attempt, why=why, now=now, env=env)
        elif attempt.stop_by is not None:
            why = f"{attempt.stop_by} asked it to stop, and the worker stopped before it told of its end."
            interrupt(records, call, attempt, why=why, now=now, env=env)
        elif is_worn_out(records, attempt, env=env):
            why = f"The worker stopped while it ran, {env.resilience.lost_workers} times now."
            interrupt(records, call, attempt, why=why, now=now, env=env)
        else:
            restarted.append(resume(records, attempt, facts, worker=worker, now=now, env=env))
    return restarted


def _facts(records: Records, call: ToolCall, *, now: Now, env: Env) -> guards.Facts | None:
    """What is looked at before another attempt; None where none is to be made, or where that, or all that its
    tool needs of what an undo takes back, cannot be read: recovery goes on either way."""
    tool = env.registry.find(call.tool)
    if tool is None or not may_be_repeated(call, tool):
        return None
    with skipping(records, now=now.wall):
        original = None if call.undo_of is None else records.calls.get(call.undo_of)
        if original is not None:
            view(records, original)
        if call.undo_of is None or original is not None:
            return gather(records, by=SYSTEM, call_id=call.id, env=env, judged=now.wall, real=now.real)
    return None


def mark(
    records: Records,
    *,
    by: Principal,
    call_id: CallId,
    done: bool,
    run_again: bool = False,
    shown: bool = False,
    now: Now,
    env: Env,
) -> Marked | Refused:
    """A person settles an interrupted call: it was done, or it was not. `run_again` marks it not done and
    proposes a new call, which goes through policy as any other.

    Refusals: the entry guards, `not_found`, `tenant_mismatch`, `not_owner`, `not_interrupted`.
    """
    facts = gather(records, by=by, call_id=call_id, env=env, shown=shown)
    try:
        guards.check(facts, (*guards.GUARDS[:6], guards.GUARDS[8]))  # and in the caller's own team
        call = facts.known_call
        role = facts.role_in_call_tenant
        if by.person != call.requester_id and not (role and role.includes(Role.APPROVER)):
            raise Refusal(Code.NOT_OWNER, "Only the person who asked, or an approver, may settle this.")
        if call.status is not Status.INTERRUPTED:
            raise Refusal(
                Code.NOT_INTERRUPTED,
                f"Call #{call.short_id} {in_words(call.status)}.",
                current_status=call.status.value,
            )
        after = step(
            records,
            call,
            Status.COMPLETED if done else Status.FAILED,
            by=by,
            now=now.wall,
            content={"marked": "done" if done else "not done", "run_again": run_again},
        )
    except Refusal as refusal:
        return refused(records, refusal, verb="mark", by=by, now=now.wall, call=facts.call)
    outcome = _marked_outcome(records, after, by=by, done=done, now=now)
    records.outcomes.add(outcome)
    fresh = None
    if run_again:
        role = records.people.role(after.tenant_id, after.requester_id)
        # Whoever settles it, what is run again is still what its requester asked for.
        asker = replace(by, person=after.requester_id, roles=frozenset({role} if role else ()))
        fresh = ask_again(records, after, by=asker, now=now, env=env)
    return Marked(call=after, outcome=outcome, again=fresh)


def _marked_outcome(records: Records, call: ToolCall, *, by: Principal, done: bool, now: Now) -> Outcome:
    attempts = records.attempts.of(call.id)
    person = None if by.person is None else records.people.person(by.person)
    name = person.name if person else by.actor
    return Outcome(
        call_id=call.id,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        status=call.status,
        result=None,
        formatted=f"Marked done by {name}." if done else "",
        error=None if done else f"Marked not done by {name}.",
        error_class=None if done else "marked_not_done",
        started_at=attempts[0].started_at if attempts else None,
        completed_at=now.wall,
        duration_ms=0,
        attempt_count=len(attempts),
        worker=attempts[-1].worker if attempts else None,
        references={},
        marked_by=by.person,
    )
