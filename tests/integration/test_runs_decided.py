"""Runs: who decides what of them and what "all" covers; crashes, and rows that cannot be read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from bot.telegram.jobs import shows_whole
from core.engine import Refused, Started
from core.engine.edit import Edited, edit
from core.engine.runs import (
    RunDecided,
    cancel_run,
    extend_run,
    run_digest,
    run_view,
)
from core.errors import Code, CorruptRecord
from core.ids import RunId
from core.ports import Records
from tests.integration.runs_stage import (
    APART,
    a_run,
    decide,
    decided,
    execute,
    for_workers,
    statuses,
    steps,
)
from tests.kit.faults import SHAPES, corrupt
from tests.kit.world import GROUP, World, chat_of, code_of, principal, refusal_of

# --- deciding ----------------------------------------------------------------------------------------------


async def test_all_covers_only_what_was_shown(world: World) -> None:
    run = await a_run(world, "high_once", "high_once", needs=APART)
    answer = await decided(world, run, approve=[1, 2], delivered=[2])
    assert set(answer.done) == {2}
    assert answer.refused[1].refusal.code is Code.NOT_DELIVERED
    assert await statuses(world, run) == "proposed pending"


async def test_all_covers_only_what_this_person_may_sign(world: World) -> None:
    run = await a_run(world, "medium_once", "high_once", needs=APART)
    answer = await decided(world, run, approve=[1, 2], by="ann")
    assert set(answer.done) == {1}
    assert answer.refused[2].refusal.code is Code.SELF_APPROVAL
    assert await statuses(world, run) == "pending proposed"


async def test_a_decision_on_an_older_revision_does_not_count(world: World) -> None:
    run = await a_run(world, "high_once", "high_once", needs=APART)
    answer = await decided(world, run, approve=[1, 2], revisions={1: 1, 2: 2})
    assert set(answer.done) == {1}
    assert answer.refused[2].refusal.code is Code.STALE_REVISION


@pytest.mark.parametrize(
    "wrong",
    [
        {"approve": [9]},
        {"deny": [0]},
        {"approve": [1], "deny": [1]},
        {"approve": [1], "revisions": {2: 1}},
    ],
)
async def test_a_decision_that_cannot_be_meant_changes_nothing(world: World, wrong: dict[str, Any]) -> None:
    run = await a_run(world, "high_once", "high_once")
    assert code_of(await decide(world, run, **wrong)) == "invalid_input"
    assert await statuses(world, run) == "proposed proposed"


@pytest.mark.parametrize("who", ["bob", "zoe"])
async def test_who_may_know_of_no_step_gets_the_answer_for_no_run(world: World, who: str) -> None:
    run = await a_run(world, "high_once", "high_once")
    told = refusal_of(await decide(world, run, by=who, approve=[1])).refusal
    absent = refusal_of(await decide(world, run, by=who, approve=[1], run_id=RunId("x"))).refusal
    assert (told.code, told.message) == (absent.code, absent.message)
    assert world.chain("acme" if who == "bob" else "umbrella")[-1].kind == "refused"


async def test_withdrawing_a_run_ends_what_has_not_started(world: World) -> None:
    run = await a_run(world, "low_once", "high_once", "low_once")
    await execute(world, run, 1)

    async def withdraw(by: str) -> RunDecided | Refused:
        return await world.unit(
            lambda r: cancel_run(
                r, by=principal(by), run_id=run.record.id, now=world.clock.moment, env=world.env
            )
        )

    answer = await withdraw("ann")
    assert isinstance(answer, RunDecided)
    assert set(answer.done) == {2, 3}
    assert await statuses(world, run) == "completed cancelled cancelled"
    assert code_of(await withdraw("ann")) == "not_pending"
    assert code_of(await withdraw("bob")) == "not_found"


async def test_more_time_is_for_every_step_that_waits(world: World) -> None:
    run = await a_run(world, "high_once", "low_once", "high_once", needs=APART)
    before = [call.expires_at for call in await steps(world, run)]

    async def longer(by: str) -> RunDecided | Refused:
        return await world.unit(
            lambda r: extend_run(
                r, by=principal(by), run_id=run.record.id, now=world.clock.moment, env=world.env
            )
        )

    answer = await longer("cat")
    assert isinstance(answer, RunDecided)
    assert set(answer.done) == {1, 3}
    hour = timedelta(hours=1)
    after = [call.expires_at for call in await steps(world, run)]
    assert after == [each and each + hour for each in before]
    by_requester = await longer("ann")
    assert isinstance(by_requester, RunDecided)
    assert {refused.refusal.code for refused in by_requester.refused.values()} == {Code.NOT_APPROVER}
    await decided(world, run, approve=[1, 3])
    assert code_of(await longer("cat")) == "already_decided"


async def test_the_view_of_a_run_has_each_step_with_what_came_of_it(world: World) -> None:
    run = await a_run(world, "low_once", "high_once")
    await execute(world, run, 1)
    seen = await world.read(lambda records: run_view(records, run.record))
    assert [each.call.step for each in seen.views] == [1, 2]
    assert seen.views[0].outcome is not None
    assert seen.calls == tuple(await steps(world, run))


# --- crashes and damage ------------------------------------------------------------------------------------


async def test_a_run_goes_on_after_its_worker_died(world: World) -> None:
    run = await a_run(world, "low_again", "low_once")
    await world.started(run.calls[0], worker="dead")
    assert await for_workers(world) == set()
    (restarted,) = await world.recover(sole=True)
    assert isinstance(restarted, Started)
    await world.finish(restarted, await world.run(restarted))
    assert await for_workers(world) == {2}
    await execute(world, run, 2)
    assert await statuses(world, run) == "completed completed"


async def test_a_run_whose_worker_died_in_what_must_not_be_repeated_waits_for_a_person(world: World) -> None:
    run = await a_run(world, "low_once", "low_once")
    await world.started(run.calls[0], worker="dead")
    assert await world.recover(sole=True) == []
    assert await statuses(world, run) == "interrupted pending"
    assert await for_workers(world) == set()


async def test_a_run_that_cannot_be_read_is_set_aside_and_what_waits_in_it_ends(world: World) -> None:
    run = await a_run(world, "low_once", "low_once")
    started = await world.started(run.calls[0])
    world.place.damage("UPDATE runs SET needs = ?", "[1")
    await world.finish(started, await world.run(started))
    assert world.sql("SELECT status FROM tool_calls ORDER BY step") == [("completed",), ("cancelled",)]
    assert (await world.outcome(run.calls[1])) is not None
    assert world.sql("SELECT source, column_name FROM quarantine") == [("runs", "needs")]


async def test_a_step_that_was_edited_is_asked_for_anew_and_the_others_are_not(world: World) -> None:
    run = await a_run(world, "high_once", "high_once", needs=APART)
    answer = await world.unit(
        lambda records: edit(
            records,
            by=principal("ann"),
            call_id=run.calls[1].id,
            revision=1,
            changes={"text": "something else"},
            now=world.clock.moment,
            env=world.env,
        )
    )
    assert isinstance(answer, Edited), answer
    old = await decided(world, run, approve=[1, 2])
    assert set(old.done) == {1}
    assert old.refused[2].refusal.code is Code.STALE_REVISION
    await decided(world, run, approve=[2], revisions={2: 2})
    assert await statuses(world, run) == "pending pending"
    assert (await steps(world, run))[1].arguments["text"] == "something else"


@pytest.mark.parametrize("shape", sorted(SHAPES))
async def test_t24_a_runs_needs_that_are_no_json_of_ours_are_found_out(world: World, shape: str) -> None:
    run = await a_run(world, "low_once", "low_once")
    corrupt(world.place, "runs", "needs", "id = ?", run.record.id, shape=shape)
    with pytest.raises(CorruptRecord) as raised:
        await world.read(lambda records: records.runs.get(run.record.id))
    assert (raised.value.table, raised.value.column) == ("runs", "needs")
    with pytest.raises(CorruptRecord):
        await world.start(run.calls[0])
    assert not world.ledger.lines


@pytest.mark.parametrize(("number", "copied"), [(2, False), (12, True)])
async def test_what_a_groups_card_of_a_run_cannot_hold_goes_to_each_signer(
    world: World, number: int, copied: bool
) -> None:
    run = await a_run(world, *["medium_once"] * number, where="group")
    cards = await world.read(lambda records: records.cards.showing(run.calls[-1]))
    assert {card.chat for card in cards if not card.private} == {GROUP}
    assert (chat_of("cat") in {card.chat for card in cards}) == copied


async def test_a_card_shows_a_run_whole_only_as_it_is_now(world: World) -> None:
    run = await a_run(world, "high_once", "high_once", needs=APART)
    other = await world.propose("high_once")

    def seen(records: Records) -> list[bool]:
        calls = records.runs.calls(run.record.id)
        card = records.cards.of(calls[0].id)[0]
        whole = replace(card, message_id=5, shown_version=1, shown_digest=run_digest(calls))
        cards = (whole, replace(whole, shown_digest=None), replace(whole, shown_digest="0" * 64))
        return [shows_whole(records, each, call) for each in cards for call in (calls[1], other)]

    assert await world.read(seen) == [True, False, False, False, False, False]
    before = await world.read(lambda records: run_digest(records.runs.calls(run.record.id)))
    await world.unit(
        lambda records: edit(
            records,
            by=principal("ann"),
            call_id=run.calls[1].id,
            revision=1,
            changes={"text": "something else"},
            now=world.clock.moment,
            env=world.env,
        )
    )
    after = await world.read(lambda records: run_digest(records.runs.calls(run.record.id)))
    assert after != before
