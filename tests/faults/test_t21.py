"""T21: the disk is full at every write site: a clear error, nothing half-written, and on once it is not.

The disk of the product's own process: the kernel lets the write-ahead log, or the mirror, grow no further.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from bot.bootstrap import Countersign
from bot.workers.mirror import Mirror
from core.audit import check_chain
from core.errors import StorageUnavailable
from core.model import Person
from storage.mirror import MirrorFiles, file_of
from tests.crash.boundaries import boundaries
from tests.e2e.lives import settled
from tests.e2e.phone import Phones, Seen, labels
from tests.e2e.talk import ask, card_at, data
from tests.faults import consent
from tests.faults.stage import Town
from tests.faults.test_t19 import VERBS
from tests.integration.runs_stage import a_run
from tests.kit.clock import NOON
from tests.kit.databases import Place, new_place
from tests.kit.faults import FullAt, everything, fill, give_space, no_room
from tests.kit.world import ACME, World
from tests.security.stage import Answer, open_api


@pytest.fixture
def home(tmp_path: Path) -> Place:
    """Only of a file does a process own the disk."""
    return new_place("sqlite", tmp_path, name="countersign.sqlite3")


async def test_t21_a_full_disk_is_said_clearly_and_leaves_nothing_half_written(sqlite_world: World) -> None:
    world = sqlite_world
    for verb, (prepare, after) in VERBS.items():
        act, _ = await prepare(world)
        before, effects = everything(world.place), world.ledger.lines
        full = FullAt(world.db.writer, world.path)
        with pytest.raises(StorageUnavailable, match="Nothing was changed: the database cannot be written"):
            await act()
        assert full.failed == ["test"]
        assert everything(world.place) == before, f"{verb} left something half done"
        assert world.ledger.lines == effects, f"{verb} had an effect"
        full.end()
        await act()
        newest = world.sql("SELECT status FROM tool_calls ORDER BY created_at DESC, id DESC LIMIT 1")
        assert newest == [(after.value,)], verb
    assert list(check_chain(world.chain())) == []
    print(f"T21 sqlite: {len(VERBS)}/{len(VERBS)} verbs on a full disk, 0 rows changed, each done afterwards")


async def test_t21_a_database_without_a_page_left_says_that_it_is_full(sqlite_world: World) -> None:
    """SQLite's own word for it, at a statement instead of a commit."""
    world = sqlite_world
    person = Person(id=cast(Any, "big"), name="x" * 200_000, timezone=None, currency=None, end_replies=True)
    await fill(world.db)
    before = everything(world.place)
    with pytest.raises(StorageUnavailable, match="full"):
        await world.unit(lambda records: records.people.add_person(person, now=NOON))
    assert everything(world.place) == before
    await give_space(world.db)
    await world.unit(lambda records: records.people.add_person(person, now=NOON))
    await world.done()


async def test_t21_the_mirror_waits_for_space_and_misses_nothing(world: World) -> None:
    await world.done()
    mirror = Mirror(MirrorFiles(world.folder / "audit"), reader=world.db.reader, uow=world.db.writer)
    await mirror.catch_up()
    file = file_of(world.folder / "audit", ACME)
    whole = file.read_bytes()
    for more in (0, 1, 100):  # at the end of a line, and within the next
        await world.done()
        with no_room(len(whole) + more), pytest.raises(OSError, match="too large"):
            await mirror.catch_up()
        assert file.read_bytes()[: len(whole)] == whole
        await mirror.catch_up()
        whole = file.read_bytes()
        assert len(whole.splitlines()) == len(world.chain())
    print(f"T21 {world.place.kind}: 3/3 full disks under the mirror, 0 events missing, 0 twice")


