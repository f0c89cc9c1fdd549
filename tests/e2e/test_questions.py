"""What the bot asks back: what was meant, what is missing, what does not fit; and what it does not read."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.tool import Preview, Slot, SlotKind, Tool, ToolInput
from tests.e2e.ledger import stamp
from tests.e2e.phone import Phones, Seen, labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, data, stranger_in_group


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path) as running:
        yield running


def picture() -> dict[str, str]:
    """A PNG of one white dot, as a phone sends it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    dot = chunk(b"IDAT", zlib.compress(b"\0\xff\xff\xff"))
    content = b"\x89PNG\r\n\x1a\n" + head + dot + chunk(b"IEND", b"")
    return {
        "name": "receipt.png",
        "mime": "image/png",
        "content_base64": base64.b64encode(content).decode(),
    }


async def nothing_was_asked_for(phones: Phones) -> None:
    assert "No calls" in (await ask(phones, "admin", "/history"))["text"]


async def meant(phones: Phones, text: str = "creat task: buy milk", **more: str) -> Seen:
    return await ask(phones, "member", text, "Did you mean", **more)


# --- Did you mean ------------------------------------------------------------------------------------------


async def test_a_misspelt_word_is_asked_about_and_done_after_a_yes(demo: Demo) -> None:
    phones, _ = demo
    asked = await meant(phones)
    assert "buy milk" in asked["text"]
    assert "Nothing happens until you tap" in asked["text"]
    await nothing_was_asked_for(phones)
    said = await phones.tap("member", asked, "Yes")
    assert not said["alert"]
    chosen = await becomes(phones, asked, lambda m: not m["buttons"])
    assert "buy milk" in chosen["text"]
    line = await phones.see("member", "Added task #1: buy milk")
    assert line["reply_to"] == asked["reply_to"]
    again = await phones.tap("member", asked, data=data(asked, "Yes"))
    assert again["alert"]
    assert "Nothing was changed" in again["text"]
    await ask(phones, "member", "/task second", "Added task #2")


async def test_none_of_these_leaves_it(demo: Demo) -> None:
    phones, _ = demo
    asked = await meant(phones)
    await phones.tap("member", asked, "No, leave it")
    left = await becomes(phones, asked, "Never mind")
    assert not left["buttons"]
    assert "Nothing was changed" in left["text"]
    await nothing_was_asked_for(phones)
    late = await phones.tap("member", asked, data=data(asked, "Yes"))
    assert late["alert"]
    await nothing_was_asked_for(phones)


async def test_only_the_newest_question_counts(demo: Demo) -> None:
    phones, _ = demo
    old = await meant(phones)
    new = await meant(phones, "creat task: buy bread")
    late = await phones.tap("member", old, "Yes")
    assert late["alert"]
    assert "Nothing was changed" in late["text"]
    await nothing_was_asked_for(phones)
    await phones.tap("member", new, "Yes")
    await phones.see("member", "Added task #1: buy bread")


async def test_another_persons_tap_on_the_question_has_no_effect(demo: Demo) -> None:
    phones, _ = demo
    stranger = await stranger_in_group(phones)
    asked = await meant(phones, "@countersign_bot creat task: buy milk", chat="group")
    for other in ("approver", stranger):
        said = await phones.tap(other, asked, "Yes", chat="group")
        assert said["alert"]
    assert "no access" in said["text"]
    await nothing_was_asked_for(phones)
    await phones.tap("member", asked, "Yes", chat="group")
    line = await phones.see("group", "Added task #1: buy milk")
    assert line["reply_to"] == asked["reply_to"]


async def test_cancel_leaves_a_did_you_mean(demo: Demo) -> None:
    phones, _ = demo
    asked = await meant(phones)
    await ask(phones, "member", "/cancel", "Never mind")
    assert (await phones.tap("member", asked, "Yes"))["alert"]
    await nothing_was_asked_for(phones)


async def test_a_risky_reading_still_needs_its_signature(demo: Demo) -> None:
    phones, _ = demo
    asked = await meant(phones, "expens 900 EUR laptop")
    await phones.tap("member", asked, "Yes")
    await phones.see("member", "Approval needed")


class SealInput(ToolInput):
    text: str
    colour: str


def seal(ledger: Path) -> Tool:
    """Fits "press <text>" as the stamp does, and needs a colour besides."""
    like = stamp(ledger)
    return replace(
        like,
        name="seal",
        title="Seal",
        command="",
        form="",
        input=SealInput,
        preview=lambda arguments: Preview(title=f"Seal {arguments.text} in {arguments.colour}"),
        examples=("press {text}", "press {text} in {colour}"),
        slots={"colour": Slot(kind=SlotKind.WORD, question="Which colour?")},
    )


