"""What comes from Telegram, however it comes: T28 and T29. Nothing lost, nothing doubled, nobody held up."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.bootstrap import Countersign
from bot.sandbox import people
from bot.sandbox.limits import Limits
from bot.sandbox.rules import Rules
from bot.sandbox.server import RunningSandbox, start_sandbox
from core.lifecycle import Status
from core.model import Channel
from core.ports import Records
from tests.crash.stage import LongPhones
from tests.e2e.ledger import effects, stamp
from tests.e2e.phone import PATIENCE_S, Phones, Seen, labels, product_at
from tests.e2e.rounds import FULL, rounds

PEOPLE = ("member", "approver", "admin")
"""python-telegram-bot says at each 429 that its type will change; we read both."""
Raw = Mapping[str, Any]
World = tuple[RunningSandbox, Phones, Path]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A sandbox that outlives products."""
    rules = Rules(same_offset_window=0, burst_window=0)
    sandbox = await start_sandbox(limits=Limits.off(), rules=rules)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield sandbox, LongPhones(sandbox.url, session), tmp_path
    finally:
        await sandbox.stop()


@asynccontextmanager
async def living(world: World, name: str = "one") -> AsyncIterator[Countersign]:
    """A product on a data folder of this name, its people known and their chats open."""
    sandbox, phones, folder = world
    async with product_at(sandbox, folder / name, extra=[stamp(folder / f"{name}.ledger")]) as product:
        for person in PEOPLE:
            if not await phones.messages(person):
                await phones.say(person, "/start")
                await phones.see(person, lambda message: message["from"]["is_bot"])
        await settled(product)
        yield product


async def settled(product: Countersign) -> None:
    """Returns once everything in hand is done and told."""
    changed = asyncio.Event()
    product.db.writer.listen("audit", lambda _key: changed.set())

    def under_way(records: Records) -> bool:
        undone = records.inbox.undone(product.telegram.bot_id, limit=1)
        return bool(undone or records.calls.waiting(Status.PENDING, limit=1))

    async with asyncio.timeout(PATIENCE_S * (20 if FULL else 1)):
        while True:
            changed.clear()
            await product.telegram.inbox.drain()
            if running := list(product.executor._running.values()):
                await asyncio.wait(running)
            elif await product.db.reader.read(under_way):
                await changed.wait()
            else:
                break
        for chat in await product.db.reader.read(lambda records: records.outbox.chats()):
            await product.telegram.relay.settled(chat)


async def hold(world: World, product: Countersign) -> None:
    """From now on the product fetches nothing: what people do waits at the sandbox."""
    _, phones, _ = world
    for_ever = asyncio.Event()

    async def fetch(_offset: int | None) -> Sequence[Raw]:
        await for_ever.wait()
        return []

    product.telegram.inbox._fetch = fetch  # type: ignore[method-assign, assignment]
    said = await phones.say("member", "/help")
    await phones.see("member", lambda m: m["message_id"] > said["message_id"] and m["from"]["is_bot"])
    await settled(product)
    product_updates(world, forget=True)


def product_updates(world: World, *, forget: bool = False) -> list[Raw]:
    """What waits for the bot at the sandbox, as Telegram would give it."""
    updates = world[0].world.updates
    bot = next(iter(world[0].world.bots))
    found: list[Raw] = [waiting.body for waiting in updates._queue(bot).updates.values()]
    if forget:
        updates.drop(bot)
    return found


async def calls_of(product: Countersign) -> list[tuple[object, ...]]:
    """Every call, as far as it does not depend on when it was made."""

    def read(records: Records) -> list[tuple[object, ...]]:
        rows = records.calls._session._cursor.execute(  # type: ignore[attr-defined]
            "SELECT v.chat, c.source_message, c.tool, c.arguments, c.status, c.requester_name, c.attempts "
            "FROM tool_calls c JOIN conversations v ON v.id = c.conversation_id"
        )
        return sorted((tuple(row) for row in rows.fetchall()), key=str)

    return await product.db.reader.read(read)


def shuffled(raws: Sequence[Raw], chance: random.Random) -> list[Raw]:
    """Each 1 to 5 times, in any order."""
    many = [raw for raw in raws for _ in range(chance.randint(1, 5))]
    chance.shuffle(many)
    return many


