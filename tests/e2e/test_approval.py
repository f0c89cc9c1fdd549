"""Approval under attack, through the bot: T1, T5, T6."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.bootstrap import Countersign
from bot.telegram.buttons import CallButton, Verb
from core.ids import CallId
from core.model import Channel, Role
from core.ports import Records
from tests.e2e.ledger import effects, stamp
from tests.e2e.lives import settled
from tests.e2e.phone import Phones, Seen, running_demo
from tests.e2e.rounds import rounds
from tests.e2e.talk import joins


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "effects.ledger"


@pytest.fixture
async def demo(tmp_path: Path, ledger: Path) -> AsyncIterator[tuple[Phones, Countersign]]:
    async with running_demo(tmp_path / "data", extra=[stamp(ledger)]) as running:
        yield running


def data_of(message: Seen, label: str) -> str:
    return str(next(b["data"] for row in message["buttons"] for b in row if label in b["text"]))


async def asked(phones: Phones, text: str, *, by: str = "member") -> Seen:
    """Has `by` ask for a stamp; the approver's copy of the card."""
    await phones.say(by, f"/stamp {text}")
    return await phones.see("approver", lambda m: f"Stamp {text}" in m["text"] and bool(m["buttons"]))


async def person_id(product: Countersign, subject: int) -> str:
    identity = await product.db.reader.read(
        lambda records: records.people.identity(Channel.TELEGRAM, str(subject))
    )
    assert identity is not None
    return identity.person_id


async def refusals(product: Countersign) -> int:
    """How many refusals the audit holds, in the tenant's chain and the system's."""

    def count(records: Records) -> int:
        chains = [product.home, "_system"]
        events = [e for chain in chains for e in records.audit.after(chain, 0, limit=100_000)]  # type: ignore[arg-type]
        return sum(event.kind == "refused" for event in events)

    return await product.db.reader.read(count)


async def test_t01_a_hundred_taps_on_one_button_have_one_effect(
    demo: tuple[Phones, Countersign], ledger: Path
) -> None:
    phones, _ = demo
    full = 50
    number = rounds(normal=5, full=full)
    for turn in range(number):
        copy = await asked(phones, f"round-{turn}")
        approve = data_of(copy, "Approve")
        answers = await asyncio.gather(*(phones.tap("approver", copy, data=approve) for _ in range(100)))
        await phones.see("member", lambda m, turn=turn: f"Stamped round-{turn}" in m["text"])  # type: ignore[misc]
        counted = [answer for answer in answers if not answer["alert"]]
        assert all(answer["answered"] for answer in answers)
        assert len(counted) == 1, "one tap counts, the others are told what was decided"
        assert all("already" in answer["text"] for answer in answers if answer["alert"])
        assert set(effects(ledger).values()) == {1}
        assert len(effects(ledger)) == turn + 1
    print(f"T1 bot: {number}/{full} rounds of 100 taps, {len(effects(ledger))} effects")


async def test_t05_a_stranger_has_no_say(demo: tuple[Phones, Countersign], ledger: Path) -> None:
    phones, product = demo
    await phones.post("people", key="stranger", action="add", name="Sam Stranger")
    await phones.post("members", chat="group", action="add", key="stranger")
    await phones.say("member", "/stamp first", chat="group")
    card = await phones.see("group", lambda m: "Stamp first" in m["text"] and bool(m["buttons"]))
    before = await refusals(product)
    answer = await phones.tap("stranger", card, "Approve", chat="group")
    assert answer["alert"]
    assert "access" in answer["text"]
    assert await refusals(product) == before + 1
    assert not effects(ledger)
    print("T5: 1/1 kinds, a stranger in the group, 0 effects, audited")


