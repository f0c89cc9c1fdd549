"""T29: cards deleted, chats closed or moved: every call can be decided through another card, or expires."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.bootstrap import Countersign
from bot.sandbox import posting
from tests.e2e.ledger import effects, stamp
from tests.e2e.lives import World, living, product_updates, settled
from tests.e2e.phone import Phones, Seen, labels, product_at
from tests.e2e.still import given_up, left_over, press
from tests.e2e.talk import ask, card_at, data, short

CARDS = 10


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A product that lives, and the group as it is now."""

    world: World
    product: Countersign

    @property
    def phones(self) -> Phones:
        return self.world[1]

    @property
    def group(self) -> int:
        return self.world[0].world.group.id

    async def asked(self, paper: str, *, chat: str | int = "group") -> dict[str | int, Seen]:
        """The member asks for a stamp; its cards, by the chat that they are in."""
        await self.phones.say("member", f"/stamp {paper}", chat=chat)
        cards = {where: await self.card(where, paper) for where in (chat, "approver", "admin")}
        await settled(self.product)
        return cards

    async def card(self, where: str | int, paper: str) -> Seen:
        """The open card in a chat."""
        return await self.phones.see(where, lambda m: paper in m["text"] and "Approve" in " ".join(labels(m)))

    async def tap(self, person: str, card: Seen, *, chat: str | int | None = None) -> None:
        """Approves, which counts."""
        answer = await self.phones.tap(person, card, "Approve", chat=chat)
        assert answer["answered"]
        assert not answer["alert"], answer

    async def delete(self, where: str, card: Seen) -> None:
        """Somebody deletes a message."""
        sandbox = self.world[0].world
        bot = next(iter(sandbox.bots))
        person = next((one.id for one in sandbox.people.values() if one.key == where), None)
        key = str(self.group) if person is None else f"{person}:{bot}"
        posting.change(sandbox, sandbox.messages[key][card["message_id"]], deleted=True)

    async def done(self, *chats: str | int, paper: str) -> None:
        """These chats show that it is done."""
        for chat in chats:
            await self.phones.see(chat, lambda m: paper in m["text"] and "Done" in m["text"])

    async def at_its_end(self, papers: int) -> None:
        """Every call ran once and ended, and nothing waits to be sent."""
        await settled(self.product)
        counted = effects(self.world[2] / "one.ledger")
        assert list(counted.values()) == [1] * papers
        assert not left_over(self.world[2] / "one")


Way = Callable[[Scene, str], Awaitable[None]]


async def by_the_group(scene: Scene, paper: str) -> None:
    await scene.tap("approver", await scene.card("group", paper), chat="group")


async def by_the_approver(scene: Scene, paper: str) -> None:
    await scene.tap("approver", await scene.card("approver", paper))


async def by_the_admin(scene: Scene, paper: str) -> None:
    await scene.tap("admin", await scene.card("admin", paper))


async def by_pending(scene: Scene, paper: str) -> None:
    """Next brings one card after the other to the end of the private chat, up to this one's."""
    listed = await ask(scene.phones, "approver", "/pending", "waiting for your signature")
    while paper not in _pointed_at(listed):
        assert not (await scene.phones.tap("approver", listed, "Next"))["alert"]
        listed = await scene.phones.see("approver", "waiting for", after=listed["change"])
    await settled(scene.product)
    shown = [m for m in await scene.phones.messages("approver") if paper in m["text"] and m["buttons"]]
    await scene.tap("approver", next(m for m in reversed(shown) if "Asked by" in m["text"]))


def _pointed_at(listed: Seen) -> str:
    """The row of the queue whose card stands above it."""
    return next(line for line in str(listed["text"]).splitlines() if line.startswith("▸"))


WAYS: Mapping[str, Way] = {
    "group": by_the_group,
    "approver": by_the_approver,
    "admin": by_the_admin,
    "pending": by_pending,
}


async def test_t29_a_card_that_somebody_deleted(world: World) -> None:
    """Deleted in one chat, decided in another; where it was, the result is told anew."""
    pairs = [(gone, way) for gone in ("group", "approver", "admin") for way in WAYS if gone != way]
    async with living(world) as product:
        scene = Scene(world=world, product=product)
        for number, (gone, way) in enumerate(pairs):
            paper = f"paper-{number:02}."
            cards = await scene.asked(paper)
            await scene.delete(gone, cards[gone])
            await WAYS[way](scene, paper)
            await scene.done("group", "approver", "admin", paper=paper)
        paper = "paper-all."
        for where, card in (await scene.asked(paper)).items():
            await scene.delete(str(where), card)
        await by_pending(scene, paper)
        await scene.done("group", "approver", "admin", paper=paper)
        await scene.at_its_end(len(pairs) + 1)
    print(f"T29: {len(pairs) + 1}/{len(pairs) + 1} deleted cards, each decided by another, 1 effect each")


