"""Whose turn it is: fair between teams and people, in order for each, never over a limit, held where held."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.workers.queue import COURTESY_S, KEPT_FREE_FROM, LONGEST_HOLD_S, Queue, Slots
from core.ids import CallId, PersonId, TenantId
from core.ports import Waiting

MANY = Slots(in_all=1000, per_tenant=1000, per_tool=1000)


def wants(number: int, *, tenant: str = "t", person: str = "p", tool: str = "x") -> Waiting:
    return Waiting(CallId(f"{number:06}"), TenantId(tenant), PersonId(person), tool)


def all_of(queue: Queue, now: float = 0.0) -> list[Waiting]:
    """All whose turn has come, with their slots taken."""
    found = []
    while (waiting := queue.next(now)) is not None:
        found.append(waiting)
    return found


CALLS = st.lists(
    st.builds(
        wants,
        st.integers(0, 400),
        tenant=st.sampled_from("abc"),
        person=st.sampled_from("pq"),
        tool=st.sampled_from("xyz"),
    ),
    max_size=60,
    unique=True,
)


@settings(max_examples=150, deadline=None)
@given(CALLS, st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.randoms())
def test_nothing_is_over_a_limit_nothing_is_lost_and_slots_are_used(
    calls: list[Waiting], in_all: int, per_tenant: int, per_tool: int, dice: object
) -> None:
    queue = Queue(Slots(in_all=in_all, per_tenant=per_tenant, per_tool=per_tool))
    for call in calls:
        queue.put(call)
        queue.put(call)
    running: list[Waiting] = []
    begun: list[Waiting] = []
    now = 0.0
    while len(begun) < len(calls):
        fresh = all_of(queue, now) + all_of(queue, now := now + COURTESY_S)
        running += fresh
        begun += fresh
        tenants, tools = Counter(c.tenant_id for c in running), Counter(c.tool for c in running)
        assert len(running) <= in_all
        assert max(tenants.values()) <= per_tenant
        assert max(tools.values()) <= per_tool
        idle = [c for c in calls if c not in begun]
        last = in_all >= KEPT_FREE_FROM and len(running) == in_all - 1
        busy = {c.person_id for c in running} if last else set()
        assert len(running) == in_all or not any(
            tenants[c.tenant_id] < per_tenant and tools[c.tool] < per_tool and c.person_id not in busy
            for c in idle
        )
        queue.release(running.pop(dice.randrange(len(running))))  # type: ignore[attr-defined]
    assert sorted(begun) == sorted(calls)
    assert len(queue) == 0
    for strand in {(c.tenant_id, c.person_id, c.tool) for c in calls}:
        own = [c.call_id for c in begun if (c.tenant_id, c.person_id, c.tool) == strand]
        assert own == sorted(own)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(2, 5))
def test_a_flood_holds_nobody_up(flood: int, others: int) -> None:
    """However many one team or one person asked for before: everybody else waits for one of them at most."""
    queue = Queue(Slots(in_all=1, per_tenant=1, per_tool=1))
    for number in range(flood):
        queue.put(wants(number, tenant="flood"))
    for number in range(1, others):
        queue.put(wants(1000 + number, tenant=f"team {number}"))
        queue.put(wants(2000 + number, tenant="flood", person=f"person {number}"))
    begun = []
    while (waiting := queue.next(0.0)) is not None:
        begun.append(waiting)
        queue.release(waiting)
    teams = [c.tenant_id for c in begun]
    first = [teams.index(TenantId(f"team {number}")) for number in range(1, others)]
    assert max(first) <= others
    people = [c.person_id for c in begun if c.tenant_id == "flood"]
    assert max(people.index(PersonId(f"person {number}")) for number in range(1, others)) <= others


def test_the_last_slot_is_for_who_has_none() -> None:
    queue = Queue(Slots(in_all=4, per_tenant=4, per_tool=4))
    for number in range(10):
        queue.put(wants(number))
    slow = all_of(queue)
    assert len(slow) == 3
    queue.put(wants(50, person="q"))
    assert queue.next(1.0) == wants(50, person="q")
    queue.release(wants(50, person="q"))
    assert queue.next(2.0) is None
    queue.release(slow[0])
    assert queue.next(2.0) == wants(3)


def test_who_has_a_call_in_hand_lets_a_newcomer_go_first_for_a_moment() -> None:
    queue = Queue(MANY)
    queue.put(wants(1))
    assert queue.next(0.0) == wants(1)
    queue.put(wants(50, person="q"))
    assert queue.next(1.0) == wants(50, person="q")
    queue.put(wants(2))
    queue.put(wants(51, person="r"))
    assert queue.next(1.0) == wants(51, person="r")
    assert queue.next(1.0) is None
    at = queue.next_at(1.0)
    assert at == 1.0 + COURTESY_S
    assert queue.next(at) == wants(2)
    assert queue.next_at(at) is None


def test_one_persons_quick_calls_keep_nobody_waiting_for_longer() -> None:
    """Each of them is a newcomer's again; whoever has one call running waits for the first of them only."""
    queue = Queue(MANY)
    queue.put(wants(1))
    assert queue.next(0.0) == wants(1)
    for number in range(100):
        queue.put(wants(50 + number, person="q"))
    quick = queue.next(1.0)
    queue.put(wants(2))
    now = 1.0
    while quick is not None and quick.person_id == "q":
        queue.release(quick)
        now += COURTESY_S / 4
        quick = queue.next(now)
    assert quick == wants(2)
    assert now <= 1.0 + 2 * COURTESY_S


