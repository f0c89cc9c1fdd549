"""What comes from Telegram, however it comes: T28. Nothing lost, nothing doubled, nobody held up."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import Any

import pytest

from tests.e2e.ledger import effects
from tests.e2e.lives import (
    PEOPLE,
    Raw,
    World,
    calls_of,
    effects_by_text,
    feed,
    hold,
    living,
    newest,
    product_updates,
    said,
    settled,
    shuffled,
    tapped,
)
from tests.e2e.phone import PATIENCE_S
from tests.e2e.rounds import FULL, rounds


@pytest.mark.timeout(900 if FULL else 120)
async def test_t28_shuffled_and_repeated_updates_come_to_the_same(world: World) -> None:
    full = 1000
    number = rounds(normal=120, full=full)
    stamps = number // 3
    async with living(world, "in order") as product:
        await hold(world, product)
        raws = await said(world, number - stamps, stamps)
        await feed(product, raws)
        await feed(product, await tapped(world, stamps))
        expected = await calls_of(product)
    async with living(world, "shuffled") as product:
        await hold(world, product)
        before = {chat: await newest(world[1], chat) for chat in PEOPLE}
        chance = random.Random(28)
        repeated = shuffled(raws, chance)
        await feed(product, repeated)
        assert len(await calls_of(product)) == number - stamps
        taps = await tapped(world, stamps, after=before["approver"])
        repeated_taps = shuffled(taps, chance)
        await feed(product, repeated_taps)
        assert await calls_of(product) == expected
    first, second = (effects_by_text(world[2] / f"{name}.ledger") for name in ("in order", "shuffled"))
    assert first == second
    assert set(first.values()) == {1}
    assert len(first) == stamps - stamps // 2
    assert set(effects(world[2] / "shuffled.ledger").values()) == {1}
    fed = len(repeated) + len(repeated_taps)
    print(
        f"T28: {len(raws) + len(taps)}/{full} updates, fed {fed} times in any order,"
        f" {len(expected)} calls as in order, {len(first)} effects, 1 each"
    )


MALFORMED: list[dict[str, Any]] = [
    {"message": "text"},
    {"message": {"garbage": 1}},
    {"message": {"message_id": "x", "chat": {"id": "y"}, "date": "z"}},
    {"message": None},
    {"message": {"chat": {"id": 1001, "type": "private"}}},
    {"callback_query": {"id": 5}},
    {"callback_query": []},
    {"my_chat_member": {"chat": {"id": 10**30}}},
    {"poll_of_tomorrow": {"deep": [[[[]]]]}},
    {},
]


async def test_t28_a_malformed_update_holds_up_nobody(world: World) -> None:
    _, phones, _ = world
    async with living(world) as product:
        await hold(world, product)
        await phones.say("member", "create task: before")
        await phones.say("member", "create task: after")
        before, after = product_updates(world, forget=True)
        broken = [{"update_id": 10**6 + at, **body} for at, body in enumerate(MALFORMED)]
        await feed(product, [before, *broken, after], batch=100)
        titles = [json.loads(str(row[3]))["title"] for row in await calls_of(product)]
        assert sorted(titles) == ["after", "before"]
        undone = await product.db.reader.read(lambda r: r.inbox.undone(product.telegram.bot_id, limit=99))
        assert not undone
    print(f"T28: {len(MALFORMED)}/{len(MALFORMED)} updates, malformed, between two that were handled")


async def test_t28_order_within_a_chat_is_kept_and_chats_do_not_wait_for_each_other(world: World) -> None:
    _, phones, _ = world
    async with living(world) as product:
        await hold(world, product)
        inbox, handle = product.telegram.inbox, product.telegram.inbox._handle
        others_done, order = asyncio.Event(), []

        async def slowly(raw: Raw) -> None:
            person = raw["message"]["from"]["id"]
            if person == 1001 and not others_done.is_set():
                await asyncio.wait_for(others_done.wait(), PATIENCE_S)
            await handle(raw)
            order.append((person, raw["message"]["text"]))
            if len([each for each in order if each[0] == 1003]) == 5:
                others_done.set()

        inbox._handle = slowly
        for at in range(5):
            await phones.say("member", f"create task: thing {at}")
            await phones.say("admin", f"create task: other {at}")
        await feed(product, product_updates(world, forget=True), batch=10)
        assert order == [
            *((1003, f"create task: other {at}") for at in range(5)),
            *((1001, f"create task: thing {at}") for at in range(5)),
        ]
    print(f"T28: {len(order)}/10 updates, in order within each chat, one chat held up")


async def test_what_is_said_and_tapped_while_the_bot_is_down_is_handled_once(world: World) -> None:
    _, phones, folder = world
    async with living(world) as product:
        await phones.say("member", "/stamp paper")
        card = await phones.see("approver", lambda m: "paper" in m["text"] and bool(m["buttons"]))
        await settled(product)
        # Stored by a process that died before it handled them: Telegram gives them no second time.
        await hold(world, product)
        await phones.say("member", "create task: left undone")
        left = product_updates(world, forget=True)
        pairs = [(int(raw["update_id"]), json.dumps(raw)) for raw in left]
        now = product.clock.real()
        await product.db.writer.run(
            "test.left", lambda r: r.inbox.store(product.telegram.bot_id, pairs, now=now)
        )
    tap = asyncio.ensure_future(phones.tap("approver", card, "Approve"))
    await phones.say("member", "create task: said meanwhile")
    async with living(world) as product:
        await phones.see("member", "Stamped paper")
        assert (await tap)["answered"]
        await settled(product)
        titles = Counter(str(json.loads(str(row[3])).get("title")) for row in await calls_of(product))
        assert titles == Counter(["left undone", "said meanwhile", "None"])
    async with living(world) as product:
        await settled(product)
        assert len(await calls_of(product)) == 3
    assert set(effects(folder / "one.ledger").values()) == {1}


# --- groups ------------------------------------------------------------------------------------------------


async def test_groups_commands_mentions_replies_and_topics(world: World) -> None:
    _, phones, _ = world
    async with living(world) as product:
        await phones.say("member", "/help", chat="group")
        await phones.see("group", "/history")
        await phones.say("member", "@countersign_bot create task: by mention", chat="group")
        done = await phones.see("group", "by mention")
        await phones.say("member", "create task: by reply", chat="group", reply_to=done["message_id"])
        await phones.see("group", "by reply")
        said = await phones.say("member", "/task in the topic", chat="group", thread=2)
        told = await phones.see("group", "in the topic")
        assert told["thread"] == said["thread"] == 2
        await phones.say("member", "create task: between people", chat="group")
        await phones.say("member", "/task@other_bot for somebody else", chat="group")
        await phones.say("member", "/task last of all", chat="group")
        await phones.see("group", "last of all")
        await settled(product)
        texts = [json.loads(str(row[3]))["title"] for row in await calls_of(product)]
        assert sorted(texts) == ["by mention", "by reply", "in the topic", "last of all"]