async def test_t05_the_requester_cannot_sign_under_four_eyes(
    demo: tuple[Phones, Countersign], ledger: Path
) -> None:
    phones, product = demo
    await phones.say("approver", "/stamp mine")
    card = await phones.see("approver", lambda m: "Stamp mine" in m["text"] and bool(m["buttons"]))
    before = await refusals(product)
    answer = await phones.tap("approver", card, "Approve")
    assert answer["alert"]
    assert await refusals(product) == before + 1
    assert not effects(ledger)
    print("T5: 1/1 kinds, the requester under four eyes, 0 effects, audited")


async def test_t05_a_demoted_approver_has_no_say(demo: tuple[Phones, Countersign], ledger: Path) -> None:
    phones, product = demo
    copy = await asked(phones, "first")
    paul = await person_id(product, copy["chat_id"])
    await product.db.writer.run(
        "test.demote",
        lambda r: r.people.set_role(product.home, paul, Role.MEMBER, now=product.clock.now()),  # type: ignore[arg-type]
    )
    before = await refusals(product)
    answer = await phones.tap("approver", copy, "Approve")
    assert answer["alert"]
    assert await refusals(product) == before + 1
    assert not effects(ledger)
    print("T5: 1/1 kinds, an approver demoted before the tap, 0 effects, audited")


async def test_t05_a_vote_of_somebody_demoted_before_the_start_does_not_count(
    demo: tuple[Phones, Countersign], ledger: Path
) -> None:
    phones, product = demo
    copy = await asked(phones, "first")
    paul = await person_id(product, copy["chat_id"])
    # The executor is held off, so that the demotion comes between the signature and the start.
    product.db.writer._listeners["pending"].clear()
    await phones.tap("approver", copy, "Approve")
    await product.db.writer.run(
        "test.demote",
        lambda r: r.people.set_role(product.home, paul, Role.MEMBER, now=product.clock.now()),  # type: ignore[arg-type]
    )
    before = await refusals(product)
    await product.executor._take_all()
    await phones.see("member", lambda m: "do not count any more" in m["text"])
    assert await refusals(product) == before + 1
    assert not effects(ledger)
    print("T5: 1/1 kinds, an approver demoted before the start, 0 effects, audited")


async def test_t05_a_card_of_another_chat_is_not_known_to_a_member(
    demo: tuple[Phones, Countersign], ledger: Path
) -> None:
    phones, product = demo
    await phones.say("admin", "/stamp secret")
    copy = await phones.see("approver", lambda m: "Stamp secret" in m["text"] and bool(m["buttons"]))
    before = await refusals(product)
    welcome = (await phones.messages("member"))[-1]
    answer = await phones.tap("member", welcome, data=data_of(copy, "Approve"))
    assert answer["alert"]
    assert answer["text"] == "There is no such call here."
    assert await refusals(product) == before + 1
    assert not effects(ledger)
    print("T5: 1/1 kinds, a member with a card of another chat, 0 effects, audited")


async def test_t05_a_card_of_another_chat_is_not_known_in_a_group(
    demo: tuple[Phones, Countersign], ledger: Path
) -> None:
    phones, product = demo
    await phones.say("admin", "/stamp secret")
    copy = await phones.see("approver", lambda m: "Stamp secret" in m["text"] and bool(m["buttons"]))
    await phones.say("member", "/help", chat="group")
    told = await phones.see("group", lambda m: m["from"]["is_bot"])
    before = await refusals(product)
    answer = await phones.tap("member", told, data=data_of(copy, "Approve"), chat="group")
    assert answer["alert"]
    assert answer["text"] == "There is no such call here."
    assert await refusals(product) == before + 1
    assert not effects(ledger)
    print("T5: 1/1 kinds, a member in a group that never saw the card, 0 effects, audited")


