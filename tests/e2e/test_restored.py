"""T26 as its people see it: a bot that is stopped, and comes back with the records of an earlier day."""

from __future__ import annotations

import asyncio

from bot.bootstrap import DEMO_MARKER
from bot.cli.backup import _tell_admins
from bot.cli.kept import backup, restore
from bot.config import Settings, load
from bot.run import DEMO_TOKEN
from core.ports import Records
from tests.e2e.lives import World, living, settled
from tests.e2e.phone import Phones, Seen, labels
from tests.e2e.talk import card_at, data


def settings_of(world: World) -> Settings:
    sandbox, _, folder = world
    environ = {
        "COUNTERSIGN_TELEGRAM__TOKEN": DEMO_TOKEN,
        "COUNTERSIGN_TELEGRAM__API_BASE_URL": sandbox.url,
    }
    return load(None, environ=environ, data=folder / "one")


def printed(world: World) -> list[str]:
    """What was really printed, by the printer's own file: paper is not taken back by a restore."""
    ledger = world[2] / "one" / "labels.jsonl"
    return ledger.read_text().splitlines() if ledger.exists() else []


async def shown(phones: Phones, number: int) -> Seen:
    found = [each for each in await phones.messages("approver") if each["message_id"] == number]
    assert len(found) == 1
    return found[0]


async def test_t26_a_restored_bot_asks_again_and_does_nothing_by_itself(world: World) -> None:
    _, phones, folder = world
    file = folder / "yesterday.tar"
    settings = settings_of(world)
    (folder / "one").mkdir()
    (folder / "one" / DEMO_MARKER).touch()  # whose tools commands know, too
    async with living(world) as product:
        for paper in ("paper-1", "paper-2"):
            await phones.say("member", f"print_label text={paper}")
        first, second = [await card_at(phones, "approver", f"{paper}\n") for paper in ("paper-1", "paper-2")]
        await phones.say("member", "create task: x")
        await phones.see("member", "Added task #1")
        await settled(product)
        await asyncio.to_thread(backup, settings, file, progress=lambda done, total: None)
        await phones.tap("approver", first, "Approve")
        await settled(product)
        assert len(printed(world)) == 1
        old = data(second, "Approve")
    done = await asyncio.to_thread(
        restore, settings, file, force=True, progress=lambda done, total: None, tell=_tell_admins
    )
    assert done.restored.asked_again == 2
    async with living(world) as product:
        told = await phones.see("admin", lambda m: "records were restored" in m["text"])
        assert "Asked for again: 2" in told["text"]
        await settled(product)
        assert len(printed(world)) == 1, "something ran unasked"
        for card in (first, second):
            again = await phones.see(
                "approver",
                lambda m: m["message_id"] == card["message_id"] and "restored from a backup" in m["text"],  # noqa: B023
            )
            assert "Approve" in " ".join(labels(again))
        stale = await phones.tap("approver", second, data=old)
        await settled(product)
        assert len(printed(world)) == 1, stale
        await phones.tap("approver", await shown(phones, second["message_id"]), "Approve")
        await settled(product)
        assert len(printed(world)) == 2
        assert await product.db.reader.read(_outbox_is_empty)
    print("T26 sqlite: 2/2 cards of a backup asked again through the bot, 0 effects before a tap")


def _outbox_is_empty(records: Records) -> bool:
    return not records.outbox.chats()
