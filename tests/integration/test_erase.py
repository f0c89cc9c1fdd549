"""Erasing a person: nothing of what they wrote is left, every chain holds, and nothing else gets in there."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from core.audit import ERASURE, TOMBSTONE
from core.engine import Started
from core.engine.erase import Erased, erase
from core.engine.members import at_machine, set_role
from core.engine.recover import mark
from core.errors import Refusal
from core.ids import AlarmId, PersonId
from core.lifecycle import Status
from core.model import Alarm, Outcome, Role, Vote
from core.ports import Records
from core.tool import RunResult
from storage.mirror import file_of
from storage.records.erasing import ERASED
from storage.tombstones import rewrite_mirror, scrub
from storage.verify import verify
from tests.integration.granting import ASK
from tests.integration.keeping_stage import mirrored
from tests.integration.remote import BUSY, Remote
from tests.integration.runs_stage import a_run
from tests.kit.faults import everything
from tests.kit.world import ACME, UMBRELLA, World, principal

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


STOPPED = RunResult(
    status=Status.CANCELLED,
    text="",
    data=None,
    references={},
    error="It was stopped.",
    error_class="cancelled",
    duration_ms=1,
)


async def decided(world: World) -> None:
    """What Cat did to Ann's calls: denied, withdrew, stopped, settled; Dan denied one as well."""
    await world.vote(await world.propose("high_once"), "cat", Vote.DENIED, comment=f"no {SECRET}")
    await world.vote(await world.propose("high_once"), "dan", Vote.DENIED, comment="no money")
    await world.cancel(await world.propose("high_once"), "cat")
    started = await world.started(await world.approved())
    await world.cancel(started.call, "cat")
    await world.finish(started, STOPPED)
    lost = await world.started(await world.approved("high_again"))
    await world.cancel(lost.call, "cat")
    await world.recover(sole=True)
    for done in (True, False):
        await settled(world, done=done)


async def settled(world: World, *, done: bool) -> None:
    started = await world.started(await world.approved())
    await world.recover(sole=True)
    await world.unit(
        lambda records: mark(
            records,
            by=principal("cat"),
            call_id=started.call.id,
            done=done,
            now=world.clock.moment,
            env=world.env,
        )
    )


async def test_what_they_did_to_others_calls_is_kept_without_their_words_and_name(world: World) -> None:
    await decided(world)
    rows = everything(world.place)
    assert len([row for row in rows["outcomes"] if "Cat" in repr(row)]) == 5
    ends = world.sql("SELECT call_id, status, error_class FROM outcomes ORDER BY call_id")
    # Called something else since: what they did is known by their id.
    cat = await world.read(lambda records: records.people.person(PersonId("cat")))
    assert cat is not None
    await world.unit(lambda records: records.people.save_settings(replace(cat, name="Cath")))
    await erased(world, "cat")
    rows = everything(world.place)
    for table in ("outcomes", "approvals", "attempts"):
        assert [row for row in rows[table] if "Cat" in repr(row) or SECRET in repr(row)] == [], table
    assert world.sql("SELECT call_id, status, error_class FROM outcomes ORDER BY call_id") == ends
    assert [row for row in rows["outcomes"] if "Denied by Dan: no money" in repr(row)], "Dan's words stay"
    assert "'tea'" in repr(rows["tool_calls"]) or "tea" in repr(rows["tool_calls"]), (
        "what Ann asked for stays"
    )
    assert verify(world.place.address, None).ok


async def test_notes_of_others_calls_do_not_name_them_and_keep_what_is_no_name(world: World) -> None:
    await decided(world)
    other = await world.approved("high_once")
    world.change(other, "note", "The Catalogue is out of date.")
    assert "Cat asked it to stop" in repr(everything(world.place)["tool_calls"])
    await erased(world, "cat")
    notes = repr(world.sql("SELECT note FROM tool_calls"))
    assert "Cat asked" not in notes
    assert "Stopped by" not in notes
    assert "The Catalogue is out of date." in notes


