"""T19: no audit, no execution. The event of each verb cannot be written: nothing of the verb is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import pytest

from core.engine import Started, mark
from core.lifecycle import Status
from tests.kit.faults import everything
from tests.kit.world import World, principal

Act = Callable[[], Awaitable[Any]]


async def _propose(world: World) -> tuple[Act, int]:
    return lambda: world.propose("high_once"), 0


async def _decide(world: World) -> tuple[Act, int]:
    call = await world.propose("high_once")
    return lambda: world.approve(call), 0


async def _start(world: World) -> tuple[Act, int]:
    call = await world.approved()
    return lambda: world.started(call), 0


async def _finish(world: World) -> tuple[Act, int]:
    """Its effect was before."""
    started = await world.started(await world.approved())
    result = await world.run(started)
    return lambda: world.finish(started, result), 1


async def _cancel(world: World) -> tuple[Act, int]:
    call = await world.propose("high_once")
    return lambda: world.cancel(call), 0


async def _expire(world: World) -> tuple[Act, int]:
    await world.propose("high_once")
    world.clock.advance(hours=24)
    return world.expire, 0


async def _undo(world: World) -> tuple[Act, int]:
    call = await world.done("undoable")
    return lambda: world.undo(call), 1


async def _mark(world: World) -> tuple[Act, int]:
    """It was running when its worker died, before it had its effect."""
    started = await world.started(await world.approved())
    await world.recover(sole=True)
    return lambda: _settle(world, started), 0


async def _recover(world: World) -> tuple[Act, int]:
    await world.started(await world.approved())
    return lambda: world.recover(sole=True), 0


async def _settle(world: World, started: Started) -> None:
    await world.unit(
        lambda records: mark(
            records,
            by=principal("ann"),
            call_id=started.call.id,
            done=True,
            now=world.clock.moment,
            env=world.env,
        )
    )


VERBS: Final[Mapping[str, tuple[Callable[[World], Awaitable[tuple[Act, int]]], Status]]] = {
    "propose": (_propose, Status.PROPOSED),
    "decide": (_decide, Status.PENDING),
    "start": (_start, Status.RUNNING),
    "finish": (_finish, Status.COMPLETED),
    "cancel": (_cancel, Status.CANCELLED),
    "expire": (_expire, Status.EXPIRED),
    "undo": (_undo, Status.PENDING),
    "mark": (_mark, Status.COMPLETED),
    "recover": (_recover, Status.INTERRUPTED),
}
"""What is done before a verb, with how often the tool has run by then; where the newest call stands after."""


async def test_t19_what_cannot_be_audited_is_not_done(world: World) -> None:
    for verb, (prepare, after) in VERBS.items():
        act, ran = await prepare(world)
        before, effects = everything(world.place), world.ledger.lines
        with world.place.forbidding("INSERT", "audit_events"):
            with pytest.raises(world.place.errors, match="no, by broken"):
                await act()
            assert everything(world.place) == before, f"{verb} left something half done"
            assert world.ledger.lines == effects, f"{verb} had an effect"
        await act()
        assert world.ledger.lines == effects, f"{verb} ran a tool"
        newest = await world.call(_newest(world))
        assert newest.status is after, f"{verb} does not work again"
        assert newest.id in {event.call_id for event in world.chain()}
        assert ran == world.ledger.effects[newest.undo_of or newest.id]
    print(f"T19 {world.place.kind}: {len(VERBS)}/{len(VERBS)} verbs refused, 0 effects, 0 rows changed")


async def test_t19_a_worker_that_cannot_audit_runs_nothing_until_it_can(world: World) -> None:
    """Through the worker's own steps: the tool is not reached."""
    call = await world.approved()
    with world.place.forbidding("INSERT", "audit_events"):
        for _ in range(3):
            with pytest.raises(world.place.errors, match="no, by broken"):
                await world.execute(call)
        assert world.ledger.lines == []
    await world.execute(call)
    assert world.ledger.effects == {call.id: 1}


def _newest(world: World) -> Any:
    return world.sql("SELECT id FROM tool_calls ORDER BY created_at DESC, id DESC LIMIT 1")[0][0]
