from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.engine import Refused, Started, finish
from core.engine.change import step
from core.engine.execute import again, interrupt
from core.errors import Refusal
from core.ids import CallId
from core.lifecycle import Status
from core.model import SYSTEM, Principal, Vote
from core.ports import Records
from tests.kit.world import UMBRELLA, World, chat_of, code_of, principal, refusal_of


async def test_an_approved_call_runs_once_and_everything_is_recorded(world: World) -> None:
    call = await world.approved("high_once")
    started = await world.started(call)
    assert (started.call.status, started.attempt.number, started.attempt.worker) == (Status.RUNNING, 1, "w1")
    assert (started.attempt.lease_until - started.attempt.started_at).total_seconds() == 15
    world.clock.advance(2)
    result = replace(await world.run(started), duration_ms=1234)
    outcome = await world.finish(started, result)
    assert outcome is not None
    assert outcome == await world.outcome(call)
    assert (outcome.status, outcome.formatted, outcome.result, outcome.references) == (
        Status.COMPLETED,
        "Noted: tea",
        {"attempt": 1},
        {"path": "ledger"},
    )
    assert (outcome.attempt_count, outcome.worker, outcome.duration_ms) == (1, "w1", 1234)
    assert outcome.started_at == started.attempt.started_at
    assert outcome.completed_at == world.clock.now()
    view = await world.view(call)
    assert view.call.status is Status.COMPLETED
    assert view.attempts[0].ended_at is not None
    assert world.ledger.lines == [f"did {call.id} 1"]
    assert world.kinds(call) == ["call.proposed", "call.pending", "call.running", "call.completed"]


async def test_workers_start_calls_as_the_system(world: World) -> None:
    call = await world.propose("low_once")
    assert isinstance(await world.start(call, SYSTEM), Started)


