"""Turns in an event loop: in order also within one go, also for who waits here, and none at the end."""

from __future__ import annotations

import asyncio

import pytest

from bot.workers.queue import Slots
from bot.workers.turns import SOONEST_S, Turns
from core.errors import StorageUnavailable
from core.ports import Waiting
from tests.unit.workers.test_queue import wants


def turns(begun: list[Waiting], in_all: int = 1) -> Turns:
    return Turns(Slots(in_all=in_all, per_tenant=9, per_tool=9), begin=begun.append)


async def soon() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_is_offered_in_one_go_starts_in_order() -> None:
    begun: list[Waiting] = []
    queue = turns(begun)
    for number in (3, 1, 2):
        queue.offer(wants(number))
    for number in (1, 2, 3):
        await soon()
        assert begun == [wants(each) for each in range(1, number + 1)]
        queue.done(begun[-1])


async def test_who_waits_here_gets_a_turn_like_all_others() -> None:
    begun: list[Waiting] = []
    queue = turns(begun)
    queue.offer(wants(1))
    await soon()
    coming = asyncio.ensure_future(queue.come(wants(2, person="q")))
    await soon()
    queue.offer(wants(3))
    await soon()
    assert not coming.done()
    queue.done(begun[-1])
    ticket = await coming
    assert (ticket.call_id, ticket.ticket > 0, begun) == (wants(2).call_id, True, [wants(1)])
    queue.done(ticket)
    await soon()
    assert begun == [wants(1), wants(3)]


async def test_a_ticket_that_nobody_waits_for_any_more_takes_no_slot() -> None:
    begun: list[Waiting] = []
    queue = turns(begun)
    queue.take(wants(0))
    coming = asyncio.ensure_future(queue.come(wants(1)))
    await soon()
    coming.cancel()
    await soon()
    queue.offer(wants(2))
    queue.done(wants(0))
    await soon()
    assert begun == [wants(2)]


async def test_what_is_held_is_tried_when_its_time_has_come() -> None:
    begun: asyncio.Queue[Waiting] = asyncio.Queue()
    queue = Turns(Slots(in_all=1, per_tenant=9, per_tool=9), begin=begun.put_nowait)
    queue.offer(wants(1))
    first = await begun.get()
    at = asyncio.get_running_loop().time()
    queue.put_back(first, seconds=0.0, grows=False)
    queue.done(first)
    async with asyncio.timeout(5):
        assert await begun.get() == first
    assert asyncio.get_running_loop().time() - at >= SOONEST_S * 0.9
    queue.started(first)
    assert len(queue) == 0
    queue.close()


async def test_at_the_end_there_are_no_more_turns() -> None:
    begun: list[Waiting] = []
    queue = turns(begun)
    queue.take(wants(0))
    coming = asyncio.ensure_future(queue.come(wants(1)))
    queue.offer(wants(2))
    await soon()
    queue.close()
    with pytest.raises(StorageUnavailable):
        await coming
    with pytest.raises(StorageUnavailable):
        await queue.come(wants(3))
    queue.offer(wants(4))
    queue.put_back(wants(5), seconds=1.0, grows=False)
    queue.done(wants(0))
    queue.let_go()
    await soon()
    assert (begun, len(queue)) == ([], 0)
