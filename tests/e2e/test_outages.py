"""What Telegram refuses, and how ends are told. Most of T27 and T29 is in test_t27_* and test_t29_*."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from core.model import Channel
from tests.e2e.ledger import effects
from tests.e2e.lives import (
    World,
    living,
    settled,
)
from tests.e2e.phone import Seen, labels

# --- T29: chats that fail ----------------------------------------------------------------------------------


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
    print("T29: 1/1 blocks that a send tells of first, 0 rows left, shown cards again once unblocked")


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
    print(f"T29: 1/1 cards with '{problem}', sent anew, 1 effect")


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
