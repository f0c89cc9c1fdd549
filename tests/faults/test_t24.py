"""T24: stored JSON that is none, or none of ours. The row is set aside, audited and told; others go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Final

import pytest

from core.engine.readable import set_aside
from core.errors import CorruptRecord
from core.lifecycle import Status
from storage.schema import metadata
from tests.e2e.lives import settled
from tests.e2e.talk import ask, card_at, short
from tests.faults import consent
from tests.faults.checks import check_set_aside
from tests.faults.operating import filled
from tests.faults.stage import Town
from tests.kit.databases import Place
from tests.kit.faults import SHAPES, corrupt
from tests.kit.world import World

KNOWN: Final = {
    "tool_calls.arguments",
    "tool_calls.verdict",
    "outcomes.result",
    "outcomes.external_refs",
    "outbox.payload",
    "inbox.payload",
    "dialogues.state",
    "audit_events.content",
    "edits.changes",
    "grants.scope",
    "runs.needs",
    "api_tokens.account_ids",
    "schedules.arguments",
}
"""The columns that the tests below corrupt."""
ANY_JSON: Final = frozenset({"another type", "null"})
"""What a tool gives is any JSON: these shapes of it are none that is corrupt."""
MEMBER: Final = 1001
LATER: Final = 2 * 10**9
"""Updates of this number and more are the test's own."""


async def test_t24_no_column_of_json_is_forgotten(town: Town) -> None:
    """Found in the rows of a life that fills the tables: whatever holds objects or lists."""
    async with town.living() as product:
        (card,) = await town.asked("paper")
        await town.phones.tap("approver", card, "Approve")
        await ask(town.phones, "member", "create task: x", "Added task #1")
        await ask(town.phones, "member", "expense 5 EUR tea", "#1")
        await ask(town.phones, "admin", "/invite member", "start=")
        await consent.edited(town, "another paper")
        await consent.granted(town, "taxi")
        await consent.a_run(town, "one", "two")
        await consent.a_token(product)
        await ask(town.phones, "member", "in 2 hours create task: x", "Scheduled")
        ((schedule,),) = town.place.rows("SELECT id FROM schedules")
        await filled(product, schedule)
        await ask(town.phones, "member", "/task", "?")
        await settled(product)
    found = {f"{table}.{column}" for table, column in _columns(town.place)}
    assert found - KNOWN == set(), f"corrupt these in a test of T24 as well: {sorted(found - KNOWN)}"
    assert found - KNOWN == KNOWN - found
    empty = {name for name in metadata.tables if not town.place.number(f"SELECT count(*) FROM {name}")}
    assert empty <= {"quarantine"}, "these tables need a row to be looked at"


def _columns(place: Place) -> Iterator[tuple[str, str]]:
    for table in metadata.tables.values():
        for row in place.rows(f"SELECT * FROM {table.name}"):
            for column, value in zip(table.columns, row, strict=True):
                if isinstance(value, str) and value[:1] in {"{", "["}:
                    yield table.name, column.name


async def test_t24_calls_that_cannot_be_read_are_set_aside_and_others_go_on(town: Town) -> None:
    cases = [(column, shape) for column in ("arguments", "verdict") for shape in SHAPES]
    async with town.living() as product:
        *cards, fine = await town.asked(*(f"paper-{number}" for number in range(len(cases) + 1)))
        await settled(product)
        for card, (column, shape) in zip(cards, cases, strict=True):
            corrupt(town.place, "tool_calls", column, "short_id = ?", short(card), shape=shape)
        ids = town.press("approver", cards, "Approve")
        answers = await asyncio.gather(*(town.sandbox.world.answers.wait(one, 60) for one in ids))
        for case, answer in zip(cases, answers, strict=True):
            assert f"cannot be read ({case[0]}); it was set aside" in answer.text, (case, answer)
        check_set_aside(town, "tool_calls", len(cases))  # by the taps, before anybody looks
        for card, (column, _) in zip(cards, cases, strict=True):
            told = await ask(town.phones, "member", f"/call {short(card)}", "set aside")
            assert f"({column})" in told["text"]
        listed = await ask(town.phones, "admin", "/history", "History")
        assert "cannot be read" in listed["text"]
        waiting = await ask(town.phones, "approver", "/pending", "for your signature")
        assert waiting["text"].count("#") == 1
        assert short(fine) in waiting["text"]
        moved = await card_at(town.phones, "approver", short(fine))
        await town.phones.tap("approver", moved, "Approve")
        await town.phones.see("approver", lambda m: "Done" in m["text"])
        await settled(product)
    assert town.effects() == [1]
    check_set_aside(town, "tool_calls", len(cases))
    async with town.living() as product:  # nothing of it keeps the next process from starting
        await ask(town.phones, "member", "create task: afterwards", "Added task #1")
        await settled(product)
    check_set_aside(town, "tool_calls", len(cases))
    print(f"T24 {town.place.kind}: {len(cases)}/{len(cases)} corrupt calls set aside, told and audited once")