async def feed(product: Countersign, raws: Sequence[Raw], *, batch: int = 7) -> None:
    for at in range(0, len(raws), batch):
        await product.telegram.inbox._take(raws[at : at + batch])
    await settled(product)


# --- T28 ---------------------------------------------------------------------------------------------------


@pytest.mark.timeout(900 if FULL else 120)
async def test_t28_shuffled_and_repeated_updates_come_to_the_same(world: World) -> None:
    number = rounds("T28", normal=120, full=1000)
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
        await feed(product, shuffled(raws, chance))
        assert len(await calls_of(product)) == number - stamps
        await feed(product, shuffled(await tapped(world, stamps, after=before["approver"]), chance))
        assert await calls_of(product) == expected
    first, second = (effects_by_text(world[2] / f"{name}.ledger") for name in ("in order", "shuffled"))
    assert first == second
    assert set(first.values()) == {1}
    assert len(first) == stamps - stamps // 2
    assert set(effects(world[2] / "shuffled.ledger").values()) == {1}


async def said(world: World, number: int, stamps: int) -> list[Raw]:
    """So many messages from three people, the stamps among them; the updates they make."""
    _, phones, _ = world
    for at in range(number):
        person = PEOPLE[at % 3]
        text = f"/stamp paper-{at}" if at < stamps else f"create task: thing {at}"
        if at % 4 == 3:
            await phones.say(person, f"/task thing {at}" if at >= stamps else text, chat="group")
        else:
            await phones.say(person, text)
    return product_updates(world, forget=True)


async def tapped(world: World, stamps: int, *, after: int = 0) -> list[Raw]:
    """One tap on each stamp's card: every second one is denied."""
    sandbox, phones, _ = world
    cards: dict[int, dict[str, Seen]] = {}
    for person in ("approver", "admin"):
        for message in await everything(phones, person):
            if "Approve" in " ".join(labels(message)) and message["message_id"] > after:
                cards.setdefault(paper_of(message["text"]), {})[person] = message
    assert len(cards) == stamps
    for paper, cards_by in cards.items():
        # Whoever asked may not sign: paper n was asked for by PEOPLE[n % 3].
        signer = "admin" if paper % 3 == 1 else "approver"
        label = "Deny" if paper % 2 else "Approve"
        message = cards_by[signer]
        data = next(b["data"] for row in message["buttons"] for b in row if label in b["text"])
        who = next(p for p in sandbox.world.people.values() if p.key == signer)
        bot = next(iter(sandbox.world.bots))
        stored = sandbox.world.messages[f"{who.id}:{bot}"][message["message_id"]]
        people.press(sandbox.world, who, stored, data)
    return product_updates(world, forget=True)


def paper_of(text: str) -> int:
    return int(text.split("paper-")[1].split(maxsplit=1)[0].strip('"'))


def effects_by_text(ledger: Path) -> Counter[str]:
    return Counter(line.split(" ", 1)[1] for line in ledger.read_text().splitlines())


async def everything(phones: Phones, chat: str) -> list[Seen]:
    answer = await phones.get(f"chats/{chat}/messages?limit=1000000")
    return [message for message in answer["messages"] if not message.get("deleted")]


async def newest(phones: Phones, chat: str) -> int:
    return max(int(message["message_id"]) for message in await everything(phones, chat))


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


async def test_t29_a_group_that_becomes_a_supergroup_keeps_its_cards(world: World) -> None:
    sandbox, phones, folder = world
    async with living(world) as product:
        for at in range(10):
            await phones.say("member", f"/stamp paper-{at}", chat="group")
        await phones.see("group", lambda m: "Approve" in " ".join(labels(m)), times=10)
        await settled(product)
        await phones.post("members", chat="group", action="migrate")
        new = sandbox.world.group.id
        await phones.see(new, lambda m: "Approve" in " ".join(labels(m)), times=10)
        await settled(product)
        cards = [m for m in await phones.messages(new) if "Approve" in " ".join(labels(m))]
        assert len(cards) == 10
        for card in cards:
            answer = await phones.tap("approver", card, "Approve", chat=new)
            assert answer["answered"]
            assert not answer["alert"], answer
        await phones.see(new, lambda m: "Done" in m["text"], times=10)
        await phones.say("member", "/task still here", chat=new)
        await phones.see(new, "still here")
    assert sorted(effects(folder / "one.ledger").values()) == [1] * 10


