"""The product through the sandbox, on a database of either kind, for faults of its storage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from bot.bootstrap import Countersign
from bot.sandbox import people
from bot.sandbox.server import RunningSandbox
from tests.crash.stage import PEOPLE, LongPhones
from tests.e2e.ledger import effects, stamp
from tests.e2e.lives import settled
from tests.e2e.phone import Seen, product_at
from tests.e2e.talk import card_at, data
from tests.kit.databases import Place


class Town(Struct, frozen=True, kw_only=True):
    """A sandbox that outlives products, its phones, a folder, and the database that products are given."""

    sandbox: RunningSandbox
    phones: LongPhones
    folder: Path
    place: Place

    @property
    def ledger(self) -> Path:
        """What was really stamped, whatever the product's tables say."""
        return self.folder / "ledger"

    @asynccontextmanager
    async def living(self) -> AsyncIterator[Countersign]:
        """A product on the database, its three people known and their chats open."""
        config = None
        if isinstance(self.place.address, str):
            config = self.folder / "config.toml"
            config.write_text(f'[storage]\nurl = "{self.place.address}"\n')
        tools = [stamp(self.ledger)]
        async with product_at(self.sandbox, self.folder, config=config, extra=tools) as product:
            for person in PEOPLE:
                if not await self.phones.messages(person):
                    await self.phones.say(person, "/start")
                    await self.phones.see(person, lambda message: message["from"]["is_bot"])
            await settled(product)
            yield product

    async def asked(self, *papers: str) -> list[Seen]:
        """Stamps that the member asks for; the approver's cards."""
        for paper in papers:
            await self.phones.say("member", f"/stamp {paper}")
        return [await card_at(self.phones, "approver", f"{paper}\n") for paper in papers]

    def press(self, who: str, cards: Sequence[Seen], label: str) -> list[str]:
        """Taps on all cards at one moment, so that one fetch of updates has them; the ids of the taps."""
        world = self.sandbox.world
        person = next(one for one in world.people.values() if one.key == who)
        chat = world.messages[f"{person.id}:{next(iter(world.bots))}"]
        return [people.press(world, person, chat[card["message_id"]], data(card, label)) for card in cards]

    def effects(self) -> list[int]:
        """How often each stamped call was stamped."""
        return list(effects(self.ledger).values())
