from __future__ import annotations

from dataclasses import replace

import pytest

from core.engine import Refused, Started, finish
from core.engine.change import step
from core.engine.execute import again, interrupt
from core.errors import Refusal
from core.ids import CallId
from core.lifecycle import Status
from core.model import SYSTEM, Principal, Risk, Role
from core.ports import Records
from tests.kit.tools import tool
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
    world.sql("UPDATE tenants SET active = 0 WHERE id = 'acme'")
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
    world.sql(f"CREATE TRIGGER broken BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(Exception, match="no"):
        await world.vote(call)
    assert (await world.call(call)) == call
    assert world.chain() == before
    assert world.sql("SELECT count(*) FROM approvals") == [(0,)]
    assert world.sql("SELECT count(*) FROM outbox WHERE done_at IS NULL") == [(0,)]
    world.sql("DROP TRIGGER broken")
    await world.approve(call)


async def test_no_audit_no_execution(world: World) -> None:
    """T19: the audit insert fails, nothing runs."""
    call = await world.approved()
    world.sql("CREATE TRIGGER broken BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(Exception, match="no"):
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


# --------------------------------------------------------------------------- authority at dispatch


async def lapsed(world: World, call_id: CallId, why: str) -> None:
    """The call came back to be signed again, under a new revision, and people are told why."""
    call = await world.call(call_id)
    assert (call.status, call.revision) == (Status.PROPOSED, 2)
    assert why in call.note
    assert call.expires_at is not None
    assert call.start_by is None
    assert world.kinds(call)[-2:] == ["refused", "call.proposed"]
    assert await untouched(world)


async def test_an_approver_demoted_since_has_not_approved(world: World) -> None:
    call = await world.approved()
    await world.role("cat", None)
    assert code_of(await world.start(call)) == "approval_invalid"
    await lapsed(world, call.id, "do not count any more")
    # The old vote is void; a new one, on the new revision, counts.
    again = await world.call(call)
    assert code_of(await world.vote(call, "cid", revision=1)) == "stale_revision"
    outcome = await world.execute(await world.approve(again, "cid"))
    assert outcome.success
    assert world.ledger.effects == {call.id: 1}


async def test_an_approver_made_a_member_has_not_approved_either(world: World) -> None:
    call = await world.approved()
    await world.role("cat", Role.MEMBER)
    assert code_of(await world.start(call)) == "approval_invalid"
    await lapsed(world, call.id, "do not count any more")


async def test_a_requester_who_left_gets_nothing_run(world: World) -> None:
    call = await world.approved()
    await world.role("ann", None)
    assert code_of(await world.start(call)) == "policy_forbids"
    assert (await world.call(call)).status is Status.DENIED
    assert world.ledger.lines == []


async def test_a_second_member_ends_signing_for_oneself(world: World) -> None:
    call = await world.approve(await world.propose("high_once", by="sol"), "sol")
    await world.role("bob", Role.APPROVER, call.tenant_id)
    assert code_of(await world.start(call)) == "approval_invalid"
    again = await world.call(call)
    assert not again.verdict.self_approval
    assert code_of(await world.vote(again, "sol")) == "self_approval"


async def test_a_policy_tightened_to_deny_ends_the_call(world: World) -> None:
    call = await world.approved()
    world.rules('[[rule]]\nname = "stop"\ndecision = "deny"\nreason = "we stopped that"\n')
    assert code_of(await world.start(call)) == "policy_forbids"
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (outcome.status, outcome.error_class) == (Status.DENIED, "policy_denied")
    assert "we stopped that (stop)" in (outcome.error or "")
    assert world.ledger.lines == []


async def test_a_policy_tightened_to_ask_asks_for_what_was_allowed(world: World) -> None:
    call = await world.propose("low_once")
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "admin"\nself_approval = false\n')
    assert code_of(await world.start(call)) == "approval_invalid"
    await lapsed(world, call.id, "do not count")
    again = await world.call(call)
    assert code_of(await world.vote(again, "cat", shown=True)) == "not_approver"
    assert (await world.execute(await world.approve(again, "dan"))).success


async def test_a_policy_that_asks_for_a_higher_role_voids_the_signature(world: World) -> None:
    call = await world.approved()
    world.rules('[[rule]]\ndecision = "requires_approval"\napprovers = "admin"\n')
    assert code_of(await world.start(call)) == "approval_invalid"
    await lapsed(world, call.id, "do not count")


async def test_a_policy_loosened_lets_a_signed_call_run(world: World) -> None:
    call = await world.approved()
    world.rules('[[rule]]\ndecision = "allow"\n')
    assert (await world.execute(call)).success


async def test_a_tool_that_changed_since_is_asked_for_again(world: World) -> None:
    """T8."""
    call = await world.approved()
    changed = replace(world.registry.get("high_once"), version="2")
    world.registry._tools["high_once"] = changed
    world.registry._hashes["high_once"] = changed.definition_hash
    assert code_of(await world.start(call)) == "approval_invalid"
    await lapsed(world, call.id, "has changed since this was signed")
    again = await world.call(call)
    assert (again.tool_version, again.definition_hash) == ("2", changed.definition_hash)
    assert (await world.execute(await world.approve(again))).success


async def test_a_tool_that_is_gone_ends_the_call(world: World) -> None:
    call = await world.approved()
    del world.registry._tools["high_once"]
    assert code_of(await world.start(call)) == "tool_not_found"
    outcome = await world.outcome(call)
    assert outcome is not None
    assert outcome.status is Status.DENIED


async def test_a_tool_whose_assess_breaks_today_is_taken_for_critical(world: World) -> None:
    call = await world.propose("low_once")

    def broken(_arguments: object, _context: object) -> None:
        raise ZeroDivisionError

    world.registry._tools["low_once"] = replace(
        world.registry.get("low_once"),
        assess=broken,  # type: ignore[arg-type]
    )
    assert code_of(await world.start(call)) == "policy_forbids"


# What somebody who has the database writes over after the approval (T7), and the code that stops it.
TAMPERED = [
    ("tool", "low_once", "approval_invalid"),
    ("tool", "nope", "tool_not_found"),
    ("tool_version", "9", "approval_invalid"),
    ("arguments", '{"text":"gold","amount":1}', "approval_invalid"),
    ("arguments", '{"text":"tea","amount":2}', "approval_invalid"),
    ("arguments", '{"text":"tea"}', "approval_invalid"),
    ("tenant_id", "umbrella", "policy_forbids"),
    ("account_id", "acme-account-bob", "approval_invalid"),
    ("requester_id", "bob", "approval_invalid"),
    ("conversation_id", "acme-bob", "approval_invalid"),
    ("conversation_id", "nowhere", "policy_forbids"),
    ("definition_hash", "0" * 64, "approval_invalid"),
    ("dry_run_pin", "v2", "approval_invalid"),
    ("revision", 2, "approval_invalid"),
    ("consent_digest", "0" * 64, "approval_invalid"),
]


@pytest.mark.parametrize(("column", "value", "code"), TAMPERED)
async def test_t7_a_field_changed_by_sql_after_the_approval_has_no_effect(
    world: World, column: str, value: object, code: str
) -> None:
    call = await world.approved()
    world.change(call, column, value)
    assert code_of(await world.start(call)) == code
    # Whatever it became, nothing ran, and the refusal is in an audit chain.
    assert world.ledger.lines == []
    assert world.sql("SELECT count(*) FROM attempts") == [(0,)]
    refused = world.sql("SELECT count(*) FROM audit_events WHERE kind = 'refused' AND call_id = ?", call.id)
    assert refused == [(1,)]
    assert (await world.call(call)).status in {Status.PROPOSED, Status.DENIED}


async def test_t7_a_vote_written_by_sql_does_not_count(world: World) -> None:
    call = await world.propose("high_once")
    world.sql(
        "INSERT INTO approvals VALUES (?, 'acme', 'a', 1, 'ann', 'Ann', 'approved', ?, 'telegram', '', 0)",
        call.id,
        call.consent_digest,
    )
    world.change(call, "status", "pending")
    assert code_of(await world.start(call)) == "approval_invalid"
    assert world.ledger.lines == []


async def test_t7_a_verdict_written_by_sql_does_not_loosen_what_is_asked_today(world: World) -> None:
    call = await world.propose("high_once")
    stored = world.sql("SELECT verdict FROM tool_calls")[0][0]
    world.change(call, "verdict", stored.replace('"self_approval":false', '"self_approval":true'))
    signed = await world.approve(call, "ann")
    assert signed.status is Status.PENDING
    assert code_of(await world.start(signed)) == "approval_invalid"
    assert world.ledger.lines == []


async def test_t7_the_title_is_not_covered_by_the_digest_and_does_not_run(world: World) -> None:
    """The digest covers what runs; a title is words about it. What runs is what was signed."""
    call = await world.approved()
    world.change(call, "title", "Note something harmless")
    outcome = await world.execute(call)
    assert outcome.formatted == "Noted: tea"


async def test_t7_an_undo_that_was_signed_cannot_be_turned_into_its_opposite(world: World) -> None:
    done = await world.done("undo_asks")
    undo = await world.undo(done)
    assert not isinstance(undo, Refused)
    signed = await world.approve(undo.call)
    world.change(signed, "undo_of", None)
    # Once: the consent digest does not cover undo_of: what was signed as "Undo: …" runs the tool once more.
    # (A dry_run_pin that names the original would bind it without a change of the digest.)
    assert code_of(await world.start(signed)) == "approval_invalid"


async def test_what_is_asked_again_after_a_change_shows_what_would_run(world: World) -> None:
    call = await world.propose("spend", arguments={"text": "tea", "amount": 1})
    world.change(call, "arguments", '{"text":"gold","amount":400}')
    assert code_of(await world.start(call)) == "approval_invalid"
    again = await world.call(call)
    assert again.status is Status.PROPOSED
    # Once: _lapse keeps the old title, risk and pin: the card asks to sign "Note tea (1)", low risk, while
    # "gold, 400", medium risk, would run.
    assert (again.title, again.risk.value) == ("Note gold (400)", "medium")


async def test_what_was_changed_behind_our_back_is_signed_by_somebody_even_where_policy_allows(
    world: World,
) -> None:
    call = await world.propose("low_once")
    world.change(call, "arguments", '{"text":"gold","amount":1}')
    assert code_of(await world.start(call)) == "approval_invalid"
    again = await world.call(call)
    assert again.verdict.reason == "it was changed after it was recorded"
    assert code_of(await world.vote(again, "ann")) == "self_approval"
    assert (await world.execute(await world.approve(again))).formatted == "Noted: gold"


async def test_what_was_changed_into_nonsense_ends(world: World) -> None:
    world.rules('[[rule]]\ndecision = "allow"\n')
    call = await world.propose("low_once")
    world.change(call, "arguments", '{"text":""}')
    assert code_of(await world.start(call)) == "approval_invalid"
    outcome = await world.outcome(call)
    assert outcome is not None
    assert (outcome.status, outcome.error_class) == (Status.DENIED, "invalid_input")


async def test_changed_roles_of_the_risk_follow_the_arguments_of_today(world: World) -> None:
    """A tool that became riskier is asked for again, though nothing of the call changed."""
    call = await world.propose("low_once")
    world.registry._tools["low_once"] = replace(
        tool("low_once", run=world.registry.get("low_once").run),
        assess=lambda _arguments, _context: Risk.HIGH,
    )
    assert code_of(await world.start(call)) == "approval_invalid"
    assert (await world.call(call)).status is Status.PROPOSED


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
