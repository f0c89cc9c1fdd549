"""One world and the lives of bots in it: updates held back, shuffled, fed again; what came of them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.bootstrap import Countersign
from bot.sandbox import people
from bot.sandbox.server import RunningSandbox
from core.lifecycle import Status
from core.ports import Records
from core.tool import Tool
from tests.e2e.ledger import stamp
from tests.e2e.phone import PATIENCE_S, Phones, Seen, labels, product_at
from tests.e2e.rounds import FULL

PEOPLE = ("member", "approver", "admin")
Raw = Mapping[str, Any]
World = tuple[RunningSandbox, Phones, Path]


@asynccontextmanager
async def living(
    world: World, name: str = "one", *, extra: Sequence[Tool] = ()
) -> AsyncIterator[Countersign]:
    """A product on a data folder of this name, its people known and their chats open."""
    sandbox, phones, folder = world
    async with product_at(
        sandbox, folder / name, extra=[stamp(folder / f"{name}.ledger"), *extra]
    ) as product:
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
