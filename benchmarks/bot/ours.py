"""The real product as the benchmark runs it: with a tool that does nothing, and cards dealt on order.

Run by its path with its orders as JSON. Reads lines from standard input: `{"chats": n, "each": k}` proposes k
calls in each of the first n private chats and prints `dealt` once their cards are recorded as shown; the end
of the input stops it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from bot import logs
from bot.bootstrap import Countersign, build
from bot.config import load
from bot.telegram.pace import Pace
from core.engine import Proposal, Proposed, propose
from core.ids import AccountId, ConversationId, PersonId
from core.model import Channel, Conversation, Identity, Person, Principal, Risk, Role
from core.ports import Records
from core.redaction import Redactor
from core.tool import Effect, Preview, Slot, SlotKind, Tool, ToolContext, ToolInput, ToolResult

RESULT = "Stamped."
"""What the card shows once the call has ended."""


class StampInput(ToolInput):
    """What the benchmark's tool takes."""

    text: str


async def stamp(_arguments: StampInput, _context: ToolContext) -> ToolResult:
    """Does nothing."""
    return ToolResult(text=RESULT, data={"stamped": True})


TOOL = Tool(
    name="stamp",
    title="Stamp",
    version="1",
    description="Does nothing: what is measured is everything around it.",
    input=StampInput,
    risk=Risk.MEDIUM,  # its requester may sign: one card a call
    effects=frozenset({Effect.WRITES}),
    run=stamp,
    preview=lambda arguments: Preview(title=f"Stamp {arguments.text}"),
    slots={"text": Slot(kind=SlotKind.TEXT)},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """How the product is to run. `people`: Telegram's numbers of those who tap. `profile`: where to write
    what its threads spend their time on; "" for not."""

    data: str
    url: str
    token: str
    people: list[int]
    profile: str = ""


class Dealer:
    """Members with a private chat each, and the calls that wait there for their signature."""

    def __init__(self, product: Countersign, chats: list[int]) -> None:
        self._product = product
        self._places = [_place(product, chat) for chat in chats]
        self._number = 0

    async def prepare(self) -> None:
        """Makes the members that are not there yet."""
        await self._product.db.writer.run("bench.people", self._add)

    async def deal(self, *, chats: int, each: int) -> None:
        """Proposes, and returns once every card is recorded as shown."""
        places = self._places[:chats]
        await asyncio.gather(*(self._propose(place) for place in places for _ in range(each)))
        await asyncio.gather(*(self._product.telegram.relay.settled(int(place.chat)) for place in places))

    async def _propose(self, place: Conversation) -> None:
        self._number += 1
        product, arguments = self._product, {"text": f"letter {self._number}"}
        proposal = Proposal(tool=TOOL.name, arguments=arguments, conversation=place)
        by = Principal(
            person=place.owner_id,
            tenant=product.home,
            roles=frozenset({Role.MEMBER}),
            channel=Channel.TELEGRAM,
        )
        answer = await product.db.writer.run(
            "propose",
            lambda records: propose(records, proposal, by=by, now=product.clock.both(), env=product.env),
        )
        if not isinstance(answer, Proposed):
            raise SystemExit(f"void: {answer}")

    def _add(self, records: Records) -> None:
        now, home = self._product.clock.now(), self._product.home
        for place in self._places:
            chat, owner = int(place.chat), place.owner_id
            if owner is None or records.people.identity(Channel.TELEGRAM, place.chat) is not None:
                continue
            person = Person(id=owner, name=f"Member {chat}", timezone=None, currency=None, end_replies=True)
            records.people.add_person(person, now=now)
            records.people.add_identity(
                Identity(channel=Channel.TELEGRAM, subject=place.chat, person_id=owner, private_chat=chat)
            )
            records.people.set_role(home, owner, Role.MEMBER, now=now)
            records.people.add_conversation(place, account_name=person.name, now=now)


def _place(product: Countersign, chat: int) -> Conversation:
    return Conversation(
        id=ConversationId(f"place-{chat}"),
        tenant_id=product.home,
        account_id=AccountId(f"{product.home}:telegram:{chat}"),
        channel=Channel.TELEGRAM,
        chat=str(chat),
        thread=None,
        private=True,
        owner_id=PersonId(f"person-{chat}"),
    )


async def run(orders: Orders) -> None:
    """Runs the product until standard input ends."""
    settings = load(
        None,
        environ={
            "COUNTERSIGN_TELEGRAM__TOKEN": orders.token,
            "COUNTERSIGN_TELEGRAM__API_BASE_URL": orders.url,
        },
        data=Path(orders.data),
    )
    logs.configure(
        redactor=Redactor(settings.secrets), level=settings.logging.level, form=settings.logging.format
    )
    product = build(settings, extra=[TOOL], pace=Pace(off=True))
    await product.start()
    serving = asyncio.ensure_future(product.run())
    try:
        dealer = Dealer(product, orders.people)
        await dealer.prepare()
        await product.telegram.ready()
        print("ready", flush=True)
        orders_in = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(orders_in), os.fdopen(0, "rb")
        )
        async for line in orders_in:
            await dealer.deal(**json.loads(line))
            print("dealt", flush=True)
    finally:
        serving.cancel()
        await product.stop()


def main(told: str) -> None:
    """Runs as told."""
    orders = Orders(**json.loads(told))
    if orders.profile:
        from benchmarks.bot.profiling import profile_threads  # noqa: PLC0415 - only where asked for

        with profile_threads(Path(orders.profile)):
            asyncio.run(run(orders))
        return
    asyncio.run(run(orders))


if __name__ == "__main__":
    main(sys.argv[1])
