"""In a group: who is answered, where, and what others may do with a member's card."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.sandbox import posting
from tests.e2e.phone import Phones, Seen, labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, card_at, data, joins, short, stranger_in_group

BOT = "@countersign_bot"


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path) as running:
        yield running


async def from_the_bot(phones: Phones) -> list[Seen]:
    return [message for message in await phones.messages("group") if message["from"]["is_bot"]]


async def topic(phones: Phones) -> int:
    chats = (await phones.get("state"))["chats"]
    group = next(chat for chat in chats if chat["key"] == "group")
    return int(group["topics"][0]["message_thread_id"])


async def test_a_command_a_mention_and_a_reply_are_answered(demo: Demo) -> None:
    phones, _ = demo
    first = await ask(phones, "member", "/task by command", "by command", chat="group")
    await ask(phones, "member", f"/task{BOT} with a name", "with a name", chat="group")
    await ask(phones, "member", f"{BOT} create task: by mention", "by mention", chat="group")
    await ask(phones, "member", f"create task: at the end {BOT.upper()}", "at the end", chat="group")
    reply = {"reply_to": first["message_id"]}
    line = await ask(phones, "member", "create task: by reply", "by reply", chat="group", **reply)
    assert "countersign" not in "".join(m["text"] for m in await from_the_bot(phones)).lower()
    said = next(m for m in await phones.messages("group") if m["message_id"] == line["reply_to"])
    assert said["text"] == "create task: by reply"


@pytest.fixture(params=["privacy mode", "sees everything"])
def sight(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telegram shows a bot what is addressed to it, or everything where it is an admin of the group."""
    if request.param == "sees everything":
        monkeypatch.setattr(posting, "sees", lambda world, bot, message: True)


@pytest.mark.usefixtures("sight")
async def test_what_is_not_addressed_to_the_bot_is_ignored(demo: Demo) -> None:
    phones, _ = demo
    colleague = await phones.say("approver", "hello", chat="group")
    for text in (
        "expense 12.50 EUR coffee",
        "/task@other_bot by command",
        "/whoami@other_bot",
        f"{BOT}s create task: x",
        f"/task{BOT}_2 x",
    ):
        await phones.say("member", text, chat="group")
    await phones.say("member", "create task: to you", chat="group", reply_to=colleague["message_id"])
    await ask(phones, "member", "/whoami", "Mia Member", chat="group")
    assert len(await from_the_bot(phones)) == 1
    assert "No calls" in (await ask(phones, "admin", "/history"))["text"]


@pytest.mark.usefixtures("sight")
async def test_an_open_question_is_answered_only_by_who_was_asked_and_to_the_bot(demo: Demo) -> None:
    phones, _ = demo
    question = await ask(phones, "member", "/expense", "How much", chat="group")
    colleague = await phones.say("approver", "99", chat="group")
    await phones.say("member", "77", chat="group")
    await phones.say("member", "88", chat="group", reply_to=colleague["message_id"])
    theirs = {"reply_to": question["message_id"]}
    await ask(phones, "approver", "66", "did not understand", chat="group", **theirs)
    second = await ask(phones, "member", f"{BOT} 12.50", "What was it for", chat="group")
    mine = {"reply_to": second["message_id"]}
    await ask(phones, "member", "lunch", "12.50 EUR for lunch", chat="group", **mine)


async def test_questions_of_two_people_do_not_mix(demo: Demo) -> None:
    phones, _ = demo
    one = await ask(phones, "member", "/task", "What is to be done", chat="group")
    two = await ask(phones, "approver", "/task", "What is to be done", chat="group")
    await ask(phones, "approver", "of Paul", "of Paul", chat="group", reply_to=two["message_id"])
    await ask(phones, "member", "of Mia", "of Mia", chat="group", reply_to=one["message_id"])


async def test_an_approver_signs_a_members_card_in_the_group(demo: Demo) -> None:
    phones, _ = demo
    stranger = await stranger_in_group(phones)
    card = await ask(phones, "member", "/expense 900 EUR sofa", "Approval needed", chat="group")
    assert card["reply_to"]
    for other, words in (("member", "somebody else"), (stranger, "no access")):
        said = await phones.tap(other, card, "Approve", chat="group")
        assert said["alert"]
        assert words in said["text"]
    copy = await card_at(phones, "approver", "sofa")
    said = await phones.tap("approver", card, "Approve", chat="group")
    assert not said["alert"]
    done = await becomes(phones, card, "Done")
    assert "Paul Approver" in done["text"]
    await becomes(phones, copy, "Done")
    assert len([m for m in await from_the_bot(phones) if short(m) == short(card)]) == 1


