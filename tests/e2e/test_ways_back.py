"""What can be taken back, refused, withdrawn and asked again, by the buttons of a card."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.phone import Phones, Seen, labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, card_at, data, joins, short

DAY_S = 86_400


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path) as running:
        yield running


async def another(phones: Phones, card: Seen, words: str) -> Seen:
    """The card that a call was asked again with."""
    return await phones.see(
        card["chat_id"],
        lambda m: m["message_id"] > card["message_id"] and words in m["text"] and bool(m["buttons"]),
    )


# --- Undo --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "done", "listed", "empty"),
    [
        ("create task: buy milk", "Added task #1: buy milk", "/tasks", "list is empty"),
        ("expense 12.50 EUR coffee", "Added expense #1", "/expenses", "o expenses"),
    ],
)
async def test_an_undo_takes_it_back_once(demo: Demo, text: str, done: str, listed: str, empty: str) -> None:
    phones, _ = demo
    line = await ask(phones, "member", text, done)
    undo = data(line, "Undo")
    said = await phones.tap("member", line, "Undo")
    assert not said["alert"]
    undone = await becomes(phones, line, "Undone")
    assert "Taken back by" in undone["text"]
    assert "Undo" not in " ".join(labels(undone))
    await phones.see("member", "Removed")
    again = await phones.tap("member", line, data=undo)
    assert again["alert"]
    assert "before" in again["text"]
    assert empty in (await ask(phones, "member", listed))["text"]
    trail = (await ask(phones, "member", f"/audit {short(line)}"))["text"]
    assert "undone" in trail
    assert "undone" in (await ask(phones, "member", f"/call {short(line)}"))["text"]


async def test_an_undo_of_a_completed_task_opens_it_again(demo: Demo) -> None:
    phones, _ = demo
    await ask(phones, "member", "create task: buy milk", "Added task #1")
    line = await ask(phones, "member", "/done 1", "Done: task #1")
    await phones.tap("member", line, "Undo")
    await phones.see("member", "open again")
    assert "buy milk" in (await ask(phones, "member", "/tasks"))["text"]


async def test_an_undo_that_comes_too_late(demo: Demo) -> None:
    phones, _ = demo
    line = await ask(phones, "member", "create task: buy milk", "Added task #1")
    await phones.post("clock", advance_s=601)
    said = await phones.tap("member", line, "Undo")
    assert said["alert"]
    assert "10 minutes" in said["text"]
    assert "is over" in said["text"]
    await becomes(phones, line, lambda m: not m["buttons"])
    assert "buy milk" in (await ask(phones, "member", "/tasks"))["text"]


async def test_an_approver_undoes_what_was_signed(demo: Demo) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    copy = await card_at(phones, "approver", "laptop")
    await phones.tap("approver", copy, "Approve")
    copy = await becomes(phones, copy, lambda m: "Undo" in " ".join(labels(m)))
    await phones.tap("approver", copy, "Undo")
    # The undo of a high-risk call is itself one, and whoever asks for it may not sign it.
    undo = await phones.see("admin", lambda m: "Undo:" in m["text"] and bool(m["buttons"]))
    assert f"Takes back #{short(card)}" in undo["text"]
    assert not (await phones.tap("admin", undo, "Approve"))["alert"]
    await becomes(phones, card, "Undone")


# --- Deny, Ask again ---------------------------------------------------------------------------------------


async def test_a_denied_call_can_be_asked_again(demo: Demo) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    copy = await card_at(phones, "approver", "laptop")
    said = await phones.tap("approver", copy, "Deny")
    assert said["text"] == "Denied. Nothing was changed."
    denied = await becomes(phones, card, "Denied by Paul Approver")
    assert "Nothing was changed" in denied["text"]
    assert [label.split(" ", 1)[1] for label in labels(denied)] == ["Ask again"]
    told = await phones.see("member", "Paul Approver denied")
    assert told["reply_to"] == card["message_id"]
    late = await phones.tap("approver", copy, data=data(copy, "Approve"))
    assert late["alert"]
    said = await phones.tap("member", denied, "Ask again")
    assert not said["alert"]
    fresh = await another(phones, card, "Approval needed")
    assert short(fresh) != short(card)
    assert f"Asked again after #{short(card)}" in fresh["text"]
    repeated = await phones.tap("member", denied, "Ask again")
    assert repeated["alert"]
    assert short(fresh) in repeated["text"]
    copy = await card_at(phones, "approver", f"Asked again after #{short(card)}")
    await phones.tap("approver", copy, "Approve")
    await becomes(phones, fresh, "Done")


async def test_what_still_waits_cannot_be_asked_again(demo: Demo) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    again = data(card, "Approve").replace("a:", "g:", 1)
    said = await phones.tap("member", card, data=again)
    assert said["alert"]
    assert "cannot be asked for again" in said["text"]


async def test_a_stranger_cannot_ask_again(demo: Demo) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    await phones.tap("member", card, "Cancel")
    ended = await becomes(phones, card, "Cancelled")
    again = data(ended, "Ask again")
    await phones.post("people", key="stranger", action="add", name="Sam Stranger")
    theirs = await ask(phones, "stranger", "/start", "no access")
    said = await phones.tap("stranger", theirs, data=again)
    assert said["alert"]
    assert "no access" in said["text"]
    await joins(phones, "nora", "member")
    welcome = await phones.see("nora", "Hello")
    said = await phones.tap("nora", welcome, data=again)
    assert said["alert"]
    assert "no such call" in said["text"]


# --- expiry ------------------------------------------------------------------------------------------------


async def test_an_expired_call_says_that_nobody_decided_and_can_be_asked_again(demo: Demo) -> None:
    phones, product = demo
    card = await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    copy = await card_at(phones, "approver", "laptop")
    await phones.post("clock", advance_s=DAY_S + 60)
    await product.sweeper.expire()
    expired = await becomes(phones, card, "Expired")
    for words in ("nobody decided", "24 h", "Nothing was changed"):
        assert words in expired["text"]
    told = await phones.see("member", "has expired")
    assert told["reply_to"] == card["message_id"]
    await becomes(phones, copy, "Expired")
    late = await phones.tap("approver", copy, data=data(copy, "Approve"))
    assert late["alert"]
    assert "expired" in late["text"]
    await phones.tap("member", expired, "Ask again")
    fresh = await another(phones, card, "Approval needed")
    copy = await card_at(phones, "approver", f"again after #{short(card)}")
    await phones.tap("approver", copy, "Approve")
    await becomes(phones, fresh, "Done")


# --- Cancel ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "name"), [("member", "Mia Member"), ("approver", "Paul Approver")])
async def test_the_requester_and_an_approver_may_withdraw(demo: Demo, who: str, name: str) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    copy = await card_at(phones, "approver", "laptop")
    theirs = card if who == "member" else copy
    said = await phones.tap(who, theirs, "Cancel")
    assert said["text"] == "Withdrawn. Nothing was changed."
    ended = await becomes(phones, card, "Cancelled")
    assert f"Withdrawn by {name}" in ended["text"]
    await becomes(phones, copy, "Cancelled")
    late = await phones.tap("approver", copy, data=data(copy, "Approve"))
    assert late["alert"]
    assert "cancelled" in late["text"]


# --- medium risk -------------------------------------------------------------------------------------------


async def test_medium_risk_is_confirmed_by_the_requester_and_bothers_nobody_else(demo: Demo) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 200 EUR chairs", "Approval needed")
    assert "medium" in card["text"]
    assert "requester or an approver" in card["text"]
    said = await phones.tap("member", card, "Approve")
    assert said["text"] == "Approved. It runs now."
    done = await becomes(phones, card, "Done")
    assert "Approved by Mia Member" in done["text"]
    assert not [m for m in await phones.messages("approver") if "chairs" in m["text"]]
    again = await phones.tap("member", card, data=data(card, "Approve"))
    assert again["alert"]
    assert "already" in again["text"]


async def test_another_currency_than_the_teams_is_at_least_medium(demo: Demo) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 5 USD coffee", "Approval needed")
    assert "medium" in card["text"]


# --- buttons that should not be ----------------------------------------------------------------------------


async def test_a_button_without_a_meaning_and_a_call_that_is_settled(demo: Demo) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 200 EUR chairs", "Approval needed")
    real = data(card, "Approve")
    said = await phones.tap("member", card, data=real.replace("a:", "n:", 1))
    assert said["alert"]
    assert "do not know this button" in said["text"]
    for verb in ("md:", "mn:", "mr:"):
        said = await phones.tap("member", card, data=real.replace("a:", verb, 1))
        assert said["alert"]
    said = await phones.tap("member", card, data=real.replace("a:", "u:", 1))
    assert said["alert"]
    assert "completed" in said["text"]


async def test_a_tap_on_anothers_message_counts_for_nobody(demo: Demo) -> None:
    """A card's data under a message that is another card is not what was shown there."""
    phones, product = demo
    first = await ask(phones, "admin", "expense 900 EUR boat", "Approval needed")
    second = await ask(phones, "member", "expense 200 EUR chairs", "Approval needed")
    said = await phones.tap("member", second, data=data(first, "Cancel"))
    assert said["alert"]
    assert "no such call" in said["text"]
    found = await product.db.reader.read(lambda r: r.calls.by_short_id(product.home, short(first)))
    assert found is not None
    assert found.status.value == "proposed"
