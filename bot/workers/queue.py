"""Whose turn it is: which of the calls that wait is started next. Pure: it reads no clock and runs nothing.

Teams take turns, and within a team the people who asked, so that nobody waits behind another's flood. What
one person asked for starts in the order of its ids. A call takes a slot of all, one of its team's and one of
its tool's. Who has calls in hand lets those go first who have none: just after one of these began, and always
to the last slot, so that nobody's slow calls take them all. Where a call was refused because something holds
it back (a switch, a limit, a breaker), all that its person asked of this tool waits with it: of ten thousand
held calls one is tried, not ten thousand.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from core.ids import PersonId, TenantId
from core.ports import Waiting

LONGEST_HOLD_S: Final = 600.0
"""A strand that is refused again and again is tried no more seldom than this."""

COURTESY_S: Final = 0.1
"""So long after somebody's only call began, nobody gets a second slot."""
KEPT_FREE_FROM: Final = 4
"""Of so many slots the last one is kept for who has none. Of fewer it would be missed too much."""

Strand = tuple[TenantId, PersonId, str, bool]
"""What one person asked of one tool: of the workers, or (True) to be run for them here and now."""


class Slots(Struct, frozen=True, kw_only=True):
    """How many calls run at the same time: in all, of one team, of one tool."""

    in_all: int
    per_tenant: int
    per_tool: int


@dataclass(slots=True)
class _Hold:
    until: float
    seconds: float


_People = OrderedDict[PersonId, dict[Strand, list[Waiting]]]


class Queue:
    """The calls that wait, and the slots that are taken."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._tenants: OrderedDict[TenantId, _People] = OrderedDict()
        self._there: set[Waiting] = set()
        self._taken = 0
        self._by_tenant: Counter[TenantId] = Counter()
        self._by_tool: Counter[str] = Counter()
        self._by_person: Counter[PersonId] = Counter()
        self._polite_until = 0.0
        self._holds: dict[Strand, _Hold] = {}

    def __len__(self) -> int:
        return len(self._there)

    def __contains__(self, waiting: object) -> bool:
        return waiting in self._there

    def put(self, waiting: Waiting) -> None:
        """This call waits from now on. Nothing changes where it did already."""
        if waiting in self._there:
            return
        self._there.add(waiting)
        people = self._tenants.setdefault(waiting.tenant_id, OrderedDict())
        strands = people.setdefault(waiting.person_id, {})
        heapq.heappush(strands.setdefault(_strand(waiting), []), waiting)

    def next(self, now: float) -> Waiting | None:
        """The call whose turn it is, with its slots taken until `release`; None where none may start now."""
        if self._taken >= self._slots.in_all:
            return None
        for tenant, people in self._tenants.items():
            if self._by_tenant[tenant] >= self._slots.per_tenant:
                continue
            for person, strands in people.items():
                if not self._may_have(person, now):
                    continue
                oldest = min(self._free(strands, now), default=None)
                if oldest is not None:
                    self._greet(person, now)
                    return self._take(oldest)
        return None

    def occupy(self, waiting: Waiting) -> None:
        """Takes the slots of a call that is begun without waiting for them, however many are taken."""
        self._taken += 1
        self._by_tenant[waiting.tenant_id] += 1
        self._by_tool[waiting.tool] += 1
        self._by_person[waiting.person_id] += 1

    def release(self, waiting: Waiting) -> None:
        """Gives the slots of a call back."""
        self._taken -= 1
        self._by_tenant[waiting.tenant_id] -= 1
        self._by_tool[waiting.tool] -= 1
        self._by_person[waiting.person_id] -= 1
        hold = self._holds.get(_strand(waiting))
        if hold is not None and hold.until == math.inf:
            del self._holds[_strand(waiting)]

    def hold(self, waiting: Waiting, *, now: float, seconds: float, grows: bool) -> None:
        """This call waits again, and nothing more is tried of its strand before so many seconds are over;
        where that `grows`, twice as many at each try in vain."""
        strand = _strand(waiting)
        before = self._holds.get(strand)
        tried = before is not None and before.until == math.inf
        if before is not None and grows:
            seconds = min(before.seconds * 2, LONGEST_HOLD_S) if tried else before.seconds
        self._holds[strand] = _Hold(until=now + seconds, seconds=seconds)
        self.put(waiting)

    def started(self, waiting: Waiting) -> None:
        """A call was started: nothing holds its strand back any more."""
        self._holds.pop(_strand(waiting), None)

    def let_go(self) -> None:
        """What held calls back may be over: all are tried again."""
        self._holds.clear()

    def next_at(self, now: float) -> float | None:
        """When the next hold ends, or a courtesy, that something waits behind; None where there is none."""
        untils = [hold.until for strand, hold in self._holds.items() if self._has(strand)]
        if self._there:
            untils.append(self._polite_until)
        return min((until for until in untils if now < until < math.inf), default=None)

    def drop(self) -> list[Waiting]:
        """Forgets all who wait, and gives them."""
        there = sorted(self._there)
        self._there.clear()
        self._tenants.clear()
        return there

    def _greet(self, person: PersonId, now: float) -> None:
        """Somebody without a call gets one. While others are asked to wait they are not asked to wait longer:
        one person's quick calls, one after the other, would hold them up for as long as there are any."""
        if self._taken and not self._by_person[person] and now >= self._polite_until:
            self._polite_until = now + COURTESY_S

    def _may_have(self, person: PersonId, now: float) -> bool:
        """Whether this person may have one more slot, as far as others without one are concerned."""
        if not self._by_person[person]:
            return True
        last = self._slots.in_all >= KEPT_FREE_FROM and self._taken == self._slots.in_all - 1
        return now >= self._polite_until and not last

    def _free(self, strands: dict[Strand, list[Waiting]], now: float) -> Iterator[Waiting]:
        """The oldest call of each strand that may start one."""
        for strand, waiting in strands.items():
            hold = self._holds.get(strand)
            if self._by_tool[waiting[0].tool] < self._slots.per_tool and (hold is None or hold.until <= now):
                yield waiting[0]

    def _has(self, strand: Strand) -> bool:
        people = self._tenants.get(strand[0])
        return people is not None and strand in people.get(strand[1], {})

    def _take(self, waiting: Waiting) -> Waiting:
        """Takes a call out, and sends its person and its team to the end of their rows. Of a strand that was
        held one call alone is tried."""
        tenant, person, strand = waiting.tenant_id, waiting.person_id, _strand(waiting)
        people = self._tenants[tenant]
        strands = people[person]
        heapq.heappop(strands[strand])
        if not strands[strand]:
            del strands[strand]
        people.move_to_end(person)
        if not strands:
            del people[person]
        self._tenants.move_to_end(tenant)
        if not people:
            del self._tenants[tenant]
        self._there.discard(waiting)
        hold = self._holds.get(strand)
        if hold is not None:
            hold.until = math.inf
        self.occupy(waiting)
        return waiting


def _strand(waiting: Waiting) -> Strand:
    return waiting.tenant_id, waiting.person_id, waiting.tool, waiting.ticket > 0