async def test_t29_a_card_that_is_said_to_show_it_already(world: World) -> None:
    """Telegram says "not modified" of a card that shows something old: a tap there mends it."""
    same = "Bad Request: message is not modified: specified new message content is exactly the same"
    async with living(world) as product:
        scene = Scene(world=world, product=product)
        for number, way in enumerate(WAYS):
            paper = f"paper-{number:02}."
            cards = await scene.asked(paper)
            # For real first: nothing has changed since the card was sent.
            product.telegram.relay.refresh(1003, cards["admin"]["message_id"])
            await product.telegram.relay.settled(1003)
            left = "admin" if way != "admin" else "approver"
            order = {"method": "editMessageText", "chat": left, "status": 400, "description": same}
            await scene.phones.post("faults", **order, times=2)
            await WAYS[way](scene, paper)
            await scene.done("group", paper=paper)
            await settled(product)
            world[0].world.faults.forget()
            old = next(m for m in await scene.phones.messages(left) if paper in m["text"])
            late = await scene.phones.tap(left, old, data=data(cards[left], "Approve"))
            assert late["answered"]
            await scene.done("approver", "admin", paper=paper)
        await scene.at_its_end(len(WAYS))
    assert not given_up(world[2] / "one"), "it shows what it should: no failure"
    print(f"T29: {len(WAYS)}/{len(WAYS)} cards said to be as they were, each decided and brought up to date")


@pytest.mark.parametrize(("away_s", "counts"), [(20, True), (200, False)])
async def test_t29_a_tap_whose_query_is_too_old(world: World, away_s: int, counts: bool) -> None:
    """After 15 s a tap cannot be answered any more, and counts; after 150 s Telegram forgets it."""
    async with living(world) as product:
        scene = Scene(world=world, product=product)
        papers = [f"paper-{number:02}." for number in range(len(WAYS))]
        cards = [await scene.asked(paper) for paper in papers]
    for card in cards:
        press(world, "approver", card["approver"], "Approve")
    late = dict(world[0].world.callbacks)
    await scene.phones.post("clock", advance_s=away_s)
    async with living(world) as product:
        scene = Scene(world=world, product=product)
        if not counts:
            assert not effects(world[2] / "one.ledger")
            for paper, way in zip(papers, WAYS.values(), strict=True):
                await way(scene, paper)
        for paper in papers:
            await scene.done("group", "approver", "admin", paper=paper)
        await scene.at_its_end(len(papers))
    assert len(late) == len(papers)
    known = world[0].world.callbacks
    assert not [tap for tap in late if tap in known and known[tap].answered], "too late for an answer"
    heard = "too late to be answered" if counts else "forgotten, decided by another"
    print(f"T29: {len(papers)}/{len(papers)} taps {heard}, 1 effect each")


async def test_t29_whoever_blocks_the_bot_leaves_the_decision_to_others(world: World) -> None:
    """The requester, one approver, then both approvers, who find it again when they come back."""
    async with living(world) as product:
        scene = Scene(world=world, product=product)
        phones = scene.phones
        plan = [
            ("member", "member", by_the_approver, ("approver", "admin")),
            ("member", "member", by_pending, ("approver", "admin")),
            ("group", "approver", by_the_group, ("group", "admin")),
            ("group", "approver", by_the_admin, ("group", "admin")),
            ("member", "approver", by_the_admin, ("member", "admin")),
        ]
        for number, (chat, blocker, way, told) in enumerate(plan):
            paper = f"paper-{number:02}."
            await scene.asked(paper, chat=chat)
            await phones.post("people", key=blocker, action="block")
            await way(scene, paper)
            await scene.done(*told, paper=paper)
            await settled(product)
            assert not await product.db.reader.read(lambda r: r.outbox.chats())
            await phones.post("people", key=blocker, action="unblock")
            await settled(product)
        for person in ("approver", "admin"):
            await phones.post("people", key=person, action="block")
        await settled(product)
        await phones.say("member", "/stamp paper-last.")
        await card_at(phones, "member", "paper-last.")
        await settled(product)
        await phones.post("people", key="approver", action="unblock")
        await by_pending(scene, "paper-last.")
        await scene.done("member", "approver", paper="paper-last.")
        await scene.at_its_end(len(plan) + 1)
    print(f"T29: {len(plan) + 1}/{len(plan) + 1} blocks, each call decided by somebody else, 1 effect each")


async def test_t29_kicked_from_the_group_with_open_cards(world: World) -> None:
    ways = {name: way for name, way in WAYS.items() if name != "group"}
    async with living(world) as product:
        scene = Scene(world=world, product=product)
        papers = {f"paper-{name}.": way for name, way in ways.items()}
        for paper in papers:
            await scene.asked(paper)
        await scene.phones.post("members", chat="group", action="remove", bot=product.telegram.bot_id)
        for paper, way in papers.items():
            await way(scene, paper)
            await scene.done("approver", "admin", paper=paper)
        await scene.at_its_end(len(papers))
        await scene.phones.post("members", chat="group", action="add", bot=product.telegram.bot_id)
        await ask(scene.phones, "member", "/task here again", "here again", chat="group")
        await settled(product)
    print(f"T29: {len(papers)}/{len(papers)} calls of a group that is closed to us, 1 effect each")


