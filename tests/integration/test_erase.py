"""Erasing a person: nothing of what they wrote is left, every chain holds, and nothing else gets in there."""

from __future__ import annotations

import json

import pytest

from core.audit import ERASURE, TOMBSTONE
from core.engine.erase import Erased, erase
from core.engine.members import at_machine
from core.errors import Refusal
from core.ids import PersonId
from core.model import Role, Vote
from storage.mirror import file_of
from storage.tombstones import rewrite_mirror, scrub
from storage.verify import verify
from tests.integration.keeping_stage import mirrored
from tests.kit.faults import everything
from tests.kit.world import ACME, World

SECRET = "an affair of the heart"


async def erased(world: World, name: str) -> Erased:
    return await world.unit(
        lambda records: erase(
            records, by=at_machine(ACME), person_id=PersonId(name), now=world.clock.moment, env=world.env
        )
    )


async def lived(world: World) -> None:
    """Ann's calls, one of them run, one denied with a comment, one edited; and Bob's."""
    await world.done("low_once", by="ann", arguments={"text": SECRET})
    denied = await world.propose("high_once", by="ann", arguments={"text": SECRET})
    await world.vote(denied, "cat", Vote.DENIED, comment=f"no {SECRET}")
    await world.execute(await world.approved("high_once", by="ann"))
    await world.done("low_once", by="bob", arguments={"text": "milk"})
    ann = world.conversation("ann")
    await world.unit(
        lambda records: records.people.add_message(
            "m1", ann, number=1, person_id=PersonId("ann"), text=SECRET, now=world.clock.now()
        )
    )
    update = {"update_id": 1, "message": {"from": {"id": "ann"}, "text": SECRET}}
    await world.unit(lambda records: records.inbox.store(7, [(1, json.dumps(update))], now=world.clock.now()))


async def test_nothing_that_a_person_wrote_is_left_and_every_chain_holds(world: World) -> None:
    await lived(world)
    folder = await mirrored(world)
    before = world.chain()
    gone = await erased(world, "ann")
    assert rewrite_mirror(world.place.address, folder) == gone.events[ACME]
    rows = everything(world.place)
    assert [name for name, found in rows.items() if SECRET in repr(found) or "'Ann'" in repr(found)] == []
    assert "milk" in repr(rows["tool_calls"]), "what others wrote stays"
    assert SECRET.encode() not in file_of(folder, ACME).read_bytes()
    assert len(gone.calls) == 3
    report = verify(world.place.address, folder)
    assert report.ok, report.findings
    (chain,) = [each for each in report.chains if each.tenant_id == ACME]
    assert chain.erased == gone.events[ACME] >= 9
    after = world.chain()
    assert [event.hash for event in after[: len(before)]] == [event.hash for event in before]
    assert after[-1].kind == ERASURE
    # Their statuses and times stay, and so do their roles nowhere.
    assert len(rows["outcomes"]) == 4
    assert await world.read(lambda records: records.people.role(ACME, PersonId("ann"))) is None
    # Done again it changes no more of the mirror, and the events of the erasure itself stay.
    assert rewrite_mirror(world.place.address, folder) == 0


async def test_nothing_is_left_in_free_pages_of_the_file(sqlite_world: World) -> None:
    world = sqlite_world
    # As SQLite is built by default; Debian's own overwrites what is deleted.
    await world.unit(lambda records: records.session._cursor.execute("PRAGMA secure_delete = OFF"))  # type: ignore[attr-defined]
    await world.done("low_once", by="ann", arguments={"text": f"{SECRET} " * 300})
    await erased(world, "ann")
    files = list(world.folder.glob("countersign.db*"))
    assert any(SECRET.encode() in path.read_bytes() for path in files), "there is nothing to scrub"
    scrub(world.place.address)
    raw = b"".join(path.read_bytes() for path in world.folder.glob("countersign.db*"))
    assert b"Bob" in raw
    assert SECRET.encode() not in raw


async def test_calls_that_have_not_ended_are_named_and_nothing_is_erased(world: World) -> None:
    await world.done("low_once", by="ann", arguments={"text": SECRET})
    waits = await world.propose("high_once", by="ann")
    before = everything(world.place)
    with pytest.raises(Refusal, match=f"#{waits.short_id}.*Nothing was erased"):
        await erased(world, "ann")
    assert everything(world.place) == before


async def test_the_last_admin_is_not_erased(world: World) -> None:
    before = everything(world.place)
    with pytest.raises(Refusal, match="only admin"):
        await erased(world, "dan")
    with pytest.raises(Refusal, match="no such person"):
        await erased(world, "nobody")
    assert everything(world.place) == before
    await world.role("cat", Role.ADMIN)
    await erased(world, "dan")


async def test_a_content_that_is_gone_without_an_erasure_is_found(world: World) -> None:
    """The triggers let a tombstone in, for whoever has the database; the chain has nobody who says so."""
    await world.done()
    world.sql(
        "UPDATE audit_events SET content = ?, salt = '' WHERE tenant_id = 'acme' AND seq IN (2, 3)", TOMBSTONE
    )
    report = verify(world.place.address, None)
    (found,) = report.findings
    assert (found.seq, found.last) == (2, 3)
    assert found.problem == "its content was erased, and no event says so"


@pytest.mark.parametrize(
    "change",
    [
        f"content = '{TOMBSTONE}'",
        f"content = '{TOMBSTONE}', salt = '', actor = 'eve'",
        f"content = '{TOMBSTONE}', salt = '', seq = seq + 100",
        "content = '{}', salt = ''",
    ],
)
async def test_nothing_but_a_tombstone_gets_into_the_audit(world: World, change: str) -> None:
    await world.done()
    before = world.chain()
    with pytest.raises(world.place.errors, match="append-only"):
        world.sql(f"UPDATE audit_events SET {change}")
    assert world.chain() == before


async def test_an_erasure_itself_cannot_be_erased_nor_an_outcome_be_turned(world: World) -> None:
    await world.done("low_once", by="ann")
    await erased(world, "ann")
    for change in (
        f"audit_events SET content = '{TOMBSTONE}', salt = '' WHERE kind = '{ERASURE}'",
        "outcomes SET result = 'null', formatted = '', external_refs = '{}', status = 'failed'",
        "outcomes SET result = 'null', formatted = '', external_refs = '{}', error = 'it failed'",
    ):
        with pytest.raises(world.place.errors, match="append-only"):
            world.sql(f"UPDATE {change}")