# --- T29: chats that fail ----------------------------------------------------------------------------------


async def test_t29_whoever_blocked_the_bot_holds_up_nobody(world: World) -> None:
    _, phones, folder = world
    async with living(world) as product:
        await phones.post("people", key="approver", action="block")
        await settled(product)
        await phones.say("member", "/stamp paper-0")
        copy = await phones.see("admin", lambda m: "paper-0" in m["text"] and bool(m["buttons"]))
        await phones.tap("admin", copy, "Approve")
        await phones.see("member", "Stamped paper-0")
        await settled(product)
        assert not await product.db.reader.read(lambda r: r.outbox.chats())
        await phones.post("people", key="approver", action="unblock")
        await settled(product)
        await phones.say("member", "/stamp paper-1")
        await phones.see("approver", lambda m: "paper-1" in m["text"] and bool(m["buttons"]))
    assert len(effects(folder / "one.ledger")) == 1


async def test_t29_blocked_before_it_was_told_so(world: World) -> None:
    """The send fails before the update of the block is there."""
    _, phones, _ = world
    async with living(world) as product:
        await phones.post(
            "faults", chat="approver", status=403, description="Forbidden: bot was blocked by the user"
        )
        await phones.say("member", "/stamp paper-0")
        await phones.see("admin", lambda m: "paper-0" in m["text"] and bool(m["buttons"]))
        await settled(product)
        assert not await product.db.reader.read(lambda r: r.outbox.chats())
        paul = await product.db.reader.read(lambda r: r.people.identity(Channel.TELEGRAM, "1002"))
        assert paul is not None
        assert paul.private_chat is None
        await phones.say("approver", "/help")
        await phones.see("approver", "/history")
        await phones.say("member", "/stamp paper-1")
        await phones.see("approver", lambda m: "paper-1" in m["text"] and bool(m["buttons"]))


@pytest.mark.parametrize("problem", ["message to edit not found", "message can't be edited"])
async def test_t29_a_card_that_is_gone_is_sent_anew(world: World, problem: str) -> None:
    _, phones, folder = world
    async with living(world) as product:
        await phones.say("member", "/stamp paper-0")
        copy = await phones.see("approver", lambda m: "paper-0" in m["text"] and bool(m["buttons"]))
        own = await phones.see("member", lambda m: "paper-0" in m["text"] and bool(m["buttons"]))
        await settled(product)
        description = f"Bad Request: {problem}"
        await phones.post(
            "faults", method="editMessageText", chat="member", status=400, description=description
        )
        await phones.tap("approver", copy, "Approve")
        anew = await phones.see("member", "Done")
        assert anew["message_id"] > own["message_id"]
        # From now on the new message is the card.
        late = await phones.tap("member", anew, data=own["buttons"][0][0]["data"])
        assert "already" in late["text"]
        await settled(product)
        assert len([m for m in await phones.messages("member") if "Done" in m["text"]]) == 1
    assert set(effects(folder / "one.ledger").values()) == {1}


async def test_t29_not_modified_and_a_query_that_is_too_old_are_no_failures(world: World) -> None:
    _, phones, folder = world
    async with living(world) as product:
        await phones.say("member", "/stamp paper-0")
        copy = await phones.see("approver", lambda m: "paper-0" in m["text"] and bool(m["buttons"]))
        await settled(product)
        same = "Bad Request: message is not modified: specified new message content is exactly the same"
        await phones.post("faults", method="editMessageText", chat="approver", status=400, description=same)
        old = "Bad Request: query is too old and response timeout expired or query ID is invalid"
        await phones.post("faults", method="answerCallbackQuery", status=400, description=old)
        tap = asyncio.ensure_future(phones.tap("approver", copy, "Approve"))
        await phones.see("member", "Stamped paper-0")
        await settled(product)
        assert not await product.db.reader.read(lambda r: r.outbox.chats())
        tap.cancel()
    assert set(effects(folder / "one.ledger").values()) == {1}