@pytest.mark.parametrize(
    "verdict",
    [
        '{"decision":"allow"}',
        '{"decision":"perhaps","approvers":"admin","named":[]}',
        '{"decision":"allow","approvers":"king","named":[],"rule":"","reason":""}',
        '{"decision":"allow","approvers":"admin","named":null,"rule":"","reason":""}',
        '{"decision":"allow","approvers":"admin","named":[],"rule":"","reason":"","more":1}',
    ],
)
async def test_t24_a_verdict_that_is_json_but_none_of_ours_is_corrupt(world: World, verdict: str) -> None:
    call = await world.propose("low_once")
    world.change(call, "verdict", verdict)
    with pytest.raises(CorruptRecord, match="verdict"):
        await world.call(call)
    assert world.ledger.lines == []


@pytest.mark.parametrize("shape", SHAPES)
async def test_t24_workers_pass_by_a_call_that_cannot_be_read(world: World, shape: str) -> None:
    """It was signed and waits for one; another waits behind it."""
    broken, fine = await world.approved(), await world.approved()
    corrupt(world.place, "tool_calls", "arguments", "id = ?", broken.id, shape=shape)
    with pytest.raises(CorruptRecord) as raised:
        await world.start(broken)
    assert (raised.value.table, raised.value.row_id, raised.value.column) == (
        "tool_calls",
        broken.id,
        "arguments",
    )
    found = raised.value
    await world.unit(lambda records: set_aside(records, found, now=world.clock.now()))
    await world.recover(sole=True)
    assert list(await world.read(lambda r: r.calls.waiting(Status.PENDING, limit=9))) == [fine.id]
    await world.execute(fine)
    assert world.ledger.effects == {fine.id: 1}


async def test_t24_outcomes_that_cannot_be_read_are_set_aside(town: Town) -> None:
    cases = [("external_refs", shape) for shape in SHAPES]
    cases += [("result", shape) for shape in SHAPES if shape not in ANY_JSON]
    async with town.living() as product:
        for number, (column, shape) in enumerate(cases, start=1):
            done = await ask(town.phones, "member", f"create task: x{number}", f"Added task #{number}")
            await settled(product)
            where = "call_id = (SELECT id FROM tool_calls WHERE short_id = ?)"
            corrupt(town.place, "outcomes", column, where, short(done), shape=shape)
            told = await ask(town.phones, "member", f"/call {short(done)}", "set aside")
            assert f"({column})" in told["text"], (column, shape)
            answer = await town.phones.tap("member", done, "Undo")
            assert "cannot be read" in answer["text"], (column, shape)
        await ask(town.phones, "admin", "/history", "cannot be read")
        await ask(town.phones, "member", "/tasks", f"{len(cases)} open tasks")
        await settled(product)
    check_set_aside(town, "outcomes", len(cases))
    print(
        f"T24 {town.place.kind}: {len(cases)}/{len(cases)} corrupt outcomes set aside, told and audited once"
    )


async def test_t24_messages_that_cannot_be_read_hold_up_no_chat(town: Town) -> None:
    async with town.living() as product:
        for number, shape in enumerate(SHAPES):
            _queue(town.place, f"0-{number}")
            corrupt(town.place, "outbox", "payload", "id = ?", f"0-{number}", shape=shape)
            await ask(town.phones, "member", "/whoami", "your id")
        await settled(product)
        assert not [one for one in await town.phones.messages("member") if "damaged" in one["text"]]
    assert town.place.rows("SELECT error, count(*) FROM outbox WHERE id LIKE '0-%' GROUP BY error") == [
        ("corrupt_record", len(SHAPES))
    ]
    check_set_aside(town, "outbox", len(SHAPES))
    print(f"T24 {town.place.kind}: {len(SHAPES)}/{len(SHAPES)} corrupt messages dropped and audited")


