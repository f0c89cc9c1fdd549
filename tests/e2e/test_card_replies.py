"""What people write under a card: a change, a decision, or something that is asked back about."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.clock import Clock
from tests.e2e.phone import Phones, Seen, labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, card_at, data, short, stranger_in_group


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path) as running:
        yield running


async def desk(phones: Phones) -> tuple[Seen, Seen]:
    """An expense that asks; the cards of the requester and of the approver."""
    own = await ask(phones, "member", "expense 900 EUR new desk", "Approval needed")
    return own, await card_at(phones, "approver", "new desk")


def under(card: Seen) -> dict[str, Any]:
    return {"reply_to": card["message_id"]}


# --- editing -----------------------------------------------------------------------------------------------


async def test_lines_of_field_and_value_change_the_call(demo: Demo) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    text = "amount: 800\ndescription: small desk"
    told = await ask(phones, "approver", text, "signing again", **under(copy))
    assert "amount: 900.00 → 800.00" in told["text"]
    assert "description: new desk → small desk" in told["text"]
    for card in (own, copy):
        seen = await becomes(phones, card, "Paul Approver changed")
        assert "800.00 EUR for small desk" in seen["text"]
    await phones.tap("approver", copy, "Approve")
    assert "800.00 EUR" in (await becomes(phones, own, "Done"))["text"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("amount: lots", ("amount", "lots")),
        ("amount: 800\namuont: 7", ("amuont", "description")),
        ("amount: -3", ("amount", "-3")),
        ("amount:", ("amount", "required")),
        ("amount: 900.00", ("says that already",)),
    ],
)
async def test_a_change_that_does_not_fit_changes_nothing(
    demo: Demo, text: str, words: tuple[str, ...]
) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    told = await ask(phones, "approver", text, **under(copy))
    for word in (*words, "Nothing was changed"):
        assert word in told["text"]
    seen = await becomes(phones, own, "Approval needed")
    assert "900.00 EUR for new desk" in seen["text"]
    assert "changed" not in seen["text"]
    assert not (await phones.tap("approver", copy, "Approve"))["alert"], "the same revision still"


async def test_the_edit_button_asks_for_a_field_and_then_for_its_value(demo: Demo) -> None:
    phones, _ = demo
    own, _copy = await desk(phones)
    assert not (await phones.tap("member", own, "Edit"))["alert"]
    fields = await phones.see("member", "what is to be changed")
    assert fields["reply_to"] == own["message_id"]
    assert "amount: 900.00" in labels(fields)
    await phones.tap("member", fields, "amount")
    question = await phones.see("member", "Now it is 900.00")
    assert question["force_reply"]
    wrong = await ask(phones, "member", "lots", "amount")
    assert "Nothing was changed" in wrong["text"]
    assert wrong["force_reply"], "it is still asked for"
    told = await ask(phones, "member", "850", "signing again")
    assert "900.00 → 850.00" in told["text"]
    assert "850.00 EUR for new desk" in (await becomes(phones, own, "Mia Member changed"))["text"]
    await ask(phones, "member", "/cancel", "no open question")


async def test_the_question_for_a_value_can_be_left(demo: Demo) -> None:
    phones, _ = demo
    own, _copy = await desk(phones)
    await phones.tap("member", own, "Edit")
    fields = await phones.see("member", "what is to be changed")
    await phones.tap("member", fields, "amount")
    await phones.see("member", "Now it is 900.00")
    await ask(phones, "member", "/cancel", "Never mind")
    await phones.tap("member", fields, "Back")
    assert not (await becomes(phones, fields, "left as it is"))["buttons"]
    assert "900.00 EUR" in (await becomes(phones, own, "Approval needed"))["text"]


async def test_an_edit_below_the_limit_needs_no_signature(demo: Demo) -> None:
    phones, _ = demo
    own, _copy = await desk(phones)
    told = await ask(phones, "member", "amount: 12", "no signature", **under(own))
    assert "900.00 → 12.00" in told["text"]
    await becomes(phones, own, "Done")


async def test_a_question_about_an_older_version_changes_nothing(demo: Demo) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    await phones.tap("member", own, "Edit")
    fields = await phones.see("member", "what is to be changed")
    await ask(phones, "approver", "amount: 700", "signing again", **under(copy))
    late = await phones.tap("member", fields, "amount")
    assert late["alert"]
    assert "changed" in late["text"]


@pytest.mark.parametrize(
    "argument", ["x", "AAAAAAAAAAAAAAAAAAAAAA.1.0", "..", "AAAAAAAAAAAAAAAAAAAAAA.99999999999.0"]
)
async def test_a_forged_field_changes_nothing(demo: Demo, argument: str) -> None:
    phones, _ = demo
    own, _copy = await desk(phones)
    told = await phones.tap("member", own, data=f"f:{argument}")
    assert told["alert"]
    await ask(phones, "member", "/cancel", "no open question")


# --- denying and approving in words ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["no: too expensive", "deny too expensive", "No, too expensive", "deny: too expensive"]
)
async def test_a_denial_in_words_tells_the_requester_why(demo: Demo, text: str) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    await ask(phones, "approver", text, "Denied", **under(copy))
    seen = await becomes(phones, own, "Denied")
    assert "too expensive" in seen["text"]
    assert "Paul Approver" in seen["text"]
    reply = await phones.see(
        "member", lambda m: m["message_id"] > own["message_id"] and "denied" in m["text"]
    )
    assert "too expensive" in reply["text"]


@pytest.mark.parametrize("text", ["ok: within budget", "approve: within budget", "Yes: within budget"])
async def test_an_approval_in_words_keeps_its_comment(demo: Demo, text: str) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    await ask(phones, "approver", text, "approved", **under(copy))
    assert "within budget" in (await becomes(phones, own, "Done"))["text"]


async def test_words_of_the_second_of_a_change_do_not_sign_it(tmp_path: Path) -> None:
    began = time.time()
    async with running_demo(tmp_path, clock=Clock(lambda: began)) as (phones, _):
        own, copy = await desk(phones)
        await ask(phones, "member", "amount: 800", "signing again", **under(own))
        await becomes(phones, copy, "800.00 EUR")
        refused = await ask(phones, "approver", "yes", "changed while you wrote", **under(copy))
        assert "nothing was changed" in refused["text"]
        await phones.post("clock", advance_s=1)
        await ask(phones, "approver", "yes", "approved", **under(copy))
        assert "800.00 EUR" in (await becomes(phones, own, "Done"))["text"]


@pytest.mark.parametrize(
    "text", ["ok but only 800", "no problem", "why so much?", "yes if it is the blue one"]
)
async def test_what_is_not_plainly_a_decision_is_asked_about(demo: Demo, text: str) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    asked = await ask(phones, "approver", text, "a reason to deny, or a comment", **under(copy))
    assert "Approval needed" in (await becomes(phones, own, "new desk"))["text"]
    await phones.tap("approver", asked, "Neither")
    await becomes(phones, asked, "left as it is")
    late = await phones.tap("approver", asked, data=data(asked, "Deny"))
    assert late["alert"]
    assert "Approval needed" in (await becomes(phones, own, "new desk"))["text"]


@pytest.mark.parametrize(("label", "end"), [("Deny", "Denied"), ("Approve", "Done")])
async def test_what_was_asked_about_is_decided_by_a_tap(demo: Demo, label: str, end: str) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    asked = await ask(phones, "approver", "it is a lot", "a reason to deny", **under(copy))
    other = await phones.tap("admin", (await phones.messages("admin"))[-1], data=data(asked, label))
    assert other["alert"], "the words were somebody else's"
    assert not (await phones.tap("approver", asked, label))["alert"]
    assert "it is a lot" in (await becomes(phones, own, end))["text"]
    assert not (await becomes(phones, asked, "it is a lot"))["buttons"] or end


async def test_a_comment_that_is_too_long_decides_nothing_and_loses_no_word(demo: Demo) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    long = "too much " * 100
    told = await ask(phones, "approver", f"no: {long}", "room for 500 characters", **under(copy))
    assert "Nothing was changed" in told["text"]
    asked = await ask(phones, "approver", f"hm, {long}", "a reason to deny", **under(copy))
    refused = await phones.tap("approver", asked, "Deny")
    assert refused["alert"]
    assert "room for 500 characters" in refused["text"]
    assert "Approval needed" in (await becomes(phones, own, "new desk"))["text"]


async def test_quick_reasons_and_one_in_words(demo: Demo) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    await phones.tap("approver", copy, "Deny with reason")
    asked = await phones.see("approver", "to be denied?")
    assert labels(asked)[:4] == ["Too expensive", "Not now", "Wrong details", "Not allowed"]
    await phones.tap("approver", asked, "Not now")
    assert "Not now" in (await becomes(phones, own, "Denied"))["text"]
    assert not (await becomes(phones, asked, "Not now"))["buttons"]
    again = await ask(phones, "member", "expense 901 EUR chair", "Approval needed")
    copy = await card_at(phones, "approver", "chair")
    await phones.tap("approver", copy, "Deny with reason")
    asked = await phones.see("approver", lambda m: "to be denied?" in m["text"] and short(copy) in m["text"])
    await phones.tap("approver", asked, "Other")
    question = await phones.see("approver", lambda m: "Write the reason" in m["text"])
    assert question["force_reply"]
    await ask(phones, "approver", "we have chairs, " * 40, "room for 500 characters")
    await ask(phones, "approver", "we have chairs", "Denied")
    assert "we have chairs" in (await becomes(phones, again, "Denied"))["text"]


async def test_a_reason_can_be_left(demo: Demo) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    await phones.tap("approver", copy, "Deny with reason")
    asked = await phones.see("approver", "to be denied?")
    await phones.tap("approver", asked, "Other")
    await phones.see("approver", "Write the reason")
    await ask(phones, "approver", "/cancel", "Never mind")
    await phones.tap("approver", asked, "Back")
    await becomes(phones, asked, "left as it is")
    assert "Approval needed" in (await becomes(phones, own, "new desk"))["text"]


async def test_who_has_no_say_decides_nothing_in_words(demo: Demo) -> None:
    phones, _ = demo
    await stranger_in_group(phones)
    card = await ask(phones, "member", "/expense 900 EUR new desk", "Approval needed", chat="group")
    for person, word in (("member", "ok"), ("stranger", "ok"), ("stranger", "amount: 1")):
        told = await ask(phones, person, word, chat="group", **under(card))
        assert "Approval needed" not in told["text"]
    seen = await becomes(phones, card, "Approval needed")
    assert "900.00 EUR for new desk" in seen["text"]
    told = await ask(phones, "approver", "ok", "approved", chat="group", **under(card))
    assert told["reply_to"]
    await becomes(phones, card, "Done")


async def test_forwarded_words_decide_nothing(demo: Demo) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    theirs = await phones.say("admin", "ok", chat="group")
    origin = {"chat": "group", "message_id": theirs["message_id"]}
    await ask(phones, "approver", "", "did not understand", forward_of=origin, **under(copy))
    assert "Approval needed" in (await becomes(phones, own, "new desk"))["text"]


async def test_a_reply_to_a_card_that_is_decided_is_something_new(demo: Demo) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    await phones.tap("approver", copy, "Approve")
    await becomes(phones, own, "Done")
    await ask(phones, "approver", "create task: thank Mia", "Added task", **under(copy))


async def test_a_reply_to_another_card_is_no_answer_to_an_open_question(demo: Demo) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    await phones.tap("approver", copy, "Deny with reason")
    asked = await phones.see("approver", "to be denied?")
    await phones.tap("approver", asked, "Other")
    await phones.see("approver", "Write the reason")
    other = await ask(phones, "member", "expense 901 EUR chair", "Approval needed")
    theirs = await card_at(phones, "approver", "chair")
    await ask(phones, "approver", "no: one chair is enough", "Denied", **under(theirs))
    assert "one chair is enough" in (await becomes(phones, other, "Denied"))["text"]
    assert "Approval needed" in (await becomes(phones, own, "new desk"))["text"]


async def test_what_is_written_much_later_is_no_reason(demo: Demo) -> None:
    phones, _ = demo
    own, copy = await desk(phones)
    await phones.tap("approver", copy, "Deny with reason")
    asked = await phones.see("approver", "to be denied?")
    await phones.tap("approver", asked, "Other")
    await phones.see("approver", "Write the reason")
    await phones.post("clock", advance_s=16 * 60)
    await ask(phones, "approver", "create task: call Mia", "Added task")
    assert "Approval needed" in (await becomes(phones, own, "new desk"))["text"]