async def test_t27_a_429_is_kept_for_its_chat_while_others_go_on(world: World) -> None:
    _, phones, _ = world
    async with living(world):
        loop = asyncio.get_running_loop()
        await phones.post("faults", method="sendMessage", chat="member", status=429, retry_after=2)
        begun = loop.time()
        await phones.say("member", "create task: waits")
        waiting = asyncio.ensure_future(phones.see("member", "waits"))
        for at in range(3):
            await phones.say("admin", f"create task: goes on {at}")
            await phones.see("admin", f"goes on {at}")
        assert loop.time() - begun < 2
        assert not waiting.done()
        await waiting
        assert loop.time() - begun >= 2


@pytest.mark.parametrize(
    "fault",
    [{"status": 502}, {"status": 429, "retry_after": 1}, {"drop": True}, {"status": 500, "times": 2}],
    ids=str,
)
async def test_t27_what_failed_is_sent_again(world: World, fault: dict[str, Any]) -> None:
    _, phones, _ = world
    async with living(world) as product:
        await phones.post("faults", method="sendMessage", chat="member", **fault)
        await phones.say("member", "create task: first")
        await phones.say("member", "create task: second")
        second = await phones.see("member", "second")
        first = await phones.see("member", "first")
        assert first["message_id"] < second["message_id"], "in order"
        await settled(product)
        assert not await product.db.reader.read(lambda r: r.outbox.chats())


async def test_an_unexpected_failure_does_not_end_a_chat(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lane goes on by itself: nobody else has to say something there first."""
    _, phones, _ = world
    async with living(world) as product:
        sender = product.telegram.relay._sender
        put, failures = sender.put, iter([KeyError("unexpected")])

        async def fails_once(*arguments: Any) -> Any:
            for failure in failures:
                raise failure
            return await put(*arguments)

        monkeypatch.setattr(sender, "put", fails_once)
        await phones.say("member", "create task: told all the same")
        await phones.see("member", "told all the same")


async def test_html_that_telegram_refuses_is_sent_plainly(world: World) -> None:
    _, phones, _ = world
    async with living(world):
        refused = 'Bad Request: can\'t parse entities: Unsupported start tag "b" at byte offset 0'
        await phones.post("faults", method="sendMessage", chat="member", status=400, description=refused)
        await phones.say("member", "/stamp <paper>")
        card = await phones.see("member", lambda m: "<paper>" in m["text"] and bool(m["buttons"]))
        assert "<b>" not in card["text"]
        assert {entity["type"] for entity in card.get("entities", [])} <= {"hashtag"}


# --- telling how it ended ----------------------------------------------------------------------------------


def replies_to(messages: Sequence[Seen], card: Seen) -> list[Seen]:
    return [m for m in messages if m.get("reply_to") == card["message_id"] and m["from"]["is_bot"]]


@pytest.mark.parametrize("switched_on", [True, False])
async def test_a_late_end_is_told_in_a_reply_unless_switched_off(world: World, switched_on: bool) -> None:
    _, phones, _ = world
    async with living(world) as product:
        if not switched_on:
            await phones.say("member", "/settings")
            shown = await phones.see("member", lambda m: "Turn replies off" in labels(m))
            await phones.tap("member", shown, "Turn replies off")
            await phones.see("member", lambda m: "Turn replies on" in labels(m))
        await phones.say("member", "/stamp paper-9")
        late = await phones.see("approver", lambda m: "paper-9" in m["text"] and bool(m["buttons"]))
        card = await phones.see("member", lambda m: "paper-9" in m["text"] and bool(m["buttons"]))
        await settled(product)
        await phones.post("clock", advance_s=60)
        await phones.tap("approver", late, "Approve")
        await phones.see("member", lambda m: m["message_id"] == card["message_id"] and "Done" in m["text"])
        await settled(product)
        assert len(replies_to(await phones.messages("member"), card)) == switched_on


async def test_an_end_that_comes_at_once_is_not_told_twice(world: World) -> None:
    _, phones, _ = world
    async with living(world) as product:
        await phones.say("member", "/stamp soon")
        copy = await phones.see("approver", lambda m: "soon" in m["text"] and bool(m["buttons"]))
        card = await phones.see("member", lambda m: "soon" in m["text"] and bool(m["buttons"]))
        await phones.tap("approver", copy, "Approve")
        await phones.see("member", lambda m: m["message_id"] == card["message_id"] and "Done" in m["text"])
        await settled(product)
        assert not replies_to(await phones.messages("member"), card)
