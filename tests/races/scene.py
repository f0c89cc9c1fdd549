"""What the races have in common: a team with many approvers, and what an engine that holds looks like."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from core.audit import check_chain
from core.ids import PersonId
from core.model import Person, Role, ToolCall, Vote
from core.ports import Records
from tests.kit.databases import Place
from tests.kit.world import ACME, World, open_world
from tests.races.crew import PROCESSES, Crew, Seen, Told, crew_on

APPROVERS: Final = ("cat", "cid", "dan", "gus", *(f"approver{n}" for n in range(21)))
VOTES: Final = PROCESSES * len(APPROVERS)
"""A hundred: each approver's one vote in each process."""
STARTS: Final = 5
"""How often each process tries to start the call: twenty racers."""


@asynccontextmanager
async def races_on(place: Place, folder: Path) -> AsyncIterator[tuple[World, Crew]]:
    """A world with twenty-five approvers, and four processes beside it on its database."""
    async with open_world(folder, place=place) as world:
        await world.unit(lambda records: _add_approvers(records, world))
        with crew_on(place.address, world.ledger.path) as crew:
            yield world, crew


def _add_approvers(records: Records, world: World) -> None:
    """Nobody of them has a chat, so that a call does not have a card for each."""
    now = world.clock.now()
    for name in APPROVERS[4:]:
        person = PersonId(name)
        records.people.add_person(
            Person(id=person, name=name.title(), timezone=None, currency=None, end_replies=True), now=now
        )
        records.people.set_role(ACME, person, Role.APPROVER, now=now)


def in_turns(part: int) -> Sequence[str]:
    """All approvers, beginning with other ones in each process."""
    first = part * len(APPROVERS) // PROCESSES
    return [*APPROVERS[first:], *APPROVERS[:first]]


def all_told(seen: Iterable[Seen]) -> list[Told]:
    """Every voter's answer."""
    return [told for each in seen for told in each.told]


def check_one_decision(world: World, call: ToolCall, told: Sequence[Told]) -> Vote:
    """One vote decided and stands in the records and in the audit, and each other voter was told of it; the
    vote that won."""
    winners = [each for each in told if each.won]
    assert len(winners) == 1, f"{len(winners)} votes decided"
    winner = winners[0]
    for each in told:
        if each.code:
            assert each.code == "already_decided", each
            assert f"{winner.vote} by {winner.person.title()}" in each.message, each
        else:
            assert (each.vote, each.person) == (winner.vote, winner.person), each
    votes = world.sql("SELECT person_id, vote FROM approvals WHERE call_id = ?", call.id)
    assert votes == [(winner.person, winner.vote.value)]
    kinds = world.kinds(call)
    assert kinds.count("call.pending") == (winner.vote is Vote.APPROVED)
    assert kinds.count("call.denied") == (winner.vote is Vote.DENIED)
    return winner.vote


def check_run_once(world: World, call: ToolCall, seen: Sequence[Seen], *, starts: int = STARTS) -> None:
    """One of all the starts was given the call, which took effect once; the others were refused."""
    assert sum(each.started for each in seen) == 1
    refused = [code for each in seen for code in each.refused]
    assert refused == ["not_pending"] * (PROCESSES * starts - 1)
    assert world.ledger.effects[call.id] == 1
    assert _ends(world, call) == [("completed", "completed")]
    assert world.sql("SELECT number FROM attempts WHERE call_id = ?", call.id) == [(1,)]


def check_never_run(world: World, call: ToolCall, seen: Sequence[Seen], *, status: str) -> None:
    """Nobody was given the call, nothing happened, and it ended so."""
    assert sum(each.started for each in seen) == 0
    assert world.ledger.effects[call.id] == 0
    assert _ends(world, call) == [(status, status)]
    assert not world.sql("SELECT number FROM attempts WHERE call_id = ?", call.id)


def check_audit(world: World) -> None:
    """The chain that four processes wrote holds, up to its head."""
    chain = world.chain()
    assert list(check_chain(chain)) == []
    assert world.head() == (chain[-1].seq, chain[-1].hash)


def _ends(world: World, call: ToolCall) -> list[tuple[str, str]]:
    return [
        (row[0], row[1])
        for row in world.sql(
            "SELECT tool_calls.status, outcomes.status FROM tool_calls"
            " LEFT JOIN outcomes ON call_id = id WHERE id = ?",
            call.id,
        )
    ]
