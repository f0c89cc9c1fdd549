"""Controls that `make sabotage` takes out and that no other test would miss, through the sandbox's phones."""

from __future__ import annotations

from bot.bootstrap import Countersign
from tests.e2e.ledger import stamp
from tests.e2e.lives import World, living
from tests.e2e.phone import Phones, product_at
from tests.e2e.talk import ask

ROUND_TRIPS = 3


async def told(phones: Phones) -> int:
    """How many messages of the bot the member's chat shows."""
    return sum(bool(message["from"]["is_bot"]) for message in await phones.messages("member"))


async def others_are_answered(phones: Phones) -> None:
    """Longer than a message takes that is not held back."""
    for _ in range(ROUND_TRIPS):
        await ask(phones, "admin", "/whoami", "your id")


async def postponed(product: Countersign) -> bool:
    """Whether something that waits was refused by Telegram once."""

    async with product.db.pages.connect() as connection:
        rows = await connection.exec_driver_sql(
            "SELECT count(*) FROM outbox WHERE done_at IS NULL AND tries > 0"
        )
        return bool(rows.scalar_one())


async def test_a_chat_that_was_told_to_wait_waits_whatever_comes_for_it(world: World) -> None:
    sandbox, phones, folder = world
    async with living(world) as product:
        before = await told(phones)
        await phones.post("faults", method="sendMessage", chat="member", status=429, retry_after=3600)
        await phones.say("member", "/whoami")
        while not await postponed(product):
            await others_are_answered(phones)
        await phones.say("member", "/help")
        await others_are_answered(phones)
        assert await told(phones) == before, "something was sent early"
    async with product_at(sandbox, folder / "one", extra=[stamp(folder / "one.ledger")]):
        await others_are_answered(phones)
        assert await told(phones) == before, "a restart forgot that the chat must wait"