async def test_of_several_readings_one_is_chosen_and_what_it_lacks_asked_for(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    rivals = [replace(stamp(ledger), examples=("press {text}",)), seal(ledger)]
    async with running_demo(tmp_path / "data", extra=rivals) as (phones, _):
        asked = await meant(phones, "press hello")
        assert "one of these" in asked["text"]
        numbered = [label for label in labels(asked) if label[0].isdigit()]
        assert len(numbered) == 2
        for label in numbered:
            assert label.rstrip("…") in asked["text"]
        await phones.tap("member", asked, "Seal")
        await phones.see("member", "Which colour")
        # What was doubtful stays so: the whole is confirmed once more.
        whole = await ask(phones, "member", "red", "Did you mean this")
        await phones.tap("member", whole, "Yes")
        card = await phones.see("member", "Approval needed")
        assert "Seal hello in red" in card["text"]


# --- what is missing ---------------------------------------------------------------------------------------


async def test_missing_arguments_are_asked_for_one_at_a_time(demo: Demo) -> None:
    phones, _ = demo
    first = await ask(phones, "member", "/expense", "How much")
    assert "/cancel" in first["text"]
    wrong = await ask(phones, "member", "rather a lot")
    assert "rather a lot" in wrong["text"]
    assert "42.50" in wrong["text"], "what would be right"
    assert "Nothing was changed" in wrong["text"]
    second = await ask(phones, "member", "12.50", "What was it for")
    assert second["force_reply"]
    await ask(phones, "member", "coffee", "12.50 EUR for coffee")


async def test_a_question_can_be_left_midway(demo: Demo) -> None:
    phones, _ = demo
    await ask(phones, "member", "/expense", "How much")
    await ask(phones, "member", "12.50", "What was it for")
    await ask(phones, "member", "/cancel", "Never mind")
    await ask(phones, "member", "coffee", "did not understand")
    await nothing_was_asked_for(phones)


async def test_a_new_command_takes_the_place_of_the_question(demo: Demo) -> None:
    phones, _ = demo
    await ask(phones, "member", "/expense", "How much")
    await ask(phones, "member", "/task buy milk", "Added task #1: buy milk")
    assert "no open question" in (await ask(phones, "member", "/cancel"))["text"]


async def test_a_forwarded_answer_is_only_ever_confirmed(demo: Demo) -> None:
    phones, _ = demo
    theirs = await phones.say("approver", "pay the pirates", chat="group")
    await ask(phones, "member", "/task", "What is to be done")
    origin = {"chat": "group", "message_id": theirs["message_id"]}
    asked = await ask(phones, "member", "", "somebody else's words", forward_of=origin)
    await nothing_was_asked_for(phones)
    await phones.tap("member", asked, "Yes")
    await phones.see("member", "Added task #1: pay the pirates")


# --- what does not fit -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("expense 0 EUR coffee", ("amount", "0", "more than zero")),
        ("expense -5 EUR coffee", ("amount", "-5", "more than zero")),
        ("/done abc", ("number", "abc", "12")),
        ("create_expense amount=abc currency=EUR description=x", ("amount", "abc", "42.50")),
        ("create_expense amount=5 currency=XYZ description=x", ("currency", "XYZ", "EUR")),
        ("create_expense amount=5 foo=3", ("foo", "amount, description")),
    ],
)
async def test_a_value_that_does_not_fit_is_named_with_what_would(
    demo: Demo, text: str, words: tuple[str, ...]
) -> None:
    phones, _ = demo
    told = (await ask(phones, "member", text))["text"]
    for word in (*words, "Nothing was changed"):
        assert word in told
    await nothing_was_asked_for(phones)


async def test_what_cannot_be_done_says_why(demo: Demo) -> None:
    phones, _ = demo
    failed = await ask(phones, "member", "/done 7")
    assert "no task #7" in failed["text"]
    assert "/tasks" in failed["text"]


async def test_unknown_text_gets_the_nearest_tools(demo: Demo) -> None:
    phones, _ = demo
    near = (await ask(phones, "member", "a joke about all the tasks of the world"))["text"]
    assert "Nothing was changed" in near
    assert "/tasks" in near
    for text in ("colourless green ideas", "/nosuch", "/help@other_bot", "…"):
        told = (await ask(phones, "member", text))["text"]
        assert "Nothing was changed" in told
        assert "/help" in told
    await nothing_was_asked_for(phones)


# --- what others wrote, and what is not text ---------------------------------------------------------------


async def test_forwarded_text_is_only_ever_confirmed(demo: Demo) -> None:
    phones, _ = demo
    for text in ("expense 30 EUR pens", "spent 900 EUR on a desk", "create_task title=x"):
        theirs = await phones.say("approver", text, chat="group")
        origin = {"chat": "group", "message_id": theirs["message_id"]}
        asked = await ask(phones, "member", "", "somebody else's words", forward_of=origin)
        assert "Nothing happens until you tap" in asked["text"]
    assert "No calls" in (await ask(phones, "member", "/history"))["text"]
    await phones.tap("member", asked, "Yes")
    await phones.see("member", "Added task")


async def test_a_forwarded_command_without_its_values_opens_no_question(demo: Demo) -> None:
    phones, _ = demo
    theirs = await phones.say("approver", "/expense@nobody_bot", chat="group")
    origin = {"chat": "group", "message_id": theirs["message_id"]}
    await ask(phones, "member", "", "I did nothing", forward_of=origin)
    assert "no open question" in (await ask(phones, "member", "/cancel"))["text"]


async def test_a_quoted_text_is_only_ever_confirmed(demo: Demo) -> None:
    phones, _ = demo
    for text in ("> expense 30 EUR pens", '"expense 30 EUR pens"'):
        await meant(phones, text)
    await nothing_was_asked_for(phones)


async def test_what_is_not_text_is_said_to_be_unread(demo: Demo) -> None:
    phones, _ = demo
    for file in ({"name": "voice.ogg", "text": "noise", "mime": "audio/ogg"}, picture()):
        told = await ask(phones, "member", "", file=file)
        assert "only read text" in told["text"]
        assert "Nothing was changed" in told["text"]
    # In a group it is not meant for the bot.
    await phones.say("member", "", chat="group", file=picture())
    await ask(phones, "member", "/whoami", "Mia Member", chat="group")
    assert not [m for m in await phones.messages("group") if "only read text" in m["text"]]


async def test_a_photo_with_a_caption_is_read_by_its_caption(demo: Demo) -> None:
    phones, _ = demo
    line = await ask(phones, "member", "expense 12.50 EUR lunch", "12.50 EUR for lunch", file=picture())
    assert "Undo" in " ".join(labels(line))
    await ask(phones, "member", "/task keep the receipt", "Added task #1", file=picture())
