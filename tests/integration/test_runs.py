"""Runs: order, needs, what a failure does to the rest, and that nothing starts before its turn."""

from __future__ import annotations

import pytest

from core.engine import Proposal, mark, propose
from core.engine.runs import (
    propose_run,
)
from core.errors import Code
from core.lifecycle import Status
from core.model import OnFailure, StartMode
from tests.integration.runs_stage import (
    APART,
    Needs,
    a_run,
    decided,
    execute,
    for_workers,
    statuses,
    steps,
    try_run,
)
from tests.kit.world import World, chat_of, code_of, principal, refusal_of

# --- proposing ---------------------------------------------------------------------------------------------


async def test_a_run_and_its_steps_are_recorded_together_and_judged_one_by_one(world: World) -> None:
    run = await a_run(world, "low_once", "medium_once", "high_once")
    assert [(c.step, c.run_id, c.status, c.start_mode) for c in run.calls] == [
        (1, run.record.id, Status.PENDING, StartMode.AUTO),
        (2, run.record.id, Status.PROPOSED, StartMode.AFTER),
        (3, run.record.id, Status.PROPOSED, StartMode.AFTER),
    ]
    assert run.record.needs == {1: (), 2: (1,), 3: (2,)}
    assert [e.kind for e in world.chain() if e.kind.startswith("run.")] == ["run.proposed"]
    assert (
        await world.read(lambda r: r.runs.by_short_id(run.record.tenant_id, run.record.short_id)) is not None
    )


async def test_one_step_that_does_not_fit_refuses_the_whole_run_by_its_number_and_field(
    world: World,
) -> None:
    wanted = [
        Proposal(tool="low_once", arguments={"text": "a"}, conversation=world.conversation()),
        Proposal(tool="low_once", arguments={"amount": "many"}, conversation=world.conversation()),
    ]
    answer = await world.unit(
        lambda records: propose_run(
            records,
            wanted,
            title="t",
            needs={},
            on_failure=OnFailure.STOP,
            by=principal("ann"),
            now=world.clock.moment,
            env=world.env,
        )
    )
    assert refusal_of(answer).refusal.message.startswith("step 2, ")
    assert world.sql("SELECT count(*) FROM tool_calls") == [(0,)]
    assert world.sql("SELECT count(*) FROM runs") == [(0,)]
    assert world.sql("SELECT count(*) FROM cards") == [(0,)]
    assert world.chain()[-1].kind == "refused"


async def test_a_step_with_an_unknown_tool_is_named(world: World) -> None:
    answer = refusal_of(await try_run(world, "low_once", "no_such_tool"))
    assert answer.refusal.code is Code.TOOL_NOT_FOUND
    assert answer.refusal.message.startswith("Step 2: ")


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ({2: (2,)}, "step 2, needs"),
        ({1: (2,)}, "step 1, needs"),
        ({2: (0,)}, "step 2, needs"),
        ({7: ()}, "needs"),
    ],
)
async def test_an_order_that_cannot_be_is_refused(world: World, needs: Needs, told: str) -> None:
    wanted = Proposal(tool="low_once", arguments={"text": "a"}, conversation=world.conversation())
    answer = await world.unit(
        lambda records: propose_run(
            records,
            [wanted, wanted],
            title="t",
            needs=needs,
            on_failure=OnFailure.STOP,
            by=principal("ann"),
            now=world.clock.moment,
            env=world.env,
        )
    )
    assert refusal_of(answer).refusal.message.startswith(told)


async def test_no_steps_and_too_many_are_refused(world: World) -> None:
    assert code_of(await try_run(world)) == "invalid_input"
    assert code_of(await try_run(world, *["low_once"] * 51)) == "invalid_input"


async def test_a_stranger_proposes_nothing(world: World) -> None:
    assert code_of(await try_run(world, "low_once", "low_once", by="eve")) == "not_a_member"


async def test_the_same_message_twice_is_one_run(world: World) -> None:
    first = await a_run(world, "low_once", "high_once", message=7)
    again = await a_run(world, "low_once", "high_once", message=7)
    assert again.repeated
    assert again.record.id == first.record.id
    assert world.sql("SELECT count(*) FROM tool_calls") == [(2,)]


async def test_a_message_that_was_a_call_is_no_run(world: World) -> None:
    wanted = Proposal(
        tool="low_once",
        arguments={"text": "step 1", "amount": 1},
        conversation=world.conversation(),
        message=7,
        place=1,
    )
    await world.unit(lambda r: propose(r, wanted, by=principal("ann"), now=world.clock.moment, env=world.env))
    answer = await try_run(world, "low_once", "high_once", message=7)
    assert code_of(answer) == "idempotency_conflict"
    assert world.sql("SELECT count(*) FROM runs") == [(0,)]


