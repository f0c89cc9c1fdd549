"""/history and /pending: what they show to whom, filters, pages, and cards brought to the end."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.phone import Phones, Seen, labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, card_at, data, short


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path) as running:
        yield running


async def tasks(phones: Phones, person: str, number: int, *, first: int = 1) -> None:
    """So many completed calls of a person, "thing <n>"."""
    for at in range(first, first + number):
        await ask(phones, person, f"create task: thing {at}", f"thing {at}")


def things(page: Seen) -> list[int]:
    return [int(number) for number in re.findall(r"thing (\d+)", page["text"])]


# --- /history ----------------------------------------------------------------------------------------------


async def test_an_empty_history_says_so(demo: Demo) -> None:
    phones, _ = demo
    for person in ("member", "admin"):
        empty = await ask(phones, person, "/history")
        assert "everything" in empty["text"]
        assert "No calls" in empty["text"]
        assert not empty["buttons"]


async def test_members_see_their_own_and_admins_all(demo: Demo) -> None:
    phones, _ = demo
    await ask(phones, "member", "create task: of Mia", "Added")
    await ask(phones, "approver", "create task: of Paul", "Added")
    await ask(phones, "admin", "create task: of Ada", "Added")
    own = (await ask(phones, "member", "/history"))["text"]
    assert "of Mia" in own
    assert "of Paul" not in own
    assert "of Ada" not in own
    assert "of Mia" not in (await ask(phones, "approver", "/history"))["text"]
    everybody = (await ask(phones, "admin", "/history"))["text"]
    assert everybody.index("of Ada") < everybody.index("of Paul") < everybody.index("of Mia")
    mine = (await ask(phones, "admin", "/history mine"))["text"]
    assert "of Ada" in mine
    assert "of Mia" not in mine


async def test_a_row_says_what_who_and_how_it_ended(demo: Demo) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    copy = await card_at(phones, "approver", "laptop")
    await phones.tap("approver", copy, "Deny")
    await becomes(phones, card, "Denied")
    page = (await ask(phones, "member", "/history", "History"))["text"]
    for words in (
        short(card),
        "900.00 EUR",
        "laptop",
        "denied",
        "Mia Member → Paul Approver",
        "Europe/Berlin",
    ):
        assert words in page
    assert f"/call {short(card)}" in page


async def test_filters_narrow(demo: Demo) -> None:
    phones, _ = demo
    await ask(phones, "member", "create task: a thing to do", "Added")
    await ask(phones, "member", "expense 12.50 EUR coffee", "Added")
    await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    for words, there, not_there in (
        ("completed", ("to do", "coffee"), ("laptop",)),
        ("DONE", ("to do", "coffee"), ("laptop",)),
        ("waiting", ("laptop",), ("to do", "coffee")),
        ("proposed, completed", ("to do", "coffee", "laptop"), ()),
        ("create_task", ("to do",), ("coffee", "laptop")),
        ("create_expense completed 7d mine", ("coffee",), ("to do", "laptop")),
        ("failed", (), ("to do", "coffee", "laptop")),
    ):
        page = (await ask(phones, "member", f"/history {words}", "History"))["text"]
        for word in there:
            assert word in page, words
        for word in not_there:
            assert word not in page, words
    narrowed = (await ask(phones, "member", "/history create_expense failed 7d mine"))["text"]
    for words in ("failed", "create_expense", "last 7 days", "mine", "No calls"):
        assert words in narrowed
    await phones.post("clock", advance_s=3 * 86400)
    await ask(phones, "member", "/history 2d", "No calls")
    await ask(phones, "member", "/history 4d", "coffee")


@pytest.mark.parametrize("bad", ["nonsense", "0d", "completed nonsense", "9999d"])
async def test_a_filter_that_it_does_not_know_is_named(demo: Demo, bad: str) -> None:
    phones, _ = demo
    told = (await ask(phones, "member", f"/history {bad}"))["text"]
    assert bad.rsplit(maxsplit=1)[-1] in told
    for allowed in ("completed", "7d", "mine", "tool"):
        assert allowed in told


async def test_pages_turn_in_place(demo: Demo) -> None:
    phones, _ = demo
    await tasks(phones, "member", 18)
    page = await ask(phones, "member", "/history create_task 7d")
    assert things(page) == list(range(18, 10, -1))
    assert [label.strip("‹› ") for label in labels(page)] == ["Older"]
    said = await phones.tap("member", page, "Older")
    assert said["answered"]
    assert not said["alert"]
    page = await becomes(phones, page, "thing 10 ")
    assert things(page) == list(range(10, 2, -1))
    assert "last 7 days" in page["text"]
    assert [label.strip("‹› ") for label in labels(page)] == ["Newer", "Older"]
    await phones.tap("member", page, "Older")
    page = await becomes(phones, page, "thing 2 ")
    assert things(page) == [2, 1]
    assert [label.strip("‹› ") for label in labels(page)] == ["Newer"]
    await phones.tap("member", page, "Newer")
    page = await becomes(phones, page, "thing 10 ")
    await phones.tap("member", page, "Newer")
    page = await becomes(phones, page, "thing 18 ")
    assert things(page) == list(range(18, 10, -1))
    assert len([m for m in await phones.messages("member") if "History" in m["text"]]) == 1


async def test_pages_keep_every_filter_and_what_the_reader_may_see(demo: Demo) -> None:
    phones, _ = demo
    await tasks(phones, "admin", 1, first=99)
    await tasks(phones, "member", 9)
    page = await ask(phones, "member", "/history completed failed create_task 30d mine")
    older = data(page, "Older")
    await phones.tap("member", page, "Older")
    page = await becomes(phones, page, "thing 1 ")
    for words in ("completed", "failed", "create_task", "last 30 days", "mine"):
        assert words in page["text"]
    assert things(page) == [1]
    # The admin's page under a button that was not the admin's: their own authority counts, and "mine".
    admins = await ask(phones, "admin", "/history")
    await phones.tap("admin", admins, data=older)
    page = await becomes(phones, admins, "thing 99 ")
    assert things(page) == [99]


@pytest.mark.parametrize("argument", ["nonsense", "o.", "oAAAA.sZZ.tnope.dx.q", "n!!.d000"])
async def test_a_forged_page_shows_what_the_reader_may_see(demo: Demo, argument: str) -> None:
    phones, _ = demo
    await ask(phones, "admin", "create task: a secret", "Added")
    await tasks(phones, "member", 1)
    page = await ask(phones, "member", "/history failed", "No calls")
    said = await phones.tap("member", page, data=f"h:{argument}")
    assert said["answered"]
    page = await becomes(phones, page, "thing 1 ")
    assert "secret" not in page["text"]


# --- /pending ----------------------------------------------------------------------------------------------


async def test_nothing_pending_is_told_so(demo: Demo) -> None:
    phones, _ = demo
    await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    empty = await ask(phones, "member", "/pending")
    assert "Nothing waits for your signature" in empty["text"]
    assert not empty["buttons"]


async def test_pending_counts_what_this_person_may_sign_and_shows_the_first(demo: Demo) -> None:
    phones, _ = demo
    laptop = await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    chairs = await ask(phones, "member", "expense 200 EUR chairs", "Approval needed")
    own = await ask(phones, "approver", "expense 901 EUR boat", "Approval needed")
    told = await ask(phones, "approver", "/pending", "2 waiting")
    assert told["text"].index(short(laptop)) < told["text"].index(short(chairs)), "oldest first"
    assert short(own) not in told["text"]
    assert labels(told) == [f"🔍 Show #{short(laptop)}", "Next ▸ (2 of 2)"]
    above = [m for m in await phones.messages("approver") if m["message_id"] < told["message_id"]][-1]
    assert "Approval needed" in above["text"]
    assert "laptop" in above["text"]
    mine = await ask(phones, "member", "/pending", "1 waiting")
    assert short(chairs) in mine["text"], "one's own of medium risk"
    assert labels(mine) == [f"🔍 Show #{short(chairs)}"]
    await ask(phones, "admin", "/pending", "3 waiting")


async def test_the_card_comes_to_the_end_and_the_older_copy_loses_its_buttons(demo: Demo) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    old = await card_at(phones, "approver", "laptop")
    new = await ask(phones, "approver", "/pending", lambda m: "Approve" in " ".join(labels(m)))
    gone = await becomes(phones, old, lambda m: not m["buttons"])
    assert short(card) in gone["text"]
    assert "further down" in gone["text"]
    approved = await phones.tap("approver", new, "Approve")
    assert not approved["alert"]
    await becomes(phones, new, "Done")
    await becomes(phones, card, "Done")
    assert not (await becomes(phones, old, "further down"))["buttons"]
    await ask(phones, "approver", "/pending", "Nothing waits")


async def test_pending_twice_leaves_one_live_card(demo: Demo) -> None:
    phones, _ = demo
    await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    await card_at(phones, "approver", "laptop")
    for number in (1, 2):
        await ask(phones, "approver", "/pending", "1 waiting")
        await phones.see("approver", "further down", times=number)
    live = [m for m in await phones.messages("approver") if buttons_of(m)]
    assert len(live) == 1
    assert not (await phones.tap("approver", live[0], "Approve"))["alert"]
    await becomes(phones, live[0], "Done")


def buttons_of(message: Seen) -> bool:
    """Whether it can be signed there."""
    return any(label.endswith("Approve") for label in labels(message))


async def test_show_brings_the_card_below_what_was_said_since(demo: Demo) -> None:
    phones, _ = demo
    await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    await card_at(phones, "approver", "laptop")
    told = await ask(phones, "approver", "/pending", "1 waiting")
    said = await ask(phones, "approver", "/whoami", "Paul Approver")
    assert not (await phones.tap("approver", told, "Show"))["alert"]
    await phones.see("approver", lambda m: m["message_id"] > said["message_id"] and buttons_of(m))


async def test_next_steps_through_what_waits_and_leaves_out_what_was_decided(demo: Demo) -> None:
    phones, _ = demo
    for number in (901, 902, 903, 904):
        await ask(phones, "member", f"expense {number} EUR item {number}", "Approval needed")
        await card_at(phones, "approver", f"item {number}")
    told = await ask(phones, "approver", "/pending", "4 waiting")
    assert labels(told)[1:] == ["Next ▸ (2 of 4)"]
    assert not (await phones.tap("approver", told, "Next"))["alert"]
    assert "Number 2" in (await becomes(phones, told, "further down"))["text"]
    second = await phones.see("approver", "this is number 2")
    shown = [m for m in await phones.messages("approver") if buttons_of(m)][-1]
    assert "item 902" in shown["text"]
    assert labels(second)[1:] == ["Next ▸ (3 of 4)"]
    # Another approver decides the third meanwhile: Next goes on with the fourth, the third of three.
    third = await card_at(phones, "admin", "item 903")
    await phones.tap("admin", third, "Deny")
    await phones.tap("approver", second, "Next")
    last = await phones.see("approver", "3 waiting for your signature, this is number 3")
    assert not [label for label in labels(last) if "Next" in label]
    shown = [m for m in await phones.messages("approver") if buttons_of(m)][-1]
    assert "item 904" in shown["text"]


async def test_next_after_the_last_was_decided_says_that_nothing_more_waits(demo: Demo) -> None:
    phones, _ = demo
    for number in (901, 902):
        await ask(phones, "member", f"expense {number} EUR item {number}", "Approval needed")
        await card_at(phones, "approver", f"item {number}")
    told = await ask(phones, "approver", "/pending", "2 waiting")
    await phones.tap("approver", await card_at(phones, "approver", "item 902"), "Deny")
    said = await phones.tap("approver", told, "Next")
    assert "Nothing more" in said["text"]
    ended = await becomes(phones, told, "Nothing more waits")
    assert not ended["buttons"]


@pytest.mark.parametrize("argument", ["x", "AAAAAAAAAAAAAAAAAAAAAA", "1:1"])
async def test_a_forged_next_shows_only_what_the_reader_may_sign(demo: Demo, argument: str) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 900 EUR laptop", "Approval needed")
    said = await phones.tap("member", card, data=f"n:{argument}")
    assert said["answered"]
    again = await ask(phones, "member", "/pending", "Nothing waits")
    assert not again["buttons"]
    assert buttons_of(await becomes(phones, card, "Approval needed")), "a card is never written over"


# --- cards -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "forged", "chat"),
    [
        ("member", "h:n.", "group"),
        ("member", "sc:l", "group"),
        ("member", "v:p", "group"),
        ("member", "s:replies=off", "group"),
        ("member", "ps:l", "group"),
        ("member", "t:qdemo", "member"),
        ("admin", "m:l0", "group"),
        ("admin", "j:x", "group"),
        ("admin", "pl:50", "group"),
        ("admin", "st:again", "group"),
    ],
)
async def test_a_forged_tap_does_not_write_over_a_card(
    demo: Demo, person: str, forged: str, chat: str
) -> None:
    phones, product = demo
    card = await ask(phones, "member", "/expense 900 EUR laptop", "Approval needed", chat=chat)
    button = forged.replace("demo", product.home)
    assert (await phones.tap(person, card, data=button, chat=chat))["answered"]
    await ask(phones, "member", "/help", "How to ask", chat=chat)  # one after the other in a chat: it was not
    (seen,) = [m for m in await phones.messages(chat) if m["message_id"] == card["message_id"]]
    assert (seen["text"], labels(seen)) == (card["text"], labels(card))


@pytest.mark.parametrize("label", ["Yes", "leave it"])
async def test_an_answer_to_did_you_mean_does_not_write_over_a_card(demo: Demo, label: str) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "/expense 900 EUR laptop", "Approval needed")
    asked = await ask(phones, "member", "creat task: buy milk", "Did you mean")
    tapped = await phones.tap("member", card, data=data(asked, label))
    assert not tapped["alert"]
    await ask(phones, "member", "/help", "How to ask")
    (seen,) = [m for m in await phones.messages("member") if m["message_id"] == card["message_id"]]
    assert seen["text"] == card["text"]
