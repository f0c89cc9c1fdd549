"""What the tests of runs share: proposing one, deciding it, taking its steps to their end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from core.engine import Proposal, Refused
from core.engine.runs import (
    RunDecided,
    RunProposed,
    decide_run,
    propose_run,
)
from core.ids import RunId
from core.lifecycle import Status
from core.model import OnFailure, ToolCall
from core.ports import Records
from tests.kit.world import World, principal

Needs = Mapping[int, Sequence[int]]
APART: Needs = {1: (), 2: (), 3: (), 4: ()}


async def try_run(
    world: World,
    *tools: str,
    needs: Needs | None = None,
    on_failure: OnFailure = OnFailure.STOP,
    by: str = "ann",
    where: str | None = None,
    **more: Any,
) -> RunProposed | Refused:
    """Proposes a run of these tools; without `needs`, each needs the one before."""
    place = world.conversation(where or by)
    wanted = [
        Proposal(tool=tool, arguments={"text": f"step {n}"}, conversation=place, place=n, **more)
        for n, tool in enumerate(tools, start=1)
    ]
    order = {} if needs is None else {n: each for n, each in needs.items() if n <= len(tools)}
    return await world.unit(
        lambda records: propose_run(
            records,
            wanted,
            title="A plan",
            needs=order,
            on_failure=on_failure,
            by=principal(by),
            now=world.clock.moment,
            env=world.env,
        )
    )


async def a_run(world: World, *tools: str, **more: Any) -> RunProposed:
    answer = await try_run(world, *tools, **more)
    assert isinstance(answer, RunProposed), answer
    return answer


async def steps(world: World, run: RunProposed) -> list[ToolCall]:
    """The run's calls as they are now."""
    return list(await world.read(lambda records: records.runs.calls(run.record.id)))


async def statuses(world: World, run: RunProposed) -> str:
    return " ".join(call.status.value for call in await steps(world, run))


async def for_workers(world: World) -> set[int]:
    """The steps that workers would take by themselves now."""
    waiting = await world.read(lambda records: records.calls.waiting(Status.PENDING, limit=100))
    return {(await world.call(call_id)).step or 0 for call_id in waiting}


async def execute(world: World, run: RunProposed, step: int) -> None:
    """A worker takes this step to its end."""
    started = await world.started((await steps(world, run))[step - 1])
    await world.finish(started, await world.run(started))


async def decide(
    world: World,
    run: RunProposed,
    *,
    by: str = "cat",
    approve: Collection[int] = (),
    deny: Collection[int] = (),
    revisions: Mapping[int, int] | None = None,
    delivered: Collection[int] | None = None,
    run_id: RunId | None = None,
) -> RunDecided | Refused:
    """One person's mixed decision. They were sent all steps unless said otherwise."""

    def work(records: Records) -> RunDecided | Refused:
        for call in records.runs.calls(run.record.id):
            person = principal(by).person
            if person is not None and (delivered is None or call.step in delivered):
                records.cards.delivered(call.id, person, call.consent_digest, now=world.clock.now())
        return decide_run(
            records,
            by=principal(by),
            run_id=run_id or run.record.id,
            revisions=dict.fromkeys(range(1, 9), 1) if revisions is None else revisions,
            approve=approve,
            deny=deny,
            now=world.clock.moment,
            env=world.env,
        )

    return await world.unit(work)


async def decided(world: World, run: RunProposed, **more: Any) -> RunDecided:
    answer = await decide(world, run, **more)
    assert isinstance(answer, RunDecided), answer
    return answer