async def test_one_card_a_chat_shows_the_whole_run(world: World) -> None:
    run = await a_run(world, "low_once", "high_once", "high_once")
    cards = await world.read(lambda records: records.cards.of(run.calls[0].id))
    assert {card.chat for card in cards} == {chat_of(name) for name in ("ann", "cat", "cid", "dan", "gus")}
    assert {card.run_id for card in cards} == {run.record.id}
    assert not any(card.line for card in cards)
    assert world.sql("SELECT count(*) FROM cards") == [(len(cards),)]


async def test_every_change_of_a_step_must_reach_the_runs_cards(world: World) -> None:
    run = await a_run(world, "high_once", "high_once", needs=APART)
    before = world.sql("SELECT DISTINCT card_version FROM outbox WHERE kind = 'card'")
    await decided(world, run, approve=[2])
    after = world.sql("SELECT DISTINCT card_version FROM outbox WHERE kind = 'card'")
    now = await world.read(lambda records: records.runs.get(run.record.id))
    assert now is not None
    assert after == [(now.version,)]
    assert after > before


# --- order -------------------------------------------------------------------------------------------------


async def test_steps_that_policy_allows_run_one_after_the_other(world: World) -> None:
    run = await a_run(world, "low_once", "low_once", "low_once", needs=APART)
    for step in (1, 2, 3):
        assert await for_workers(world) == {step}
        await execute(world, run, step)
    assert await statuses(world, run) == "completed completed completed"
    assert [line.split()[1] for line in world.ledger.lines] == [call.id for call in run.calls]


async def test_a_step_that_waits_for_a_signature_does_not_hold_up_those_that_do_not_need_it(
    world: World,
) -> None:
    run = await a_run(world, "high_once", "low_once", needs=APART)
    assert await for_workers(world) == {2}
    await execute(world, run, 2)
    await decided(world, run, approve=[1])
    assert await for_workers(world) == {1}


async def test_a_signed_step_waits_for_what_it_needs(world: World) -> None:
    run = await a_run(world, "high_once", "high_once")
    await decided(world, run, approve=[2])
    assert await statuses(world, run) == "proposed pending"
    assert await for_workers(world) == set()
    await decided(world, run, approve=[1])
    assert await for_workers(world) == {1}
    await execute(world, run, 1)
    assert await for_workers(world) == {2}
    await execute(world, run, 2)
    assert await statuses(world, run) == "completed completed"


async def test_nobody_starts_a_step_before_its_turn(world: World) -> None:
    run = await a_run(world, "high_once", "high_once")
    await decided(world, run, approve=[2])
    early = (await steps(world, run))[1]
    for by in (None, principal("dan")):
        answer = refusal_of(await world.start(early, by))
        assert answer.refusal.code is Code.NOT_PENDING
        assert "waits for step 1" in answer.refusal.message
    assert await statuses(world, run) == "proposed pending"
    assert not world.ledger.lines


async def test_a_worker_that_was_told_a_lie_starts_nothing_before_its_turn(world: World) -> None:
    """Even where somebody with the database gave the step to the workers."""
    run = await a_run(world, "high_once", "high_once")
    await decided(world, run, approve=[2])
    early = (await steps(world, run))[1]
    world.change(early, "start_mode", "auto")
    assert "waits for step 1" in refusal_of(await world.start(early)).refusal.message


async def test_a_step_whose_run_is_gone_is_not_started(world: World) -> None:
    run = await a_run(world, "low_once", "low_once")
    world.place.damage("DELETE FROM runs")
    with pytest.raises(Exception, match="run_id"):
        await world.start(run.calls[0])


async def test_two_that_need_the_first_only_follow_it_in_order(world: World) -> None:
    run = await a_run(world, "low_once", "low_once", "low_once", needs={2: (1,), 3: (1,)})
    await execute(world, run, 1)
    assert await for_workers(world) == {2}
    await execute(world, run, 2)
    assert await for_workers(world) == {3}


async def test_the_time_to_start_begins_when_a_step_may_start(world: World) -> None:
    run = await a_run(world, "high_once", "low_once")
    world.clock.advance(23 * 3600)
    await decided(world, run, approve=[1])
    world.clock.advance(23 * 3600)
    await world.expire()
    assert await statuses(world, run) == "pending pending"
    waits = refusal_of(await world.start((await steps(world, run))[1], principal("ann"))).refusal
    assert waits.message.endswith("waits for step 1.")
    assert await statuses(world, run) == "pending pending"
    await execute(world, run, 1)
    second = (await steps(world, run))[1]
    assert second.start_by is not None
    assert (second.start_by - world.clock.now()).total_seconds() == 24 * 3600
    world.clock.advance(24 * 3600)
    await world.expire()
    assert await statuses(world, run) == "completed expired"


