"""Approve similar: a grant made under a card, used, shown, listed and revoked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.phone import Phones, Seen, labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, card_at, data, short, stranger_in_group


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path) as running:
        yield running


async def asked(phones: Phones, what: str = "desk", amount: int = 900) -> tuple[Seen, Seen]:
    """An expense that asks; the cards of the requester and of the approver."""
    own = await ask(phones, "member", f"expense {amount} EUR {what}", "Approval needed")
    return own, await card_at(phones, "approver", what)


async def granted(phones: Phones, span: str = "1 h") -> tuple[Seen, Seen]:
    """A call that was approved with a grant; its card, and the message that says so."""
    own, copy = await asked(phones)
    assert not (await phones.tap("approver", copy, "Approve similar"))["alert"]
    spans = await phones.see("approver", "for a while?")
    assert spans["reply_to"] == copy["message_id"]
    assert not (await phones.tap("approver", spans, span))["alert"]
    told = await becomes(phones, spans, "is approved")
    assert not told["buttons"]
    await becomes(phones, own, "Done")
    return own, told


async def test_a_grant_is_made_used_shown_and_revoked(demo: Demo) -> None:
    phones, _ = demo
    own, _told = await granted(phones)
    line = await ask(phones, "member", "expense 800 EUR chair", "800.00 EUR for chair")
    assert "grant" in line["text"]
    assert "Paul Approver" in line["text"]
    assert "Approve" not in " ".join(labels(line))
    for person in ("approver", "admin", "member"):
        listed = await ask(phones, person, "/grants", "passes unasked")
        for words in (
            "Add an expense",
            "Mia Member",
            "Paul Approver",
            short(own),
            "used once",
            "at most 900",
        ):
            assert words in listed["text"], (person, words)
    refused = await phones.tap("member", listed, "Revoke 1")
    assert refused["alert"], "only who signs may end it"
    mine = await ask(phones, "approver", "/grants", "passes unasked")
    revoked = await phones.tap("approver", mine, "Revoke 1")
    assert "Revoked" in revoked["text"]
    assert "Nothing passes unasked" in (await becomes(phones, mine, "Nothing passes"))["text"]
    await ask(phones, "member", "expense 700 EUR lamp", "Approval needed")


async def test_a_grant_says_what_is_alike_before_it_is_made(demo: Demo) -> None:
    phones, _ = demo
    own, copy = await asked(phones)
    await phones.tap("approver", copy, "Approve similar")
    spans = await phones.see("approver", "for a while?")
    assert labels(spans)[:3] == ["1 h", "Today", "This chat"]
    for words in (short(own), "Mia Member", "currency EUR", "amount at most 900", "/grants"):
        assert words in spans["text"]
    await phones.tap("approver", spans, "Back")
    await becomes(phones, spans, "left as it is")
    assert "Approval needed" in (await becomes(phones, own, "desk"))["text"]
    await ask(phones, "approver", "/grants", "Nothing passes unasked")


@pytest.mark.parametrize("text", ["expense 950 EUR chair", "expense 800 USD chair"])
async def test_what_is_not_alike_is_asked_for(demo: Demo, text: str) -> None:
    phones, _ = demo
    await granted(phones, "Today")
    await ask(phones, "member", text, "Approval needed")


async def test_a_grant_of_this_chat_does_not_reach_another(demo: Demo) -> None:
    phones, _ = demo
    _own, told = await granted(phones, "This chat")
    assert "in this chat" in told["text"]
    await ask(phones, "member", "expense 800 EUR chair", "800.00 EUR for chair")
    await ask(phones, "member", "/expense 800 EUR sofa", "Approval needed", chat="group")


async def test_a_grant_ends_by_its_time(demo: Demo) -> None:
    phones, _ = demo
    await granted(phones)
    await phones.post("clock", advance_s=3700)
    await ask(phones, "member", "expense 800 EUR chair", "Approval needed")
    await ask(phones, "approver", "/grants", "Nothing passes unasked")


async def test_who_may_not_sign_makes_no_grant(demo: Demo) -> None:
    phones, _ = demo
    await stranger_in_group(phones)
    card = await ask(phones, "member", "/expense 900 EUR desk", "Approval needed", chat="group")
    for person in ("member", "stranger"):
        told = await phones.tap(person, card, "Approve similar", chat="group")
        assert told["alert"]
        real = data(card, "Approve similar")
        forged = await phones.tap(person, card, data=real.replace("w:", "wh:", 1), chat="group")
        assert forged["alert"]
    assert "Approval needed" in (await becomes(phones, card, "desk"))["text"]
    await ask(phones, "admin", "/grants", "Nothing passes unasked")


async def test_many_grants_are_paged(demo: Demo) -> None:
    phones, _ = demo
    for number in range(8):
        _own, copy = await asked(phones, f"item {number}", 900 + number)
        await phones.tap("approver", copy, "Approve similar")
        spans = await phones.see("approver", f"approve #{short(copy)}, and let")
        await phones.tap("approver", spans, "Today")
        await becomes(phones, spans, "is approved")
    page = await ask(phones, "approver", "/grants", "passes unasked")
    assert len([label for label in labels(page) if "Revoke" in label]) == 6
    await phones.tap("approver", page, "More")
    page = await becomes(phones, page, lambda m: any("First" in label for label in labels(m)))
    assert len([label for label in labels(page) if "Revoke" in label]) == 2
    await phones.tap("approver", page, "First")
    await becomes(phones, page, lambda m: any("More" in label for label in labels(m)))