UNREACHED = {"recover", "set_aside", "inbox.corrupt", "relay.corrupt", "relay.stumble", "demo.people"} | {
    f"tap.{verb}" for verb in ("mark_done", "mark_not_done", "run_again")
}
"""Units that only a death, a corrupt row or a start comes to: `tests.crash` has the ways to them. They are
committed by the same writer."""
ELSEWHERE = {"tenant", "claim_code", "command.start", "renew", "head", "membership", "migrated", "not_text"}
ELSEWHERE |= {"ignored", "inbox.done", "stranger", "say", "setting", "choose", "tap.unknown"}
"""Units without effects of a tool."""
AROUND = {"said.call", "field", "grants", "pending.next"} | {
    f"tap.{verb}"
    for verb in (
        *("edit", "extend", "reasons", "too_expensive", "not_now", "wrong_details", "not_allowed"),
        *("other_reason", "similar", "grant_hour", "grant_today", "grant_chat", "back"),
        *("deny_with_it", "approve_with_it"),
    )
}
"""Units around a signature: they make the same steps as Approve and Deny, and `tests.crash` comes to each."""
AROUND |= {"tap.deny_all", "tap.cancel_all", "tap.extend_all", "tap.together"}
CLOCKWORK = {
    *("alarms", "beat", "begin", "breakers", "pause.end", "rates.forget", "schedules.file"),
    *("task.started", "webhook.sent"),
}
"""Units of the clockwork and the workers: what was not committed is due still, and the next turn does it."""
BUTTONS = {"alarm", "status", "webhooks", "schedules", "pause", "pause.reason", "tap.report"}
"""Buttons under lists of admins, which make the steps of the commands that the test gives."""
DOORS = {"http.propose", "http.approved", "http.denied", "http.edit", "http.refused"}
DOORS |= {"http.cancel", "http.pause", "http.resume"}
"""Units of the HTTP door: the test below has each of them."""
AT_THE_MACHINE = {"run-file"}
"""A command, with a writer of its own: the last test has the unit that it commits."""


async def test_t21_the_product_goes_on_where_each_of_its_units_met_a_full_disk(town: Town) -> None:
    """The first commit of each kind of unit fails; people notice nothing but that it took longer."""
    phones = town.phones
    async with town.living() as product:
        assert isinstance(town.place.address, Path)
        full = FullAt(product.db.writer, town.place.address)
        papers = [f"paper-{number}" for number in range(1, 5)]
        await town.asked(*papers)
        await settled(product)
        # A card whose sending could not be noted is sent once more: the newest is the one that counts.
        yes, no, _, again = [await card_at(phones, "approver", f"{paper}\n") for paper in papers]
        assert "Approved" in (await phones.tap("approver", yes, "Approve"))["text"]
        await phones.tap("approver", no, "Deny")
        own = await phones.see("member", lambda m: "paper-3" in m["text"] and "Cancel" in " ".join(labels(m)))
        await phones.tap("member", own, data=data(own, "Cancel"))
        await phones.tap("approver", again, "Deny")
        denied = await phones.see(
            "member", lambda m: "paper-4" in m["text"] and "Ask again" in " ".join(labels(m))
        )
        await phones.tap("member", denied, "Ask again")
        done = await ask(phones, "member", "create task: x", "Added task #1")
        await phones.tap("member", done, "Undo")
        waiting = await ask(phones, "approver", "/pending", "for your signature")
        await phones.tap("approver", waiting, data=data(waiting, "Show"))
        for text in ("/history", "/whoami"):
            await ask(phones, "member", text)
        await _an_operator(town, product)
        await _a_team(town)
        await phones.post("clock", advance_s=20 * 3600)
        await phones.see("approver", "still waits")
        await phones.post("clock", advance_s=25 * 3600)
        await phones.see("member", lambda m: "paper-4" in m["text"] and "xpired" in m["text"])
        await settled(product)
        await product.mirror.catch_up()
    units = {name.removesuffix(".before_commit") for name in boundaries() if name.endswith(".before_commit")}
    elsewhere = UNREACHED | ELSEWHERE | AROUND | CLOCKWORK | BUTTONS | DOORS | AT_THE_MACHINE
    wanted = units - elsewhere
    missed = wanted - set(full.failed)
    assert not missed, f"no full disk at {sorted(missed)}"
    assert town.effects() == [1, 1, 1]
    _check(town)
    met, listed = len(wanted - missed), len(elsewhere - set(full.failed) - DOORS - AT_THE_MACHINE)
    told = f"3 effects of 3 signed; {listed} kinds are listed as not driven, with reasons"
    print(f"T21 sqlite: {met}/{len(wanted)} kinds of units met a full disk, {told}")


async def _a_team(town: Town) -> None:
    """A run, and what an admin taps."""
    phones = town.phones
    run = await consent.a_run(town, "one", "two")
    await phones.tap("approver", run, data=data(run, "One by one"))
    await phones.tap("approver", run, data=data(run, "Approve all"))
    await phones.see("approver", lambda m: "All done" in m["text"])
    await ask(phones, "admin", "/invite member", "start=")
    for text, label in (
        ("/members", "Mia"),
        ("/invite list", "End 1"),
        ("/policy", "Ask as usual"),
        ("/team", "Leave"),
    ):
        shown = await _with_button(phones, text, label)
        assert not (await phones.tap("admin", shown, data=data(shown, label)))["alert"], text