# --- when a step fails -------------------------------------------------------------------------------------


async def test_stop_ends_all_that_comes_later(world: World) -> None:
    run = await a_run(world, "fails", "low_once", "high_once", "low_once", needs=APART)
    await execute(world, run, 1)
    assert await statuses(world, run) == "failed cancelled cancelled cancelled"
    for call in (await steps(world, run))[1:]:
        outcome = await world.outcome(call)
        assert outcome is not None
        assert outcome.error == "Step 1 failed, so this one was not run."
        assert outcome.error_class == "run_stopped"
        assert world.kinds(call)[-1] == "call.cancelled"
    assert await for_workers(world) == set()


async def test_stop_leaves_what_came_before(world: World) -> None:
    run = await a_run(world, "high_once", "fails", "low_once", needs=APART)
    await execute(world, run, 2)
    assert await statuses(world, run) == "proposed failed cancelled"


async def test_continue_ends_only_what_needs_it_however_far_removed(world: World) -> None:
    run = await a_run(
        world,
        "fails",
        "low_once",
        "low_once",
        "low_once",
        needs={2: (1,), 3: (2,), 4: ()},
        on_failure=OnFailure.CONTINUE,
    )
    await execute(world, run, 1)
    assert await statuses(world, run) == "failed cancelled cancelled pending"
    third = await world.outcome((await steps(world, run))[2])
    assert third is not None
    assert third.error == "Step 2 was cancelled, so this one was not run."
    await execute(world, run, 4)
    assert await statuses(world, run) == "failed cancelled cancelled completed"


@pytest.mark.parametrize("on_failure", list(OnFailure))
async def test_a_denied_step_stops_what_needs_it(world: World, on_failure: OnFailure) -> None:
    run = await a_run(world, "high_once", "high_once", "high_once", on_failure=on_failure)
    await decided(world, run, approve=[1], deny=[2])
    assert await statuses(world, run) == "pending denied cancelled"


async def test_a_mixed_decision_over_steps_that_do_not_need_one_another(world: World) -> None:
    run = await a_run(
        world, "high_once", "high_once", "high_once", needs=APART, on_failure=OnFailure.CONTINUE
    )
    answer = await decided(world, run, approve=[1, 3], deny=[2])
    assert (set(answer.done), dict(answer.refused)) == ({1, 2, 3}, {})
    assert await statuses(world, run) == "pending denied pending"
    await execute(world, run, 1)
    await execute(world, run, 3)
    assert len(world.ledger.lines) == 2


async def test_a_step_that_policy_denies_stops_the_rest_at_once(world: World) -> None:
    world.rules('[[rule]]\ntool = "medium_once"\ndecision = "deny"\nreason = "no"')
    run = await a_run(world, "low_once", "medium_once", "low_once")
    assert [call.status.value for call in run.calls] == ["pending", "denied", "cancelled"]
    last = await a_run(world, "low_once", "medium_once")
    assert [call.status.value for call in last.calls] == ["pending", "denied"]
    assert await world.outcome(last.calls[1]) is not None


async def test_a_withdrawn_and_an_expired_step_stop_the_rest(world: World) -> None:
    run = await a_run(world, "high_once", "low_once")
    await world.cancel(run.calls[0])
    assert await statuses(world, run) == "cancelled cancelled"
    run = await a_run(world, "high_once", "low_once")
    world.clock.advance(24 * 3600)
    await world.expire()
    assert await statuses(world, run) == "expired cancelled"


async def test_an_interrupted_step_holds_the_rest_until_somebody_looked(world: World) -> None:
    for done, after in ((True, "completed pending high"), (False, "failed cancelled")):
        run = await a_run(world, "unclear", "low_once")
        await execute(world, run, 1)
        assert await statuses(world, run) == "interrupted pending"
        assert await for_workers(world) == set()
        second = (await steps(world, run))[1]
        assert "waits for step 1" in refusal_of(await world.start(second)).refusal.message
        first = run.calls[0]
        await world.unit(
            lambda records, first=first, done=done: mark(  # type: ignore[misc]
                records,
                by=principal("ann"),
                call_id=first.id,
                done=done,
                now=world.clock.moment,
                env=world.env,
            )
        )
        assert after.startswith(await statuses(world, run))
        assert await for_workers(world) == ({2} if done else set())
        if done:
            await execute(world, run, 2)


async def test_an_interrupted_step_holds_also_what_does_not_need_it(world: World) -> None:
    run = await a_run(world, "unclear", "low_once", "high_once", needs=APART)
    await execute(world, run, 1)
    await decided(world, run, approve=[3])
    assert await for_workers(world) == set()