def _queue(place: Place, row: str) -> None:
    """The oldest message that waits for the member, which was good once."""
    place.rows(
        "INSERT INTO outbox (id, tenant_id, chat, kind, payload, created_at, not_before, tries)"
        " VALUES (?, 'main', ?, 'show', ?, 0, 0, 0)",
        row,
        MEMBER,
        json.dumps({"html": "damaged"}),
    )


async def test_t24_updates_that_cannot_be_read_keep_no_other_from_being_handled(town: Town) -> None:
    async with town.living() as product:
        bot = product.telegram.bot_id
    for number, shape in enumerate(SHAPES, start=1):
        _receive(town.place, bot, LATER + number, "/stamp damaged")
        where = "update_id = ?"
        corrupt(town.place, "inbox", "payload", where, LATER + number, shape=shape)
    _receive(town.place, bot, LATER + 50, "/stamp whole")
    async with town.living() as product:
        await card_at(town.phones, "approver", "whole")
        await settled(product)
    rows = town.place.rows("SELECT error, count(*) FROM inbox WHERE update_id > ? GROUP BY error", LATER)
    assert sorted(rows, key=str) == [("corrupt_record", len(SHAPES)), (None, 1)]
    assert town.place.number("SELECT count(*) FROM inbox WHERE done_at IS NULL") == 0
    assert town.place.number("SELECT count(*) FROM tool_calls") == 1
    check_set_aside(town, "inbox", len(SHAPES))
    print(f"T24 {town.place.kind}: {len(SHAPES)}/{len(SHAPES)} corrupt updates set aside and audited")


def _receive(place: Place, bot: int, number: int, text: str) -> None:
    """An update that an earlier process stored and did not come to."""
    mia = {"id": MEMBER, "is_bot": False, "first_name": "Mia"}
    chat = {"id": MEMBER, "type": "private", "first_name": "Mia"}
    message = {"message_id": number, "date": 0, "chat": chat, "from": mia, "text": text}
    place.rows(
        "INSERT INTO inbox (bot_id, update_id, payload, received_at) VALUES (?, ?, ?, 0)",
        bot,
        number,
        json.dumps({"update_id": number, "message": message}),
    )


async def test_t24_a_question_that_cannot_be_read_is_closed(town: Town) -> None:
    async with town.living() as product:
        for number, shape in enumerate(SHAPES, start=1):
            await ask(town.phones, "member", "/task", "?")
            await settled(product)
            corrupt(town.place, "dialogues", "state", "chat = ?", MEMBER, shape=shape)
            await ask(town.phones, "member", "buy tea")  # an answer to it, which is told something
            assert town.place.number("SELECT count(*) FROM dialogues") == 0
            await ask(town.phones, "member", f"create task: x{number}", f"Added task #{number}")
            check_set_aside(town, "dialogues", number, aside=1)
            town.place.rows("DELETE FROM quarantine")  # it is the same place, and was told once
        await settled(product)
    print(f"T24 {town.place.kind}: {len(SHAPES)}/{len(SHAPES)} corrupt questions closed and audited")


async def test_t24_events_that_cannot_be_read_are_shown_as_they_are(town: Town) -> None:
    """An event is evidence: it stays where it is, and `audit verify` finds it (T18)."""
    async with town.living() as product:
        for number, shape in enumerate(SHAPES, start=1):
            done = await ask(town.phones, "member", f"create task: x{number}", f"Added task #{number}")
            await settled(product)
            where = "kind = 'call.pending' AND call_id = (SELECT id FROM tool_calls WHERE short_id = ?)"
            corrupt(town.place, "audit_events", "content", where, short(done), shape=shape)
            told = await ask(town.phones, "admin", f"/audit {short(done)}", "Audit")
            assert "cleared to run" in told["text"]
            await ask(town.phones, "member", f"/call {short(done)}", f"x{number}")
        await settled(product)
        chats = await product.db.reader.read(lambda records: records.outbox.chats())
        assert not chats
    print(f"T24 {town.place.kind}: {len(SHAPES)}/{len(SHAPES)} corrupt events shown, 0 messages stuck")
