"""T27: whatever Telegram answers, or does not: nothing is sent early, nobody else waits, nothing is stuck."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.bootstrap import Countersign
from tests.e2e.ledger import effects
from tests.e2e.lives import World, settled
from tests.e2e.phone import Phones, Seen
from tests.e2e.rounds import FULL
from tests.e2e.still import POLLS, Still, given_up, left_over, living_still, still_world
from tests.e2e.talk import ask, card_at

IDS = {"member": 1001, "approver": 1002, "admin": 1003}
READ_S, POLL_READ_S, AGAIN_S = 5.0, 35.0, 1.0
NEAR_S = 0.05
PAGE = "<html><h1>Gateway</h1></html>"
HTML = {"body": PAGE, "content_type": "text/html"}
LATE_REFUSAL = f'{{"error_code":500,"description":"{"x" * 99}","ok":false}}'


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One way to fail. `waits`: what a 429 says; `silent`: the client has to give up by itself; `lost`: the
    call was done, so that a message may show twice; `harmless`: the answer can be understood."""

    name: str
    order: dict[str, Any] = field(default_factory=dict)
    waits: int = 0
    silent: bool = False
    lost: bool = False
    harmless: bool = False


def _answer(name: str, body: str, **more: Any) -> Trouble:
    return Trouble(name=name, order={"body": body, **more}, lost=not more.get("undone"))


TROUBLES = (
    *(
        Trouble(name=f"429 for {s} s", order={"status": 429, "retry_after": s}, waits=s)
        for s in (1, 30, 3600)
    ),
    Trouble(name="429 without a time", order={"status": 429}),
    Trouble(name="429 as a page", order={"status": 429, **HTML}),
    Trouble(name="502", order={"status": 502}),
    *(
        Trouble(name=f"{code} as a page", order={"status": code, **HTML})
        for code in (400, 401, 403, 404, 502)
    ),
    Trouble(name="dropped", order={"drop": True}),
    Trouble(name="reset", order={"drop": "reset"}),
    Trouble(name="dropped after the call", order={"drop": "after"}, lost=True),
    Trouble(name="half an answer", order={"drop": "midway"}, lost=True),
    Trouble(name="never answered", order={"drop": "never"}, silent=True, lost=True),
    Trouble(name="answered too late", order={"late": POLL_READ_S + 1}, silent=True, lost=True),
    Trouble(name="another content type", order={"content_type": "text/plain"}, harmless=True),
    _answer("a page", PAGE, content_type="text/html", undone=True),
    _answer("garbage", "\u0000\u001b]0;", undone=True),
    _answer("nothing", ""),
    _answer("cut JSON", '{"ok":true,"result":{"message_id":1,'),
    _answer("null", "null"),
    _answer("neither ok nor result", '{"description":"?"}'),
    _answer("no result", '{"ok":true}'),
    _answer("a refusal as a success", '{"ok":false,"error_code":500,"description":"?"}'),
    _answer("a refusal with ok at its end", LATE_REFUSAL),
    _answer("a text as the result", '{"ok":true,"result":"sent"}'),
    _answer("a list as the result", '{"ok":true,"result":[]}'),
    _answer("an object as the result", '{"ok":true,"result":{}}'),
    _answer("a number as the result", '{"ok":true,"result":7}'),
    _answer("parameters of no kind", '{"ok":false,"parameters":[30]}', status=429, undone=True),
)
_UNTRIED = "answerCallbackQuery"
METHODS = ("sendMessage", "editMessageText", "sendDocument", "answerCallbackQuery", "getUpdates")