async def test_a_bystander_neither_signs_withdraws_nor_undoes(demo: Demo) -> None:
    phones, _ = demo
    await joins(phones, "nora", "member")
    await phones.post("members", chat="group", action="add", key="nora")
    card = await ask(phones, "member", "/expense 200 EUR chairs", "Approval needed", chat="group")
    for label in ("Approve", "Deny", "Cancel"):
        said = await phones.tap("nora", card, label, chat="group")
        assert said["alert"], label
    assert "withdraw" in said["text"]
    assert "no such call" in (await ask(phones, "nora", f"/cancel {short(card)}"))["text"]
    line = await ask(phones, "member", "/task buy milk", "Added task", chat="group")
    said = await phones.tap("nora", line, "Undo", chat="group")
    assert said["alert"]
    assert "Only the person who asked, or an approver" in said["text"]
    await phones.tap("member", card, "Approve", chat="group")
    await becomes(phones, card, "Done")
    await phones.tap("approver", line, "Undo", chat="group")
    await becomes(phones, line, "Undone")


async def test_a_topic_is_kept(demo: Demo) -> None:
    phones, _ = demo
    thread = await topic(phones)

    def there(words: str) -> Callable[[Seen], bool]:
        return lambda m: words in m["text"] and m.get("thread") == thread

    async def asks(text: str, words: str) -> Seen:
        return await ask(phones, "member", text, there(words), chat="group", thread=thread)

    for text, words in (
        ("/whoami", "Mia Member"),
        ("/history", "History"),
        ("/pending", "Nothing waits"),
        (f"{BOT} colourless green ideas", "did not understand"),
        ("/task buy milk", "Added task"),
    ):
        await asks(text, words)
    asked = await asks(f"{BOT} creat task: buy bread", "Did you mean")
    await phones.tap("member", asked, "Yes", chat="group")
    await phones.see("group", there("Added task #2"))
    await asks("/expense", "How much")
    await asks(f"{BOT} 900", "What was it for")
    card = await asks(f"{BOT} sofa", "Approval needed")
    await phones.tap("approver", card, "Deny", chat="group")
    await becomes(phones, card, "Denied")
    await phones.tap("member", card, "Ask again", chat="group")
    await phones.see("group", lambda m: f"again after #{short(card)}" in m["text"] and m["thread"] == thread)


async def test_pages_and_settings_in_a_group_are_of_whoever_taps(demo: Demo) -> None:
    phones, _ = demo
    stranger = await stranger_in_group(phones)
    for number in range(9):
        await ask(phones, "admin", f"create task: thing {number}", f"#{number + 1}")
    page = await ask(phones, "admin", "/history", "thing 8", chat="group")
    refused = await phones.tap(stranger, page, "Older", chat="group")
    assert refused["alert"]
    assert "no access" in refused["text"]
    shown = next(m for m in await phones.messages("group") if m["message_id"] == page["message_id"])
    assert shown["text"] == page["text"], "a stranger's tap takes nothing away from others"
    await phones.tap("member", page, "Older", chat="group")
    page = await becomes(phones, page, "No calls")
    assert "thing 0" not in page["text"]
    settings = await ask(phones, "member", "/settings", "Berlin", chat="group")
    await phones.tap("approver", settings, "London", chat="group")
    await becomes(phones, settings, "Europe/London")
    await ask(phones, "member", "/whoami", "Europe/Berlin", chat="group")


async def test_the_bot_greets_a_group_that_it_comes_into(demo: Demo) -> None:
    phones, product = demo
    await phones.post("members", chat="group", action="remove", bot=product.telegram.bot_id)
    await phones.post("members", chat="group", action="add", bot=product.telegram.bot_id)
    hello = await phones.see("group", "Hello")
    assert BOT in hello["text"]
    assert "/help" in hello["text"]


async def test_show_in_a_group_brings_the_card_there(demo: Demo) -> None:
    phones, _ = demo
    card = await ask(phones, "member", "expense 900 EUR sofa", "Approval needed")
    waiting = await ask(phones, "approver", "/pending", "sofa", chat="group")
    said = await phones.tap("member", waiting, "Show", chat="group")
    assert not said["alert"]
    shown = await phones.see("group", lambda m: "Approval needed" in m["text"])
    assert {"Approve", "Deny"} <= {label.split()[-1] for label in labels(shown)}
    await phones.tap("approver", shown, "Approve", chat="group")
    await becomes(phones, shown, "Done")
    await becomes(phones, card, "Done")


async def test_show_by_somebody_who_may_not_know_the_call_is_refused(demo: Demo) -> None:
    phones, _ = demo
    stranger = await stranger_in_group(phones)
    await ask(phones, "admin", "expense 900 EUR secret", "Approval needed")
    waiting = await ask(phones, "approver", "/pending", "secret", chat="group")
    for other in ("member", stranger):
        said = await phones.tap(other, waiting, data=data(waiting, "Show"), chat="group")
        assert said["alert"]
        assert "no such call" in said["text"]