def test_one_persons_calls_start_in_their_order_whichever_tool_is_free() -> None:
    queue = Queue(Slots(in_all=9, per_tenant=9, per_tool=1))
    for number, tool in ((3, "x"), (1, "x"), (2, "y"), (4, "z")):
        queue.put(wants(number, tool=tool))
    assert [int(each.call_id) for each in all_of(queue)] == [1, 2, 4]


def test_what_is_held_costs_one_try_and_a_longer_one_each_time() -> None:
    queue = Queue(MANY)
    for number in range(10_000):
        queue.put(wants(number))
    first = queue.next(0.0)
    assert first is not None
    queue.hold(first, now=0.0, seconds=60.0, grows=True)
    queue.release(first)
    now, tries = 0.0, 0
    while now < 7200.0:
        at = queue.next_at(now)
        assert at is not None
        now = at
        assert queue.next(now - 1e-3) is None
        tried = queue.next(now)
        assert tried == first, "the oldest is tried first"
        assert queue.next(now) is None, "and alone"
        queue.hold(tried, now=now, seconds=60.0, grows=True)
        queue.release(tried)
        tries += 1
    assert tries < 20
    at = queue.next_at(now)
    assert at is not None
    assert at - now == LONGEST_HOLD_S
    assert len(queue) == 10_000


def test_a_hold_that_says_when_is_kept_to_and_holds_nobody_else() -> None:
    queue = Queue(MANY)
    for number in range(4):
        queue.put(wants(number, tool="x"))
    held = queue.next(0.0)
    assert held is not None
    queue.hold(held, now=0.0, seconds=30.0, grows=False)
    queue.release(held)
    for number, who in ((7, "other"), (8, "third")):
        queue.put(wants(number, person=who, tool="x"))
    queue.put(wants(9, tool="y"))
    queue.put(wants(2, tool="x")._replace(ticket=1))  # somebody who asks for it here is told by the guards
    assert {int(each.call_id) for each in all_of(queue) + all_of(queue, 1.0)} == {7, 8, 9, 2}
    assert queue.next(29.9) is None
    assert queue.next_at(1.0) == 30.0
    probe = queue.next(30.0)
    assert probe == held
    queue.started(probe)
    assert [int(each.call_id) for each in all_of(queue, 30.0)] == [1, 2, 3]


def test_several_that_are_refused_at_once_do_not_hold_longer() -> None:
    queue = Queue(MANY)
    for number in range(8):
        queue.put(wants(number))
    for each in all_of(queue):
        queue.hold(each, now=0.0, seconds=60.0, grows=True)
        queue.release(each)
    assert queue.next_at(0.0) == 60.0
    assert len(queue) == 8


def test_a_try_that_came_to_nothing_lets_the_others_go() -> None:
    """The call that was tried had been withdrawn meanwhile: nobody knows whether the others are held."""
    queue = Queue(MANY)
    for number in range(3):
        queue.put(wants(number))
    first = queue.next(0.0)
    assert first is not None
    queue.hold(first, now=0.0, seconds=60.0, grows=False)
    queue.release(first)
    probe = queue.next(60.0)
    assert probe is not None
    queue.release(probe)
    assert len(all_of(queue, 60.0)) == 2


def test_what_held_calls_back_is_over() -> None:
    queue = Queue(MANY)
    for number in range(3):
        queue.put(wants(number))
    first = queue.next(0.0)
    assert first is not None
    queue.hold(first, now=0.0, seconds=60.0, grows=False)
    queue.release(first)
    assert queue.next(1.0) is None
    queue.let_go()
    assert [int(each.call_id) for each in all_of(queue, 1.0)] == [0, 1, 2]
    assert queue.drop() == []
    queue.put(wants(5))
    assert queue.drop() == [wants(5)]
    assert queue.next(1.0) is None