async def test_t29_kicked_from_the_group_where_all_is_signed(world: World, tmp_path: Path) -> None:
    """Only that group was asked: the list of what waits is the way that is left."""
    sandbox, phones, folder = world
    config = tmp_path / "config.toml"
    config.write_text(f"[telegram]\napprovers_chat = {sandbox.world.group.id}\n")
    ledger = stamp(folder / "one.ledger")
    async with product_at(sandbox, folder / "one", config=config, extra=[ledger]) as product:
        for person in ("member", "approver", "admin"):
            await ask(phones, person, "/start")
        scene = Scene(world=world, product=product)
        await phones.say("member", "/stamp paper-before.")
        await scene.card("group", "paper-before.")
        await settled(product)
        await phones.post("members", chat="group", action="remove", bot=product.telegram.bot_id)
        await settled(product)
        await phones.say("member", "/stamp paper-after.")
        await card_at(phones, "member", "paper-after.")
        for paper in ("paper-before.", "paper-after."):
            await by_pending(scene, paper)
            await scene.done("member", "approver", paper=paper)
        await scene.at_its_end(2)
    print("T29: 2/2 calls of a group of approvers that is closed to us, 1 effect each")


async def test_t29_an_approvers_group_that_moved_has_one_card_of_each(world: World, tmp_path: Path) -> None:
    """The settings still name the group of before: what is asked for in the new one is sent there once."""
    sandbox, phones, folder = world
    config = tmp_path / "config.toml"
    config.write_text(f"[telegram]\napprovers_chat = {sandbox.world.group.id}\n")
    ledger, papers = stamp(folder / "one.ledger"), ("paper-there.", "paper-private.")
    async with product_at(sandbox, folder / "one", config=config, extra=[ledger]) as product:
        for person in ("member", "approver", "admin"):
            await ask(phones, person, "/start")
        await phones.post("members", chat="group", action="migrate")
        scene = Scene(world=world, product=product)
        for paper in papers:
            await phones.say("member", f"/stamp {paper}", chat=scene.group if "there" in paper else "member")
            card = await scene.card(scene.group, paper)
            await settled(product)
            await scene.tap("approver", card, chat=scene.group)
            await scene.done(scene.group, paper=paper)
        await scene.at_its_end(len(papers))
        shown = [m["text"] for m in await phones.messages(scene.group) if m["from"]["is_bot"]]
        assert [sum(paper in text for text in shown) for paper in papers] == [1, 1]
    assert not given_up(folder / "one")
    print(
        f"T29: {len(papers)}/{len(papers)} calls of an approvers' group that moved, a card and 1 effect each"
    )


@pytest.mark.parametrize("told", [True, False], ids=["told", "found out by sending"])
async def test_t29_a_group_that_moves_with_ten_open_cards(world: World, told: bool) -> None:
    """All ten are in the new chat, and all ways decide; the last two are left to expire there."""
    sandbox, phones, _ = world
    async with living(world) as product:
        scene = Scene(world=world, product=product)
        papers = [f"paper-{number:02}." for number in range(CARDS)]
        first = [await scene.asked(paper) for paper in papers]
        known = {short(cards["group"]) for cards in first}
    old = scene.group
    await phones.post("members", chat="group", action="migrate")
    assert scene.group != old
    if not told:
        product_updates(world, forget=True)
    async with living(world) as product:
        scene = Scene(world=world, product=product)
        if not told:
            # Nobody tells of the move: the first message to the old chat finds it out.
            await by_the_approver(scene, papers[0])
        for paper in papers[not told :]:
            await scene.card(scene.group, paper)
        ways = [by_the_group, by_the_approver, by_the_admin, by_pending]
        for number, paper in list(enumerate(papers))[not told : CARDS - 2]:
            await ways[number % len(ways)](scene, paper)
        for paper in papers[: CARDS - 2]:
            await scene.done(scene.group, "approver", "admin", paper=paper)
        await settled(product)
        await phones.post("clock", advance_s=25 * 3600)
        for paper in papers[CARDS - 2 :]:
            await phones.see(scene.group, lambda m, p=paper: p in m["text"] and "xpired" in m["text"])  # type: ignore[misc]
        await ask(phones, "member", "/task still here", "still here", chat=scene.group)
        await scene.at_its_end(CARDS - 2)
        shown = [m for m in await phones.messages(scene.group) if "paper-" in m["text"]]
        assert {short(m) for m in shown} == known
        assert len(shown) == CARDS
    assert sandbox.world.group.id == scene.group
    print(f"T29: {CARDS}/{CARDS} cards of a group that moved, {CARDS - 2} decided, 2 expired, 1 effect each")
