"""T18 on chains that the engine wrote: what `check_chain` and a head kept outside find."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import pytest_asyncio

from core.audit import GENESIS, AuditEvent, chained, check_chain
from tests.kit.world import ACME, UMBRELLA, World, principal

Chain = Sequence[AuditEvent]


@pytest_asyncio.fixture
async def lived(world: World) -> World:
    """A world in which some things happened."""
    for _ in range(3):
        await world.execute(await world.approved())
        await world.vote(await world.propose("high_once"), "bob")
    await world.propose("low_once", as_principal=principal("zoe"), where="zoe")
    return world


def holds(chain: Chain, head: tuple[int, str]) -> bool:
    """Whether a chain has no break and ends in this head."""
    last = (chain[-1].seq, chain[-1].hash) if chain else (0, GENESIS)
    return not list(check_chain(chain)) and last == head


def rechained(chain: Chain, change: Callable[[AuditEvent], str]) -> list[AuditEvent]:
    """The chain that a forger who owns the database writes: contents changed, every hash made anew."""
    forged: list[AuditEvent] = []
    for event in chain:
        forged.append(
            chained(
                tenant_id=event.tenant_id,
                seq=event.seq,
                prev_hash=forged[-1].hash if forged else GENESIS,
                salt=event.salt,
                account_id=event.account_id,
                at_ms=event.at_ms,
                kind=event.kind,
                actor=change(event),
                call_id=event.call_id,
                content=event.content,
            )
        )
    return forged


async def test_the_chain_that_the_engine_writes_holds_and_its_head_is_recorded(lived: World) -> None:
    for tenant in (ACME, UMBRELLA):
        assert holds(lived.chain(tenant), lived.head(tenant))
    assert len(lived.chain(ACME)) > 15
    assert {event.tenant_id for event in lived.chain(ACME)} == {ACME}


@pytest.mark.parametrize("which", [0, 7, -1])
@pytest.mark.parametrize(
    "assignment",
    [
        "content = '{}'",
        "actor = 'eve'",
        "kind = 'call.denied'",
        "at = at + 1",
        "call_id = NULL",
        "account_id = 'other'",
        "salt = 'ab'",
        "content_hash = 'ab'",
        "hash = 'ab'",
    ],
)
async def test_t18_a_line_edited_is_found_and_named(lived: World, which: int, assignment: str) -> None:
    head, target = lived.head(), lived.chain()[which]
    lived.place.damage(
        f"UPDATE audit_events SET {assignment} WHERE tenant_id = 'acme' AND seq = ?", target.seq
    )
    assert not holds(lived.chain(), head)
    named = [found.seq for found in check_chain(lived.chain())]
    assert target.seq in named


@pytest.mark.parametrize("seq", [1, 5])
async def test_t18_a_line_deleted_is_found_and_named(lived: World, seq: int) -> None:
    lived.place.damage("DELETE FROM audit_events WHERE tenant_id = 'acme' AND seq = ?", seq)
    found = list(check_chain(lived.chain()))
    assert [(each.seq, each.problem) for each in found] == [(seq, f"missing: {seq}")]


async def test_t18_two_lines_swapped_are_found(lived: World) -> None:
    for old, new in ((4, -1), (5, 4), (-1, 5)):
        lived.place.damage("UPDATE audit_events SET seq = ? WHERE tenant_id = 'acme' AND seq = ?", new, old)
    assert {4, 5} <= {found.seq for found in check_chain(lived.chain())}


async def test_t18_the_tail_cut_off_is_found_by_the_recorded_head(lived: World) -> None:
    head = lived.head()
    lived.place.damage("DELETE FROM audit_events WHERE tenant_id = 'acme' AND seq > 10")
    assert list(check_chain(lived.chain())) == []  # what is left holds together
    assert lived.head() == head
    assert not holds(lived.chain(), head)


async def test_t18_a_chain_recomputed_as_a_whole_is_found_by_a_head_kept_outside(lived: World) -> None:
    outside = lived.head()
    forged = rechained(lived.chain(), lambda event: "eve" if event.seq == 3 else event.actor)
    with lived.place.session(unguarded=True) as run:
        for event in forged:
            run(
                "UPDATE audit_events SET actor = ?, prev_hash = ?, hash = ?"
                " WHERE tenant_id = 'acme' AND seq = ?",
                event.actor,
                event.prev_hash,
                event.hash,
                event.seq,
            )
    lived.sql("UPDATE audit_heads SET hash = ? WHERE tenant_id = 'acme'", forged[-1].hash)
    assert holds(lived.chain(), lived.head())  # from inside nothing is to be seen
    assert not holds(lived.chain(), outside)


@pytest.mark.parametrize(
    "verb",
    ["UPDATE audit_events SET actor = 'eve'", "DELETE FROM audit_events", "TRUNCATE audit_events"],
)
async def test_the_audit_is_append_only_by_triggers(lived: World, verb: str) -> None:
    before = lived.chain()
    says = "audit_events is append-only"
    if "TRUNCATE" in verb and lived.place.kind == "sqlite":
        says = "syntax error"  # SQLite has no such statement
    with pytest.raises(lived.place.errors, match=says):
        lived.sql(verb)
    assert lived.chain() == before


async def test_every_change_of_a_call_has_its_event(lived: World) -> None:
    """No status without an audit event of that name."""
    for (call_id,) in lived.sql("SELECT id FROM tool_calls WHERE tenant_id = 'acme'"):
        events = [event for event in lived.chain() if event.call_id == call_id]
        status = lived.sql("SELECT status FROM tool_calls WHERE id = ?", call_id)[0][0]
        told = [event.kind for event in events if event.kind != "refused"]
        assert told[-1] == f"call.{status}"


async def test_an_export_needs_no_secrets(lived: World) -> None:
    """Arguments are in the call's row; the chain names their digest only."""
    assert all('"tea"' not in event.content for event in lived.chain())