async def test_t05_a_forwarded_card_gives_nobody_a_say(
    demo: tuple[Phones, Countersign], ledger: Path
) -> None:
    """Not even an approver, who was not sent the card: what a forwarded message shows, nobody vouches for.
    Telegram takes its buttons away; a client of one's own sends what they held all the same."""
    phones, product = demo
    copy = await asked(phones, "first")
    await settled(product)
    await joins(phones, "nora", "approver")
    forwarded = {"forward_of": {"chat": "approver", "message_id": copy["message_id"]}}
    await phones.post("members", chat="group", action="add", key="nora")
    shown = await phones.say("approver", "", chat="group", **forwarded)
    assert "Stamp first" in shown["text"]
    assert not shown["buttons"]
    before = await refusals(product)
    nora = (await phones.messages("nora"))[0]["chat_id"]
    query = {
        "id": "1",
        "from": {"id": nora, "is_bot": False, "first_name": "Nora"},
        "message": {
            "message_id": shown["message_id"],
            "date": shown["date"],
            "chat": {"id": shown["chat_id"], "type": "supergroup", "title": "The team"},
        },
        "chat_instance": "1",
        "data": data_of(copy, "Approve"),
    }
    await product.telegram.inbox._take([{"update_id": 10**9, "callback_query": query}])
    await settled(product)
    assert await refusals(product) == before + 1
    assert not effects(ledger)
    print("T5: 1/1 kinds, an approver with a forwarded card, 0 effects, audited")


def forged(real: str, number: int) -> str:
    """A callback payload that no button has: mutated, cut, swapped, foreign, or for no call at all."""
    chance = random.Random(number)
    verb, opaque_id, revision = real.split(":")
    kinds = [
        lambda: "".join(
            chance.choice("abcxyz0123456789:_-=&/\\\"'<>{}é漢") for _ in range(chance.randint(1, 20))
        ),
        lambda: f"{verb}:{opaque_id[:-1]}{chance.choice('BCDEFGHIJ'.replace(opaque_id[-1], ''))}:{revision}",
        lambda: f"{verb}:{opaque_id}:{chance.randint(2, 10**8)}",
        lambda: f"{verb}:{opaque_id}:-1",
        lambda: f"{verb.upper()}:{opaque_id}:{revision}",
        lambda: f"{verb}:{opaque_id[::-1]}:{revision}",
        lambda: real + chance.choice([":", " ", "\n", "0:0", "\u200b"]),
        lambda: f"zz:{opaque_id}:{revision}",
        lambda: CallButton(
            chance.choice(list(Verb)),
            CallId(f"0192{chance.getrandbits(112):028x}"[:8] + "-0000-7000-8000-000000000000"),
            1,
        ).encode(),
        lambda: f"h:o{opaque_id}.{'s' * chance.randint(0, 20)}",
        lambda: f"y:{chance.randint(0, 10**6)}.{chance.randint(-3, 9)}",
        lambda: (
            f"s:{chance.choice(['tz', 'cur', 'replies', 'role'])}={chance.choice(['admin', 'QQQ', '../..'])}"
        ),
        lambda: f"{chance.choice(list(Verb))}:{opaque_id}:{chance.randint(2, 10**8)}",
        lambda: f"f:{opaque_id}.{chance.randint(0, 9)}.{chance.randint(5, 99)}",
        lambda: f"{chance.choice('nv')}:{chance.choice('rpx')}{opaque_id[::-1]}",
    ]
    return kinds[number % len(kinds)]()[:60]


async def test_t06_forged_payloads_have_no_effect(
    demo: tuple[Phones, Countersign], ledger: Path, caplog: pytest.LogCaptureFixture
) -> None:
    phones, product = demo
    copy = await asked(phones, "first")
    real = data_of(copy, "Approve")
    full = 1000
    payloads = [forged(real, number) for number in range(rounds(normal=120, full=full))]
    assert real not in payloads
    for data in payloads:
        answer = await phones.tap("approver", copy, data=data)
        assert answer["answered"], data
    assert not effects(ledger)
    undone = await product.db.reader.read(lambda r: r.inbox.undone(product.telegram.bot_id, limit=10))
    assert not undone
    assert not [record for record in caplog.records if record.exc_info]
    print(f"T6: {len(payloads)}/{full} payloads, {len(effects(ledger))} effects, 0 exceptions")
