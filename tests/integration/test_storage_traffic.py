"""What comes in and goes out, as the repositories keep it: outbox, cards, inbox, dialogues."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from core.errors import CorruptRecord
from core.ids import AccountId, PersonId
from core.ports import Dialogue, OutboxRow
from tests.kit.clock import NOON
from tests.kit.world import ACME, World, chat_of

ANN = PersonId("ann")
ACCOUNT = AccountId("main")


# --------------------------------------------------------------------------- outbox and cards


async def first(world: World, chat: int) -> OutboxRow | None:
    return await world.read(lambda records: records.outbox.first(chat))


async def message(world: World, text: str, chat: int = 5) -> None:
    await world.unit(
        lambda records: records.outbox.message(
            tenant_id=ACME, account_id=None, chat=chat, kind="text", payload={"text": text}, now=NOON
        )
    )


async def sent(world: World, row: OutboxRow) -> bool:
    return await world.unit(lambda records: records.outbox.done(row, now=NOON))


async def test_messages_of_a_chat_go_out_in_order(world: World) -> None:
    await message(world, "one")
    await message(world, "two")
    await message(world, "elsewhere", chat=6)
    assert sorted(await world.read(lambda records: records.outbox.chats())) == [5, 6]
    for text in ("one", "two"):
        row = await first(world, 5)
        assert row is not None
        assert (row.payload, row.kind, row.tries, row.card_id) == ({"text": text}, "text", 0, None)
        assert await sent(world, row)
        assert not await sent(world, row)
    assert await first(world, 5) is None


async def test_a_message_that_is_postponed_waits_and_counts(world: World) -> None:
    await message(world, "one")
    row = await first(world, 5)
    assert row is not None
    until = NOON + timedelta(hours=1)
    await world.unit(lambda records: records.outbox.postpone(row, until=until))
    later = await first(world, 5)
    assert later is not None
    assert (later.not_before, later.tries) == (until, 1)


async def test_ten_changes_of_a_card_cost_one_edit(world: World) -> None:
    call = await world.propose("high_once")
    chat = chat_of("ann")
    read = await first(world, chat)
    assert read is not None
    assert (read.kind, read.card_version) == ("card", 1)
    await world.approve(call)
    assert not await world.unit(lambda records: records.outbox.done(read, now=NOON))
    latest = await first(world, chat)
    assert latest is not None
    assert (latest.id, latest.card_version) == (read.id, 2)
    assert await world.unit(lambda records: records.outbox.done(latest, now=NOON, error="gave up"))
    assert world.sql("SELECT error FROM outbox WHERE id = ?", latest.id) == [("gave up",)]


async def test_a_card_is_found_by_its_message_and_never_shows_less_than_before(world: World) -> None:
    call = await world.propose("high_once")
    card = (await world.read(lambda records: records.cards.of(call.id)))[0]
    shown = replace(card, message_id=42, shown_version=2, shown_digest=call.consent_digest)
    await world.unit(lambda records: records.cards.shown(shown))
    assert await world.read(lambda records: records.cards.at(card.chat, 42)) == shown
    await world.unit(lambda records: records.cards.shown(replace(shown, shown_version=1)))
    assert await world.read(lambda records: records.cards.get(card.id)) == shown
    assert await world.read(lambda records: records.cards.at(card.chat, 43)) is None
    assert not await world.unit(lambda records: records.cards.add(replace(card, id=card.id)))


async def test_a_card_sent_anew_forgets_its_message(world: World) -> None:
    call = await world.propose("high_once")
    card = (await world.read(lambda records: records.cards.of(call.id)))[0]
    await world.unit(lambda records: records.cards.shown(replace(card, message_id=42, shown_version=1)))
    # Once: as in migrate_chat below: the None in _SEND_ANEW's values is never bound (ProgrammingError).
    await world.unit(lambda records: records.cards.send_anew(card))
    assert await world.read(lambda records: records.cards.at(card.chat, 42)) is None


async def test_a_message_that_cannot_be_read_is_dropped_so_that_others_go_on(world: World) -> None:
    await message(world, "one")
    await message(world, "two")
    world.sql("UPDATE outbox SET payload = '{' WHERE payload LIKE '%one%'")
    await world.unit(lambda records: records.outbox.drop_first(5, now=NOON, error="corrupt"))
    row = await first(world, 5)
    assert row is not None
    assert row.payload == {"text": "two"}
    await world.unit(lambda records: records.outbox.drop_first(9, now=NOON, error="corrupt"))


async def test_a_delivery_is_of_one_person_and_one_digest(world: World) -> None:
    call = await world.propose("high_once")

    async def was(person: str, digest: str) -> bool:
        return await world.read(lambda r: r.cards.was_delivered(call.id, PersonId(person), digest))

    for _ in range(2):
        await world.unit(lambda records: records.cards.delivered(call.id, ANN, "d", now=NOON))
    assert await was("ann", "d")
    assert not await was("ann", "e")
    assert not await was("bob", "d")


# --------------------------------------------------------------------------- inbox and dialogues


async def test_an_update_is_kept_once_and_done_once(world: World) -> None:
    for _ in range(2):
        await world.unit(lambda records: records.inbox.store(1, [(11, "a"), (10, "b")], now=NOON))
    await world.unit(lambda records: records.inbox.store(2, [(10, "other bot")], now=NOON))
    undone = await world.read(lambda records: records.inbox.undone(1, limit=9))
    assert list(undone) == [(10, "b"), (11, "a")]
    assert not await world.read(lambda records: records.inbox.is_done(1, 10))
    assert await world.unit(lambda records: records.inbox.done(1, 10, now=NOON))
    assert not await world.unit(lambda records: records.inbox.done(1, 10, now=NOON))
    assert await world.read(lambda records: records.inbox.is_done(1, 10))
    assert not await world.read(lambda records: records.inbox.is_done(1, 99))
    assert len(await world.read(lambda records: records.inbox.undone(1, limit=9))) == 1


async def test_a_person_has_one_open_question_in_a_chat(world: World) -> None:
    asked = Dialogue(chat=5, person_id=ANN, tenant_id=ACME, kind="amount", state={"a": 1}, at=NOON)
    await world.unit(lambda records: records.dialogues.put(asked))
    newer = replace(asked, kind="date", state={"b": "ü"})
    await world.unit(lambda records: records.dialogues.put(newer))
    assert await world.read(lambda records: records.dialogues.get(5, ANN)) == newer
    assert await world.read(lambda records: records.dialogues.get(6, ANN)) is None
    for shape in ("{", "[]", "[" * 100_000):
        world.sql("UPDATE dialogues SET state = ?", shape)
        with pytest.raises(CorruptRecord, match="dialogues"):
            await world.read(lambda records: records.dialogues.get(5, ANN))
    assert await world.unit(lambda records: records.dialogues.drop(5, ANN))
    assert not await world.unit(lambda records: records.dialogues.drop(5, ANN))
