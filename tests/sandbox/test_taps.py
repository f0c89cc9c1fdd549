import asyncio
from typing import Any

import pytest

from bot.sandbox import Rules
from bot.sandbox.buttons import pick
from tests.sandbox.conftest import BOT, GROUP, MEMBER, OTHER, TOKEN, Driver, Make, held

TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"
ROW = [
    {"text": "✅ Approve", "callback_data": "ok"},
    {"text": "⛔ Deny", "callback_data": "no"},
    {"text": "Site", "url": "https://e.org"},
    {"text": "Copy", "copy_text": {"text": "id"}},
    {"text": "App", "web_app": {"url": "https://e.org/app"}},
]


async def card(sb: Driver) -> dict[str, Any]:
    sent = await sb.ok("sendMessage", chat_id=MEMBER, text="card", reply_markup={"inline_keyboard": [ROW]})
    return {"from": "member", "chat": "member", "message_id": sent["message_id"]}


async def query(sb: Driver, token: str = TOKEN) -> dict[str, Any]:
    [update] = await sb.updates(token, timeout=5)
    found: dict[str, Any] = update["callback_query"]
    return found


async def test_a_tap_is_answered_once(chat: Driver) -> None:
    tap = asyncio.create_task(chat.post("taps", **await card(chat), text="approve"))
    asked = await query(chat)
    assert asked["from"]["id"] == MEMBER
    assert asked["data"] == "ok"
    assert asked["message"]["text"] == "card"
    assert asked["message"]["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "ok"
    assert int(asked["chat_instance"])
    text = "x" * 201
    assert "MESSAGE_TOO_LONG" in await chat.refused(
        "answerCallbackQuery", callback_query_id=asked["id"], text=text
    )
    assert (
        await chat.ok("answerCallbackQuery", callback_query_id=asked["id"], text="Done", show_alert=True)
        is True
    )
    assert await tap == {"answered": True, "alert": True, "text": "Done"}
    assert await chat.refused("answerCallbackQuery", callback_query_id=asked["id"]) == TOO_OLD
    assert await chat.refused("answerCallbackQuery", callback_query_id="5") == TOO_OLD
    assert await chat.refused("answerCallbackQuery") == TOO_OLD


async def test_another_bot_cannot_answer(chat: Driver) -> None:
    tap = asyncio.create_task(chat.post("taps", **await card(chat), text="deny"))
    asked = await query(chat)
    assert await chat.refused("answerCallbackQuery", OTHER, callback_query_id=asked["id"]) == TOO_OLD
    await chat.ok("answerCallbackQuery", callback_query_id=asked["id"], url="https://t.me/x")
    assert await tap == {"answered": True, "alert": False, "text": "", "url": "https://t.me/x"}


async def test_the_window_is_on_the_movable_clock(chat: Driver) -> None:
    tap = asyncio.create_task(chat.post("taps", **await card(chat), text="deny"))
    asked = await query(chat)
    await chat.post("clock", advance_s=16)
    assert await chat.refused("answerCallbackQuery", callback_query_id=asked["id"]) == TOO_OLD
    second = asyncio.create_task(chat.post("taps", **await card(chat), text="deny"))
    await query(chat)
    assert list(chat.sandbox.world.callbacks) != [asked["id"]], "old ones are forgotten"
    await chat.post("reset")
    assert (await tap)["answered"] is False
    assert (await second)["answered"] is False


async def test_a_tap_without_an_answer_ends(make: Make) -> None:
    sb = await make(rules=Rules(tap_wait=0.05, same_offset_window=0))
    await sb.open()
    assert await sb.post("taps", **await card(sb), text="ok", data="ok") == {
        "answered": False,
        "alert": False,
        "text": "",
    }
    asked = await query(sb)
    assert await sb.ok("answerCallbackQuery", callback_query_id=asked["id"]) is True


async def test_buttons_that_ask_no_bot(chat: Driver) -> None:
    where = await card(chat)
    plain = {"answered": True, "alert": False, "text": ""}
    assert await chat.post("taps", **where, text="site") == plain | {"url": "https://e.org"}
    assert await chat.post("taps", **where, text="copy") == plain | {"copy_text": "id"}
    assert await chat.post("taps", **where, text="app") == plain | {"url": "https://e.org/app"}
    assert await chat.ok("getUpdates") == []


async def test_a_button_that_is_not_there(chat: Driver) -> None:
    where = await card(chat)
    answer = await chat.post("taps", 400, **where, text="Undo")
    assert answer["error"] == "no such button; there are: '✅ Approve', '⛔ Deny', 'Site', 'Copy', 'App'"
    await chat.post("taps", 400, **where)
    await chat.post("taps", 400, **where, data="x" * 65)
    await chat.post("taps", 400, **where, data="")
    await chat.post("taps", 404, **{**where, "message_id": 999}, data="x")
    await chat.post("taps", 400, **{**where, "from": "approver"}, data="x")
    await chat.post("taps", 400, **{**where, "message_id": None}, data="x")
    own = await chat.say("member", "mine")
    await chat.post("taps", 400, **{**where, "message_id": own["message_id"]}, data="x")
    assert (
        "none"
        in (await chat.post("taps", 400, **{**where, "message_id": own["message_id"]}, text="x"))["error"]
    )


async def test_forged_and_late_taps_reach_the_bot(chat: Driver) -> None:
    where = await card(chat)
    await chat.ok("editMessageText", chat_id=MEMBER, message_id=where["message_id"], text="decided")
    tap = asyncio.create_task(chat.post("taps", **where, data="forged"))
    asked = await query(chat)
    assert (asked["data"], asked["message"]["text"]) == ("forged", "decided")
    await chat.ok("answerCallbackQuery", callback_query_id=asked["id"])
    assert (await tap)["answered"] is True
    await chat.ok("deleteMessage", chat_id=MEMBER, message_id=where["message_id"])
    await chat.post("taps", 404, **where, text="Approve")
    tap = asyncio.create_task(chat.post("taps", **where, data="late"))
    asked = await query(chat)
    assert asked["message"] == {
        "message_id": where["message_id"],
        "chat": asked["message"]["chat"],
        "date": 0,
    }
    await chat.ok("answerCallbackQuery", callback_query_id=asked["id"])
    assert (await tap)["answered"] is True


async def test_a_hundred_taps_at_once(chat: Driver) -> None:
    where = await card(chat)
    taps = [asyncio.create_task(chat.post("taps", **where, data=f"n{n}")) for n in range(100)]
    seen: set[str] = set()
    while len(seen) < 100:
        updates = await chat.updates(timeout=5)
        asked = [one["callback_query"] for one in updates]
        seen |= {one["data"] for one in asked}
        await asyncio.gather(
            *(chat.ok("answerCallbackQuery", callback_query_id=one["id"], text=one["data"]) for one in asked)
        )
    answers = await asyncio.gather(*taps)
    assert [one["text"] for one in answers] == [f"n{n}" for n in range(100)]


async def test_the_bot_of_the_message_gets_the_tap_in_a_group(chat: Driver) -> None:
    await chat.ok("getMe", OTHER)
    keyboard = {"inline_keyboard": [ROW[:2]]}
    sent = await chat.ok("sendMessage", OTHER, chat_id=GROUP, text="card", reply_markup=keyboard)
    where = {"from": "approver", "chat": "group", "message_id": sent["message_id"]}
    tap = asyncio.create_task(chat.post("taps", **where, text="Approve"))
    asked = await query(chat, OTHER)
    assert asked["message"]["chat"]["id"] == GROUP
    await chat.ok("answerCallbackQuery", OTHER, callback_query_id=asked["id"])
    assert (await tap)["answered"]
    assert await chat.ok("getUpdates") == []
    assert BOT in chat.sandbox.world.bots


async def test_two_chats_have_two_instances(chat: Driver) -> None:
    await chat.say("approver", "/start")
    await chat.updates()
    instances = set()
    for who, number in (("member", 1001), ("approver", 1002)):
        sent = await chat.ok(
            "sendMessage", chat_id=number, text="x", reply_markup={"inline_keyboard": [ROW[:1]]}
        )
        where = {"from": who, "chat": who, "message_id": sent["message_id"]}
        tap = asyncio.create_task(chat.post("taps", **where, text="Approve"))
        asked = await query(chat)
        instances.add(asked["chat_instance"])
        await chat.ok("answerCallbackQuery", callback_query_id=asked["id"])
        await tap
    assert len(instances) == 2


async def test_a_bot_that_waits_hears_of_a_tap_at_once(chat: Driver) -> None:
    poll = asyncio.create_task(chat.ok("getUpdates", timeout=30))
    await held(chat)
    tap = asyncio.create_task(chat.post("taps", **await card(chat), text="Approve"))
    [update] = await poll
    await chat.ok("answerCallbackQuery", callback_query_id=update["callback_query"]["id"])
    assert (await tap)["answered"]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("approve", "a"),
        ("APPROVE", "a"),
        ("✅ Approve", "a"),
        ("approve all", "all"),
        ("all", "all"),
        ("undo", "undo"),
        ("👍", "up"),
        ("1 h", "hour"),
        ("nothing", None),
        ("", None),
        ("🦄", None),
    ],
)
def test_labels_are_matched_as_people_say_them(text: str, data: str | None) -> None:
    labels = {
        "✅ Approve all": "all",
        "✅ Approve": "a",
        "↩️ Undo (9 min)": "undo",
        "👍": "up",
        "+1 h": "hour",
    }
    keyboard = [[{"text": label, "callback_data": value}] for label, value in labels.items()]
    found = pick(keyboard, text)
    assert (found and found["callback_data"]) == data