def cases() -> list[tuple[Trouble, str]]:
    """Every class with every method; cut down: every class with one, a 429 with all that is tried again."""
    every = [(trouble, method) for trouble in TROUBLES for method in METHODS]
    if FULL:
        return every
    turns = len(METHODS)
    return [
        (trouble, method)
        for at, (trouble, method) in enumerate(every)
        if at % turns == (at // turns) % turns or (0 < trouble.waits < 60 and method != _UNTRIED)
    ]


@dataclass(kw_only=True)
class Case:
    """One call that meets one trouble."""

    number: int
    trouble: Trouble
    world: World
    still: Still
    product: Countersign

    @property
    def phones(self) -> Phones:
        return self.world[1]

    @property
    def paper(self) -> str:
        return f"paper-{self.number:04}"

    async def order(self, method: str, chat: str | None = None) -> int:
        """From now on the next such call fails. The mark to look from."""
        where = {} if chat is None else {"chat": chat}
        await self.phones.post("faults", method=method, **where, **self.trouble.order)
        return self.still.mark()

    async def say(self, text: str = "") -> None:
        await self.phones.say("member", f"/stamp {self.paper} {text}".strip())

    async def card(self, person: str) -> Seen:
        return await card_at(self.phones, person, self.paper)

    async def cards(self, *people: str) -> list[Seen]:
        return [await self.card(person) for person in people]

    async def sign(self, card: Seen) -> None:
        answer = await self.phones.tap("approver", card, "Approve")
        assert answer["answered"]
        assert not answer["alert"], answer

    async def done(self, *people: str) -> None:
        for person in people:
            await self.phones.see(person, lambda m: self.paper in m["text"] and "Done" in m["text"])

    async def others_go_on(self, person: str) -> None:
        """Somebody is answered at once: no time has passed."""
        before = self.still.loop_time()
        await ask(self.phones, person, "/whoami", "your id")
        assert self.still.loop_time() == before

    async def shown(self, person: str) -> int:
        """How many messages of the bot in this chat are this call's card."""
        messages = await self.phones.messages(person)
        return len([m for m in messages if self.paper in m["text"] and m["from"]["is_bot"]])

    async def ride_out(self, lane: object, since: int, *, quiet: tuple[str, ...]) -> None:
        """Time passes until what failed is tried again, and not before it may be."""
        still, trouble = self.still, self.trouble
        await still.until(lambda: still.hit(since=since))
        if trouble.silent:
            for person in quiet:
                await self.product.telegram.relay.settled(IDS[person])
            await still.move(READ_S + NEAR_S)
        seconds = float(trouble.waits or AGAIN_S)
        await still.until(lambda: still.begun(seconds, since=since) or self._again(lane, since))
        if trouble.waits:
            await self._not_early(lane, seconds, since)
        elif not self._again(lane, since):
            await still.move(seconds + NEAR_S)
        await still.until(lambda: self._again(lane, since))

    def _again(self, lane: object, since: int) -> bool:
        """Whether the lane of what failed went on after it."""
        asked = self.still.asked(lane, since=since)
        return bool(asked) and asked[-1].fault is None and any(one.fault for one in asked)

    async def _not_early(self, lane: object, seconds: float, since: int) -> None:
        """Just before the time is over something else comes for the chat; it waits behind what waits."""
        still = self.still
        await still.move(seconds - NEAR_S)
        person = next(name for name, number in IDS.items() if number == lane)
        mark = still.mark()
        await self.phones.say(person, "/whoami")
        await still.until(lambda: still.begun(NEAR_S, since=mark) or self._again(lane, since))
        assert not self._again(lane, since), "sent before its time"
        await still.move(2 * NEAR_S)


# --- one call of each method that fails --------------------------------------------------------------------


async def meet_send(case: Case) -> None:
    since = await case.order("sendMessage", "approver")
    await case.say()
    await case.cards("member", "admin")
    await case.others_go_on("member")
    await case.others_go_on("admin")
    if not case.trouble.harmless:
        await case.ride_out(IDS["approver"], since, quiet=("member", "admin"))
    await case.sign(await case.card("approver"))
    await case.done("member", "admin", "approver")
    await settled(case.product)
    assert 1 <= await case.shown("approver") <= 1 + case.trouble.lost
    assert await case.shown("member") == await case.shown("admin") == 1


async def meet_edit(case: Case) -> None:
    await case.say()
    _, card, _ = await case.cards("member", "approver", "admin")
    await settled(case.product)
    since = await case.order("editMessageText", "member")
    await case.sign(card)
    await case.done("approver", "admin")
    await case.others_go_on("admin")
    await case.product.telegram.inbox.drain()
    if not case.trouble.harmless:
        await case.ride_out(IDS["member"], since, quiet=("approver", "admin"))
    await case.done("member")


async def meet_document(case: Case) -> None:
    since = await case.order("sendDocument", "approver")
    await case.say("word " * 750)
    await case.cards("member", "admin", "approver")
    await case.others_go_on("admin")
    if not case.trouble.harmless:
        await case.ride_out(IDS["approver"], since, quiet=("member", "admin"))
    card = await case.card("approver")
    await case.phones.see("approver", lambda m: m.get("reply_to") == card["message_id"] and "document" in m)
    await case.product.telegram.relay.settled(IDS["approver"])
    await case.sign(card)
    await case.done("member", "admin", "approver")


async def meet_answer(case: Case) -> None:
    """The tap counts, whether or not its answer arrives."""
    await case.say()
    _, card, _ = await case.cards("member", "approver", "admin")
    await settled(case.product)
    since = await case.order("answerCallbackQuery")
    tap = asyncio.ensure_future(case.phones.tap("approver", card, "Approve"))
    await case.done("member", "approver", "admin")
    await case.still.until(lambda: case.still.hit(since=since))
    await case.others_go_on("admin")
    await case.others_go_on("member")
    if case.trouble.silent:
        await case.still.move(READ_S + NEAR_S)
    await case.others_go_on("approver")
    tap.cancel()


async def meet_updates(case: Case) -> None:
    """What is said while nothing can be fetched is heard afterwards, once."""
    trouble, still = case.trouble, case.still
    since = await case.order("getUpdates")
    await case.phones.say("admin", "/whoami")
    await still.until(lambda: still.hit(since=since))
    hit = still.asked(POLLS, since=since)[-1]
    await case.say()
    if trouble.silent:
        await still.jump(POLL_READ_S + NEAR_S)
    seconds = float(trouble.waits or AGAIN_S)

    def again() -> bool:
        return still.asked(POLLS, since=since)[-1] is not hit

    await still.until(lambda: still.begun(seconds, since=since) or again())
    if not again():
        await still.jump(seconds - NEAR_S)
        assert not again(), "fetched before its time"
        await still.jump(2 * NEAR_S)
    await case.sign(await case.card("approver"))
    await case.done("member", "approver", "admin")
    assert await case.shown("approver") == await case.shown("admin") == 1


MEET = dict(zip(METHODS, (meet_send, meet_edit, meet_document, meet_answer, meet_updates), strict=True))


@pytest.mark.timeout(900 if FULL else 180)
async def test_t27_every_trouble_with_every_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = cases()
    async with still_world(tmp_path, monkeypatch) as (world, time), living_still(world, time) as product:
        for number, (trouble, method) in enumerate(chosen):
            case = Case(number=number, trouble=trouble, world=world, still=time, product=product)
            await MEET[method](case)
            await settled(product)
            assert not left_over(world[2] / "one"), (method, trouble)
            assert not time.early(), (method, trouble)
    assert not given_up(world[2] / "one")
    counted = effects(world[2] / "one.ledger")
    assert len(counted) == len(chosen)
    assert set(counted.values()) == {1}
    full = len(TROUBLES) * len(METHODS)
    print(
        f"T27: {len(chosen)}/{full} troubles met, {len(counted)} calls with one effect each, 0 early, 0 stuck"
    )