async def _an_operator(town: Town, product: Countersign) -> None:
    """What keeps the bot in order: a pause and its end, a schedule, old records."""
    phones = town.phones
    await ask(phones, "admin", "/pause everything 1h a test", "a test")
    await ask(phones, "admin", "/resume everything", "Resumed")
    for text in (
        "every monday 9:00 create task: later-y",
        "/schedule every friday 9:00 create task: later-z",
    ):
        await ask(phones, "member", text, "9:00")
    town.place.rows("UPDATE inbox SET done_at = 1 WHERE done_at IS NOT NULL")
    with pytest.raises(StorageUnavailable, match="Nothing was changed"):
        await product.keeper.tidy()
    await product.keeper.tidy()
    assert town.place.rows("SELECT update_id FROM inbox WHERE done_at = 1") == []


async def _with_button(phones: Phones, text: str, label: str) -> Seen:
    return await ask(phones, "admin", text, lambda message: label in " ".join(labels(message)))


async def test_t21_the_http_door_says_so_and_the_same_request_works_afterwards(sqlite_world: World) -> None:
    world = sqlite_world
    async with open_api(world) as api:
        signed, edited, no, gone = [await api.propose() for _ in range(4)]
        ways: dict[str, Callable[[], Awaitable[Answer]]] = {
            "http.propose": lambda: api.post("/v1/proposals", _PROPOSAL, headers={"Idempotency-Key": "k"}),
            "http.approved": lambda: api.approve(signed),
            "http.denied": lambda: api.post(f"/v1/calls/{no.id}/deny", {"revision": 1}, by="cat"),
            "http.edit": lambda: api.post(f"/v1/calls/{edited.id}/edit", _EDIT),
            "http.cancel": lambda: api.post(f"/v1/calls/{gone.id}/cancel", {}),
            "http.pause": lambda: api.post("/v1/switches", _PAUSE, by="dan"),
            "http.refused": lambda: api.get("/v1/calls", headers={"X-Tenant-ID": "umbrella"}),
        }
        assert set(ways) == DOORS - {"http.resume"}
        full = FullAt(world.db.writer, world.path)
        for unit, send in ways.items():
            before = everything(world.place)
            answer = await send()
            assert (answer.status, answer.code) == (503, "persist_failed"), unit
            assert answer.headers["Retry-After"] == "2"
            assert everything(world.place) == before, f"{unit} left something half done"
            assert (await send()).status == _ANSWERS.get(unit, 200), unit
        assert set(full.failed) >= DOORS - {"http.resume"}
        (switch,) = world.sql("SELECT id FROM switches")[0]
        assert (await api.send("DELETE", f"/v1/switches/{switch}", by="dan")).status == 503
        assert (await api.send("DELETE", f"/v1/switches/{switch}", by="dan")).status == 200
        assert set(full.failed) >= DOORS
        full.end()
    assert world.ledger.lines == []
    assert list(check_chain(world.chain())) == []
    print(f"T21 sqlite: {len(DOORS)}/{len(DOORS)} units of the HTTP door on a full disk, 0 rows changed")


_PROPOSAL = {"tool": "high_once", "args": {"text": "tea"}}
_ANSWERS = {"http.propose": 201, "http.refused": 403, "http.pause": 201}
_PAUSE = {"target": "everything", "reason": "a test"}
_EDIT = {"revision": 1, "changes": {"text": "coffee"}}


async def test_t21_a_file_that_is_run_on_a_full_disk_changes_nothing(sqlite_world: World) -> None:
    world = sqlite_world
    before = everything(world.place)
    full = FullAt(world.db.writer, world.path)
    with pytest.raises(StorageUnavailable, match="Nothing was changed"):
        await a_run(world, "high_once", "low_once")
    assert everything(world.place) == before
    full.end()
    run = await a_run(world, "high_once", "low_once")
    assert [call.status.value for call in run.calls] == ["proposed", "pending"]


def _check(town: Town) -> None:
    """Nothing is left over, and no message asked for more than one call."""
    # What is scheduled comes or does not, by the day on which this runs.
    rows = town.place.rows("SELECT tool, status FROM tool_calls WHERE arguments NOT LIKE '%later-%'")
    assert Counter(rows) == {
        ("stamp", "completed"): 3,  # two of them in a run
        ("stamp", "denied"): 2,
        ("stamp", "cancelled"): 1,
        ("stamp", "expired"): 1,
        ("create_task", "completed"): 2,  # and its undo
    }
    assert town.place.number("SELECT count(*) FROM inbox WHERE done_at IS NULL OR error IS NOT NULL") == 0
    assert town.place.number("SELECT count(*) FROM outbox WHERE done_at IS NULL OR error IS NOT NULL") == 0
