"""What people are shown is what they sign: T9 and T10 through the real chat; cards that are up to date."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.bootstrap import Countersign
from bot.sandbox.limits import Limits
from bot.sandbox.rules import Rules
from bot.sandbox.server import start_sandbox
from bot.telegram.render.safe import unspelt
from bot.telegram.turn import principal
from core.engine import Proposal, Proposed, Refused, propose
from core.errors import Code
from core.model import Channel, Role, ToolCall
from core.ports import Records
from tests.e2e.ledger import effects, stamp
from tests.e2e.phone import Phones, Seen, labels, product_at, running_demo
from tests.unit.render.hostile import FULL, hostile

Demo = tuple[Phones, Countersign]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "effects.ledger"


@pytest.fixture
async def demo(tmp_path: Path, ledger: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path / "data", extra=[stamp(ledger)]) as running:
        yield running


async def proposed(product: Countersign, text: str, *, key: str, chat: int = 1001) -> Proposed | Refused:
    """The member asks for a stamp, as a program with their authority would, in a Telegram conversation."""

    def work(records: Records) -> Proposed | Refused:
        mia = records.people.identity(Channel.TELEGRAM, "1001")
        conversation = records.people.conversation_at(product.home, Channel.TELEGRAM, str(chat), None)
        assert mia is not None
        assert conversation is not None
        return propose(
            records,
            Proposal(tool="stamp", arguments={"text": text}, conversation=conversation, key=key),
            by=principal(mia.person_id, product.home, Role.MEMBER),
            now=product.clock.both(),
            env=product.env,
        )

    return await product.db.writer.run("test.propose", work)


async def asked(product: Countersign, text: str, *, chat: int = 1001) -> ToolCall:
    answer = await proposed(product, text, key=f"key-{hash(text)}-{chat}", chat=chat)
    assert isinstance(answer, Proposed), answer
    return answer.call


async def card_of(phones: Phones, call: ToolCall, chat: str, *, after: int = 0) -> Seen:
    return await phones.see(
        chat, lambda m: call.short_id in m["text"] and "Approve" in " ".join(labels(m)), after=after
    )


def on_the_card(card: Seen) -> dict[str, Any] | None:
    """The arguments as a reader of the card takes them; None where they are not on it."""
    found = [line for line in card["text"].splitlines() if line.startswith("text: ")]
    if len(found) != 1 or not found[0].endswith('"'):
        return None
    return {"text": json.loads(unspelt(found[0].removeprefix("text: ")))}


async def in_a_file(phones: Phones, card: Seen, chat: str) -> dict[str, Any]:
    """The arguments as they are in the document that goes with the card."""
    message = await phones.see(chat, lambda m: "document" in m and m.get("reply_to") == card["message_id"])
    async with phones._session.get(phones.url + message["document"]["url"]) as answer:
        content = json.loads(await answer.read())
    read: dict[str, Any] = content["arguments"]
    return read


async def signed(phones: Phones, person: str, card: Seen, *, chat: str | None = None) -> Seen:
    return await phones.tap(person, card, "Approve", chat=chat)


async def done(phones: Phones, call: ToolCall) -> Seen:
    return await phones.see("member", lambda m: call.short_id in m["text"] and "Done" in m["text"])


# --- T9 ----------------------------------------------------------------------------------------------------

SIZES = (1, 3_900, 4_096, 4_097, 20_000, 1_000_000)
UNITS = {"plain": "x", "quotes": '"\\\nz', "emoji": "🙂", "family": "👩\u200d👩\u200d👧é"}


def of_size(unit: str, size: int) -> str:
    # Blanks at the ends are no part of an argument: a letter ends it.
    return (unit * (size // len(unit) + 1))[: size - 1] + "x"


@pytest.mark.parametrize("unit", UNITS)
async def test_t09_every_character_is_within_reach_and_an_approval_counts_then(
    demo: Demo, ledger: Path, unit: str
) -> None:
    for size in SIZES:
        await within_reach(demo, of_size(UNITS[unit], size))
    assert list(effects(ledger).values()) == [1] * len(SIZES)
    print(f"T9: {len(SIZES)}/{len(SIZES)} lengths, {unit}, all read back, then signed, 1 effect each")


async def within_reach(demo: Demo, text: str) -> None:
    """Asks, reads the arguments back where each of both can read them, and signs what was read."""
    phones, product = demo
    call = await asked(product, text)
    card = await card_of(phones, call, "approver")
    shown = on_the_card(card) or await in_a_file(phones, card, "approver")
    assert shown == {"text": text}
    own = await card_of(phones, call, "member")
    assert (on_the_card(own) or await in_a_file(phones, own, "member")) == {"text": text}
    answer = await signed(phones, "approver", card)
    assert answer["answered"]
    assert not answer["alert"], answer
    await done(phones, call)


async def test_t09_without_the_file_an_approval_does_not_count(demo: Demo, ledger: Path) -> None:
    """The card came, its file did not: whoever has it may sign, whoever has not may not."""
    phones, product = demo
    gone = "Bad Request: file must be non-empty"
    await phones.post("faults", method="sendDocument", chat="approver", status=400, description=gone)
    call = await asked(product, of_size("x", 20_000))
    card = await card_of(phones, call, "approver")
    answer = await signed(phones, "approver", card)
    assert answer["alert"], "nobody signs what they were not sent"
    assert not effects(ledger)
    other = await card_of(phones, call, "admin")
    assert await in_a_file(phones, other, "admin")
    answer = await signed(phones, "admin", other)
    assert not answer["alert"], answer
    await done(phones, call)
    assert effects(ledger)[call.id] == 1
    print("T9: 1/1 lengths, its file not delivered to one approver: theirs does not count, another's does")


async def test_t09_in_a_group_the_file_goes_to_each_in_private(demo: Demo, ledger: Path) -> None:
    phones, product = demo
    await phones.post("people", key="newcomer", action="add", name="Nora New")
    await phones.post("members", chat="group", action="add", key="newcomer")
    await phones.say("admin", "/invite approver", chat="admin")
    code = json.dumps(await phones.see("admin", "start=")).split("start=")[1][:10]
    await phones.say("newcomer", f"/start@countersign_bot {code}", chat="group")
    await phones.see("group", "approver")
    await phones.say("member", "/help", chat="group")
    await phones.say("member", "/task make the conversation known", chat="group")
    group = (await phones.see("group", "make the conversation known"))["chat_id"]
    text = of_size("🙂", 20_000)
    call = await asked(product, text, chat=group)
    card = await card_of(phones, call, "group")
    assert "in your private chat" in card["text"]
    assert not [m for m in await phones.messages("group") if "document" in m], "not for everybody's eyes"
    answer = await signed(phones, "newcomer", card, chat="group")
    assert answer["alert"], "who has not opened the bot was sent nothing"
    assert not effects(ledger)
    private = await card_of(phones, call, "approver")
    assert await in_a_file(phones, private, "approver") == {"text": text}
    answer = await signed(phones, "approver", card, chat="group")
    assert not answer["alert"], answer
    await phones.see("group", lambda m: call.short_id in m["text"] and "Done" in m["text"])
    assert effects(ledger)[call.id] == 1
    print("T9: 1/1 lengths, asked in a group: signed by whom the file was delivered to, by nobody else")


# --- T10 ---------------------------------------------------------------------------------------------------

NOT_TEXT = frozenset(map(chr, (0, 0xD800, 0xDFFF)))
"""What JSON and SQLite cannot keep as text may be refused, plainly, instead of shown."""


async def test_t10_hostile_texts_are_delivered_and_forge_nothing(demo: Demo, ledger: Path) -> None:
    phones, product = demo
    plain = await card_of(phones, await asked(product, "harmless"), "approver")
    lines = len(plain["text"].splitlines())
    tried, refused, last = 0, 0, plain["change"]
    for number, text in enumerate(hostile()):
        tried += 1
        whole = f"before {text} after {number}"
        answer = await proposed(product, whole, key=f"hostile-{number}")
        if isinstance(answer, Refused):
            assert NOT_TEXT & set(text), (ascii(text), answer.refusal)
            assert answer.refusal.code is Code.INVALID_INPUT
            refused += 1
            continue
        card = await card_of(phones, answer.call, "approver", after=last)
        shown = on_the_card(card) or await in_a_file(phones, card, "approver")
        assert shown == {"text": whole}, ascii(text[:80])
        assert not (hidden := set(card["text"]) & set(HIDDEN)), (ascii(text[:80]), hidden)
        told = card["text"].splitlines()
        assert told[0].startswith("🟡 Approval needed"), ascii(text[:80])
        assert not [line for line in told if line.lower().lstrip("✔✅ ").startswith("approved by")]
        if on_the_card(card):
            assert len([line for line in told if not line.startswith("⚠️")]) == lines, ascii(text[:80])
        last = card["change"]
    assert not effects(ledger)
    print(
        f"T10: {tried}/{FULL} texts, {tried - refused} cards delivered, {refused} plainly refused, 0 forged"
    )


HIDDEN = (
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    "\u200b\u200e\u200f\u2060\ufeff\u00ad\x1b\U000e0100\U000e0041"
)


# --- after a restart ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("tapped_while_down", [False, True])
async def test_cards_are_up_to_date_after_a_restart_before_a_tap_counts(
    tmp_path: Path, ledger: Path, tapped_while_down: bool
) -> None:
    rules = Rules(same_offset_window=0, burst_window=0)
    sandbox = await start_sandbox(limits=Limits.off(), rules=rules)
    async with aiohttp.ClientSession() as session:
        phones = Phones(sandbox.url, session)
        async with product_at(sandbox, tmp_path / "data", extra=[stamp(ledger)]):
            for person in ("member", "approver"):
                await phones.say(person, "/start")
                await phones.see(person, lambda m: m["from"]["is_bot"])
            await phones.say("member", "/stamp paper")
            card = await phones.see("approver", lambda m: "paper" in m["text"] and bool(m["buttons"]))
            own = await phones.see("member", lambda m: "paper" in m["text"] and bool(m["buttons"]))
        await phones.post("clock", advance_s=25 * 3600)
        tap = asyncio.ensure_future(signed(phones, "approver", card)) if tapped_while_down else None
        async with product_at(sandbox, tmp_path / "data", extra=[stamp(ledger)]):
            for person, message in (("approver", card), ("member", own)):
                shown = await phones.see(
                    person,
                    lambda m, at=message["message_id"]: m["message_id"] == at and "xpired" in m["text"],  # type: ignore[misc]
                )
                assert "Approve" not in " ".join(labels(shown))
            data = next(b["data"] for row in card["buttons"] for b in row if "Approve" in b["text"])
            answer = await (tap or phones.tap("approver", card, data=data))
            assert answer["answered"]
            assert answer["alert"]
            assert "expired" in answer["text"]
    await sandbox.stop()
    assert not effects(ledger)