@pytest.mark.parametrize("who", ["ann", "cat", "dan"])
async def test_who_may_start_a_call(world: World, who: str) -> None:
    call = await world.approved()
    assert isinstance(await world.start(call, principal(who)), Started)
    assert world.chain()[-1].actor == who


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (principal("bob"), "not_found"),
        (principal("zoe"), "not_found"),
        (principal("eve"), "not_a_member"),
        (principal("gus", UMBRELLA), "tenant_mismatch"),
        (replace(principal("ann"), person=None), "unauthenticated"),
        (replace(principal("ann"), tenant=None), "tenant_required"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_who_may_not_start_a_call(world: World, who: Principal, code: str) -> None:
    call = await world.approved()
    assert code_of(await world.start(call, who)) == code
    assert (await world.call(call)).status is Status.PENDING
    event = world.chain()[-1]
    assert (event.kind, event.call_id, event.actor) == ("refused", call.id, who.actor)
    assert isinstance(await world.start(call), Started)


async def test_an_absent_and_a_foreign_call_get_the_same_answer_word_for_word(world: World) -> None:
    call = await world.approved()
    foreign = refusal_of(await world.start(call, principal("zoe"))).refusal
    absent = refusal_of(await world.start(CallId(world.new_id()), principal("zoe"))).refusal
    assert (foreign.code, foreign.message, foreign.details, foreign.retry_after_s) == (
        absent.code,
        absent.message,
        absent.details,
        absent.retry_after_s,
    )


async def test_an_inactive_team_runs_nothing(world: World) -> None:
    call = await world.approved()
    world.sql("UPDATE tenants SET active = FALSE WHERE id = 'acme'")
    assert code_of(await world.start(call)) == "tenant_inactive"
    assert (await world.call(call)).status is Status.PENDING


async def test_a_call_whose_time_to_start_has_passed_is_not_started(world: World) -> None:
    """SPEC 2: expired, not started within `start_within`; also where the sweeper was not there first."""
    call = await world.approved()
    world.clock.advance(hours=24)
    # Once: no guard looks at `start_by`: after two days of downtime the first worker runs old approvals.
    assert isinstance(await world.start(call), Refused)


async def test_a_tool_that_says_it_failed(world: World) -> None:
    outcome = await world.execute(await world.propose("fails"))
    assert (outcome.status, outcome.error, outcome.error_class, outcome.success) == (
        Status.FAILED,
        "no paper",
        "paper",
        False,
    )


async def test_a_tool_stopped_at_its_deadline(world: World) -> None:
    outcome = await world.execute(await world.propose("slow"))
    assert (outcome.status, outcome.error_class) == (Status.TIMED_OUT, "timeout")


async def test_an_unclear_end_waits_for_a_person(world: World) -> None:
    call = await world.propose("unclear")
    started = await world.started(call)
    assert await world.finish(started, await world.run(started)) is None
    view = await world.view(call)
    assert (view.call.status, view.outcome) == (Status.INTERRUPTED, None)
    assert view.call.note == "the line went dead"
    assert view.attempts[0].ended_at is not None
    assert chat_of("ann") in await world.read(lambda records: records.outbox.chats())


async def test_a_call_that_is_gone_is_a_mistake(world: World) -> None:
    started = await world.started(await world.propose("low_once"))
    result = await world.run(started)
    with pytest.raises(LookupError, match="was running and is gone"):
        await world.unit(
            lambda records: finish(
                records,
                call_id=CallId(world.new_id()),
                attempt=1,
                result=result,
                now=world.clock.moment,
                env=world.env,
            )
        )


async def test_a_result_given_twice_is_recorded_as_late(world: World) -> None:
    started = await world.started(await world.propose("low_once"))
    result = await world.run(started)
    assert await world.finish(started, result) is not None
    assert await world.finish(started, result) is None
    assert world.kinds(started.call)[-1] == "call.late_result"


# --------------------------------------------------------------------------- invariants 1 to 8 of SPEC 2


async def untouched(world: World) -> bool:
    """No attempt, no outcome, no effect."""
    return (
        world.ledger.lines == []
        and world.sql("SELECT count(*) FROM attempts") == [(0,)]
        and world.sql("SELECT count(*) FROM outcomes") == [(0,)]
    )


async def test_invariant_1_a_proposed_call_never_executes(world: World) -> None:
    call = await world.propose("high_once")
    for who in (None, principal("ann"), principal("cat"), principal("dan")):
        refused = refusal_of(await world.start(call, who))
        assert refused.refusal.code.value == "not_pending"
        assert refused.refusal.details == {"current_status": "proposed"}
    await world.recover(sole=True)
    assert await untouched(world)


async def test_invariant_2_an_approved_call_executes_exactly_once(world: World) -> None:
    call = await world.approved()
    answers = [await world.start(call, worker=f"w{number}") for number in range(5)]
    started = [answer for answer in answers if isinstance(answer, Started)]
    assert len(started) == 1
    assert {code_of(answer) for answer in answers if isinstance(answer, Refused)} == {"not_pending"}
    await world.finish(started[0], await world.run(started[0]))
    assert world.ledger.effects == {call.id: 1}
    assert world.sql("SELECT count(*) FROM outcomes WHERE call_id = ?", call.id) == [(1,)]


async def test_invariant_3_a_call_that_has_ended_never_runs_again(world: World) -> None:
    done = await world.done("low_once")
    failed = await world.done("fails")
    denied = await world.propose("critical_once")
    await world.vote(denied, "cat", Vote.DENIED)
    cancelled = await world.propose("high_once")
    await world.cancel(cancelled)
    expired = await world.propose("high_once")
    world.clock.advance(hours=24)
    await world.expire()
    effects = world.ledger.effects
    words = (
        (done, "has already been executed."),
        (failed, "has already been executed and failed."),
        (denied, "was denied."),
        (cancelled, "was cancelled."),
        (expired, "has expired."),
    )
    for call, says in words:
        refused = refusal_of(await world.start(call))
        assert refused.refusal.code.value == "not_pending"
        assert refused.refusal.message == f"Call #{call.short_id} {says}"
        status = (await world.call(call)).status
        assert refused.refusal.details == {"current_status": status.value}
    assert list(await world.recover(sole=True)) == []
    assert world.ledger.effects == effects


async def test_invariant_4_what_was_approved_is_what_runs(world: World) -> None:
    call = await world.approved()
    world.change(call, "arguments", '{"text":"gold","amount":1}')
    assert code_of(await world.start(call)) == "approval_invalid"
    assert await untouched(world)


async def test_invariant_5_deciding_is_idempotent(world: World) -> None:
    call = await world.propose("high_once")
    for _ in range(3):
        await world.vote(call)
    assert world.sql("SELECT count(*) FROM approvals") == [(1,)]
    assert world.kinds(call).count("call.pending") == 1
    assert "approved by Cat" in refusal_of(await world.vote(call, "cid")).refusal.message


@pytest.mark.parametrize("table", ["audit_events", "outbox", "approvals", "tool_calls"])
async def test_invariant_6_one_transaction_carries_everything(world: World, table: str) -> None:
    call = await world.propose("high_once")
    before = world.chain()
    world.sql("UPDATE outbox SET done_at = 0")  # so that the card is queued anew, by an insert
    verb = "UPDATE" if table == "tool_calls" else "INSERT"
    with world.place.forbidding(verb, table):
        with pytest.raises(world.place.errors, match="no, by broken"):
            await world.vote(call)
        assert (await world.call(call)) == call
        assert world.chain() == before
        assert world.sql("SELECT count(*) FROM approvals") == [(0,)]
        assert world.sql("SELECT count(*) FROM outbox WHERE done_at IS NULL") == [(0,)]
    await world.approve(call)


async def test_no_audit_no_execution(world: World) -> None:
    """T19: the audit insert fails, nothing runs."""
    call = await world.approved()
    with world.place.forbidding("INSERT", "audit_events"):
        with pytest.raises(world.place.errors, match="no, by broken"):
            await world.start(call)
        assert await untouched(world)
        assert (await world.call(call)).status is Status.PENDING


async def test_invariant_7_a_crash_loses_nothing_and_repeats_nothing(world: World) -> None:
    once = await world.started(await world.approved("high_once"))
    twice = await world.started(await world.approved("high_again"))
    await world.run(once)  # the effect happened, the worker died before it could say so
    await world.run(twice)
    restarted = await world.recover(sole=True)
    assert [started.call.id for started in restarted] == [twice.call.id]
    assert (await world.call(once.call)).status is Status.INTERRUPTED
    assert world.ledger.effects[once.call.id] == 1
    await world.finish(restarted[0], await world.run(restarted[0]))
    assert (await world.call(twice.call)).status is Status.COMPLETED


async def test_invariant_8_the_outcome_wins(world: World) -> None:
    """Where an attempt and an outcome disagree, the view gives the outcome."""
    call = await world.done("low_once")
    world.sql("UPDATE attempts SET ended_at = NULL WHERE call_id = ?", call.id)
    view = await world.view(call)
    assert view.outcome is not None
    assert view.call.status is Status.COMPLETED
    assert list(await world.recover(sole=True)) == []
    assert world.sql("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == [(0,)]
    assert (await world.call(call)).status is Status.COMPLETED
    assert world.ledger.effects == {call.id: 1}


# --------------------------------------------------------------------------- races


async def test_losing_the_race_is_not_pending(world: World) -> None:
    """The conditional update alone: a start over facts that were read before another worker won."""
    call = await world.propose("low_once")

    def race(records: Records) -> tuple[bool, bool]:
        before = records.calls.get(call.id)
        assert before is not None
        running = replace(before, status=Status.RUNNING, version=before.version + 1)
        return records.calls.advance(before, running), records.calls.advance(before, running)

    assert await world.unit(race) == (True, False)


async def test_a_step_that_another_took_first_is_refused_with_where_the_call_stands(world: World) -> None:
    """Verbs read and write in one transaction, so only a caller with old facts meets this."""
    call = await world.propose("low_once")
    await world.started(call)
    with pytest.raises(Refusal) as raised:
        await world.unit(
            lambda records: step(records, call, Status.RUNNING, by=SYSTEM, now=world.clock.now())
        )
    assert raised.value.details == {"current_status": "running"}
    with pytest.raises(Refusal, match="another worker"):
        await world.unit(
            lambda records: again(records, call, worker="w", now=world.clock.moment, env=world.env)
        )


async def test_an_attempt_that_has_ended_is_not_interrupted(world: World) -> None:
    started = await world.started(await world.propose("low_once"))
    await world.finish(started, await world.run(started))
    before = await world.view(started.call)
    await world.unit(
        lambda records: interrupt(
            records, before.call, started.attempt, why="x", now=world.clock.moment, env=world.env
        )
    )
    assert await world.view(started.call) == before