async def test_why_a_call_was_not_tried_again_names_nobody(world: World) -> None:
    world.rules(ASK)
    remote = Remote(world)
    remote.errors = [BUSY]
    waits = await remote.attempt(await world.started(await world.approved("send")))
    assert isinstance(waits, Started)
    await world.role("cat", None)
    ended = await remote.attempt(waits)
    assert isinstance(ended, Outcome)
    assert "Cat is not a member any more" in str(ended.error)
    await erased(world, "cat")
    rows = everything(world.place)
    for table in ("outcomes", "attempts", "tool_calls"):
        assert "Cat" not in repr(rows[table]), table
    assert "The server is busy." in repr(rows["attempts"]), "what a tool said stays"


@pytest.mark.parametrize("text", ["half of it", ""])
async def test_a_partial_result_of_what_they_stopped_stays(world: World, text: str) -> None:
    """It is the requester's, and the trigger lets words go only together with it."""
    started = await world.started(await world.approved())
    await world.cancel(started.call, "cat")
    await world.finish(started, replace(STOPPED, text=text, data={"half": 1}))
    await erased(world, "cat")
    left = await world.outcome(started.call)
    assert left is not None
    assert (left.result, left.formatted, left.error) == ({"half": 1}, text, "Stopped by Cat.")


async def test_another_ones_denial_of_what_they_approved_stays(world: World) -> None:
    world.rules(f"{ASK}count = 2\n")
    call = await world.approve(await world.propose("high_once"), "cat")
    await world.vote(call, "dan", Vote.DENIED, comment="no money")
    await erased(world, "cat")
    outcome = await world.outcome(call)
    assert outcome is not None
    assert outcome.error == "Denied by Dan: no money"


async def test_a_report_that_tells_of_them_is_dropped_to_be_written_anew(world: World) -> None:
    theirs = await a_run(world, "high_once", "low_once")
    await a_run(world, "low_once")
    await world.cancel(theirs.calls[0], "cat")
    gone = await erased(world, "cat")
    assert gone.calls == ()
    assert gone.runs == ((ACME, theirs.record.short_id),)


async def test_who_was_removed_before_is_gone_from_tasks_and_alarms_of_that_team_alone(world: World) -> None:
    for tenant in (ACME, UMBRELLA):  # where it is somebody else's name
        world.sql(
            "INSERT INTO tasks (tenant_id, number, account_id, call_id, title, assignee, created_by,"
            " created_at) VALUES (?, 1, ?, ?, 'Buy milk', 'Cat', 'zoe', 0)",
            tenant,
            f"{tenant}-account-group",
            f"{tenant}-call",
        )
    now = world.clock.now()
    alarm = Alarm(
        id=AlarmId("alarm"),
        tenant_id=None,
        kind="failures",
        subject="",
        detail="5 calls",
        since=now,
        last_at=now,
        count=5,
        told_at=now,
        seen_at=now,
        seen_by="Cat",
    )

    def seen(records: Records) -> None:
        for tenant in (ACME, None, UMBRELLA):
            records.alarms.put(replace(alarm, id=AlarmId(f"alarm-{tenant}"), tenant_id=tenant))

    await world.unit(seen)
    await world.unit(
        lambda records: set_role(
            records,
            by=at_machine(ACME),
            person_id=PersonId("cat"),
            role=None,
            now=world.clock.moment,
            env=world.env,
        )
    )
    await erased(world, "cat")
    assert world.sql("SELECT tenant_id, assignee FROM tasks ORDER BY tenant_id") == [
        (ACME, ERASED),
        (UMBRELLA, "Cat"),
    ]
    assert world.sql("SELECT tenant_id, seen_by FROM alarms ORDER BY tenant_id") == [
        ("*", ERASED),
        (ACME, ERASED),
        (UMBRELLA, "Cat"),
    ]


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
