import asyncio
import time
from typing import Any

from bot.sandbox import Rules
from tests.sandbox.conftest import BOT, OTHER, TOKEN, Driver, Make, eventually, held


async def test_get_me_makes_the_bot_and_no_update(sb: Driver) -> None:
    me = await sb.ok("getMe")
    assert me["id"] == BOT
    assert me["is_bot"] is True
    assert me["username"] == "countersign_bot"
    assert (await sb.ok("getme", OTHER))["username"] == "countersign_7001_bot"
    assert await sb.ok("GETUPDATES") == []


async def test_malformed_tokens_are_401(sb: Driver) -> None:
    for token in (
        "",
        "abc",
        "1:short",
        "x:" + "a" * 20,
        "1001:" + "a" * 20,
        "0:" + "a" * 20,
        "9" * 30 + ":" + "a" * 20,
    ):
        body = await sb.api("getMe", token)
        assert body["error_code"] == 401
        assert body["description"] == "Unauthorized: invalid token specified"
    assert (await sb.get("state"))["bots"] == []


async def test_unknown_method_is_404(sb: Driver) -> None:
    for name in ("sendDice", "createForumTopic", "sendMessageDraft", "x"):
        body = await sb.api(name)
        assert (body["error_code"], body["description"]) == (404, "Not Found: method not found")


async def test_offset_confirms_and_zero_does_not(sb: Driver) -> None:
    await sb.ok("getMe")
    for text in "abc":
        await sb.say("member", text)
    first = await sb.ok("getUpdates")
    assert [one["message"]["text"] for one in first] == ["a", "b", "c"]
    assert await sb.ok("getUpdates", offset=0) == first
    rest = await sb.ok("getUpdates", offset=first[1]["update_id"])
    assert [one["message"]["text"] for one in rest] == ["b", "c"]
    assert await sb.ok("getUpdates") == rest


async def test_negative_offset_keeps_the_last(sb: Driver) -> None:
    await sb.ok("getMe")
    for text in "abc":
        await sb.say("member", text)
    last = await sb.ok("getUpdates", offset=-1)
    assert [one["message"]["text"] for one in last] == ["c"]
    assert await sb.ok("getUpdates") == last
    assert await sb.ok("getUpdates", offset=-50) == last


async def test_limit_and_timeout_are_clamped(sb: Driver) -> None:
    await sb.ok("getMe")
    for number in range(102):
        await sb.say("member", str(number))
    assert len(await sb.ok("getUpdates")) == 100
    assert len(await sb.ok("getUpdates", limit=0)) == 1
    assert len(await sb.ok("getUpdates", limit=-5)) == 1
    assert len(await sb.ok("getUpdates", limit=10**9, timeout=10**9)) == 100
    assert len(await sb.ok("getUpdates", limit="junk", timeout="junk", offset="junk")) == 1


async def test_an_offset_from_another_life_hides_nothing(sb: Driver) -> None:
    await sb.ok("getMe")
    await sb.say("member", "old")
    [old] = await sb.ok("getUpdates", offset=2_000_000_000)
    assert old["update_id"] > 1_000_000, "and its number is not one of the other life"
    assert await sb.ok("getUpdates", offset=old["update_id"] + 1) == []
    await sb.say("member", "new")
    assert [one["message"]["text"] for one in await sb.ok("getUpdates", offset=2_000_000_000)] == ["new"]


async def test_a_held_poll_wakes_at_once(sb: Driver) -> None:
    await sb.ok("getMe")
    poll = asyncio.create_task(sb.ok("getUpdates", timeout=30))
    await held(sb)
    start = time.monotonic()
    await sb.say("member", "hello")
    [update] = await poll
    assert update["message"]["text"] == "hello"
    assert time.monotonic() - start < 1


async def test_a_poll_ends_empty_after_its_timeout(sb: Driver) -> None:
    start = time.monotonic()
    assert await sb.ok("getUpdates", timeout=1) == []
    assert 0.9 < time.monotonic() - start < 3


async def test_the_same_offset_again_waits_and_gets_one(make: Make) -> None:
    sb = await make(rules=Rules(same_offset_window=0.5, burst_window=30))
    await sb.ok("getUpdates", offset=5)
    start = time.monotonic()
    assert await sb.ok("getUpdates", offset=5) == []
    assert time.monotonic() - start > 0.4
    await sb.say("member", "a")
    await sb.say("member", "b")
    assert len(await sb.ok("getUpdates", offset=1)) == 2
    assert len(await sb.ok("getUpdates", offset=1)) == 1


async def test_a_second_waiting_poll_ends_the_first_with_409(make: Make) -> None:
    sb = await make(rules=Rules(conflict_delay=0.3))
    first = asyncio.create_task(sb.api("getUpdates", timeout=30))
    await held(sb)
    second = asyncio.create_task(sb.api("getUpdates", timeout=30))
    body = await first
    assert body["error_code"] == 409
    assert body["description"] == (
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    )
    await held(sb)
    start = time.monotonic()
    third = asyncio.create_task(sb.api("getUpdates", timeout=30))
    assert (await second)["error_code"] == 409
    assert time.monotonic() - start >= 0.25, "the next conflict is held back"
    await sb.say("member", "hello")
    assert (await third)["ok"]


async def test_a_poll_that_need_not_wait_kills_nobody(sb: Driver) -> None:
    first = asyncio.create_task(sb.api("getUpdates", timeout=30))
    await held(sb)
    assert await sb.ok("getUpdates") == []
    await sb.say("member", "hello")
    assert (await first)["ok"]


async def test_a_client_that_left_is_no_competitor(make: Make) -> None:
    sb = await make(rules=Rules(conflict_delay=20))
    first = asyncio.create_task(sb.api("getUpdates", timeout=30))
    left = await held(sb)
    first.cancel()
    await asyncio.wait([first])
    await asyncio.sleep(0.05)
    second = asyncio.create_task(sb.api("getUpdates", timeout=30))
    await held(sb, other_than=left)
    third = asyncio.create_task(sb.api("getUpdates", timeout=30))
    start = time.monotonic()
    assert (await second)["error_code"] == 409
    assert time.monotonic() - start < 10, "it is the first conflict that somebody sees"
    await sb.say("member", "hello")
    assert (await third)["ok"]


async def test_stop_ends_every_wait(make: Make) -> None:
    sb = await make(rules=Rules(conflict_delay=30))
    polls: list[asyncio.Task[dict[str, Any]]] = []
    last: object = None
    for _ in range(3):
        polls.append(asyncio.create_task(sb.api("getUpdates", timeout=30)))
        last = await held(sb, other_than=last)
    await sb.sandbox.stop()
    codes = sorted(body.get("error_code", 200) for body in await asyncio.gather(*polls))
    assert codes == [200, 409, 409]
    await sb.sandbox.stop()


async def test_allowed_updates_stay_until_others_are_asked_for(sb: Driver) -> None:
    await sb.ok("getUpdates", allowed_updates=["edited_message"])
    message = await sb.say("member", "a")
    assert await sb.ok("getUpdates") == []
    edit = {"from": "member", "chat": "member", "message_id": message["message_id"]}
    await sb.post("edits", **edit, text="b")
    [update] = await sb.updates()
    assert update["edited_message"]["text"] == "b"
    await sb.ok("getUpdates", allowed_updates="[nonsense")
    await sb.say("member", "c")
    assert await sb.ok("getUpdates", allowed_updates=5) == []
    await sb.ok("getUpdates", allowed_updates='["unknown"]')
    await sb.say("member", "d")
    assert [one["message"]["text"] for one in await sb.updates()] == ["d"]


async def test_reactions_come_only_where_asked_for(sb: Driver) -> None:
    await sb.ok("getUpdates")
    message = await sb.say("member", "a")
    await sb.updates()
    tell = {"from": "member", "chat": "member", "message_id": message["message_id"]}
    await sb.post("reactions", **tell, emoji="👍")
    assert await sb.updates() == []
    await sb.ok("getUpdates", allowed_updates=["message_reaction"])
    seen = await sb.post("reactions", **tell, emoji="❤️")
    assert seen["reactions"] == [{"emoji": "❤", "count": 1, "from": [1001]}]
    [update] = await sb.updates()
    reaction = update["message_reaction"]
    assert reaction["old_reaction"] == [{"type": "emoji", "emoji": "👍"}]
    assert reaction["new_reaction"] == [{"type": "emoji", "emoji": "❤"}]
    await sb.post("reactions", **tell, emoji="❤")
    assert await sb.updates() == []
    await sb.post("reactions", **tell, emoji="")
    [update] = await sb.updates()
    assert update["message_reaction"]["new_reaction"] == []


async def test_updates_have_a_time_to_live(chat: Driver) -> None:
    sent = await chat.ok("sendMessage", chat_id=1001, text="x", reply_markup=_keyboard())
    tap = {"from": "member", "chat": "member", "message_id": sent["message_id"], "data": "d"}
    waiting = asyncio.create_task(chat.post("taps", **tap))

    async def tapped() -> bool:
        return bool((await chat.ok("getWebhookInfo"))["pending_update_count"])

    await eventually(tapped)
    await chat.say("member", "hello")
    assert [*map(_kind, await chat.ok("getUpdates"))] == ["callback_query", "message"]
    await chat.post("clock", advance_s=151)
    assert [*map(_kind, await chat.ok("getUpdates"))] == ["message"]
    await chat.post("clock", advance_s=86400)
    assert (await chat.ok("getWebhookInfo"))["pending_update_count"] == 0
    await chat.post("reset")
    assert await waiting == {"answered": False, "alert": False, "text": ""}


def _keyboard() -> dict[str, object]:
    return {"inline_keyboard": [[{"text": "Go", "callback_data": "d"}]]}


def _kind(update: dict[str, object]) -> str:
    return next(name for name in update if name != "update_id")


async def test_webhook_methods_know_of_none(sb: Driver) -> None:
    await sb.ok("getMe")
    await sb.say("member", "hello")
    info = await sb.ok("getWebhookInfo")
    assert info == {"url": "", "has_custom_certificate": False, "pending_update_count": 1}
    assert await sb.ok("deleteWebhook") is True
    assert len(await sb.ok("getUpdates")) == 1
    assert await sb.ok("deleteWebhook", drop_pending_updates=True) is True
    assert await sb.ok("getUpdates") == []
    assert await sb.ok("setWebhook", url="") is True
    assert "only knows long polling" in await sb.refused("setWebhook", url="https://x.example/y")


async def test_bots_have_queues_and_chats_of_their_own(sb: Driver) -> None:
    await sb.open(TOKEN, OTHER)
    await sb.say("member", "for the first")
    await sb.say("member", "for the second", bot="countersign_7001_bot")
    assert [one["message"]["text"] for one in await sb.updates()] == ["for the first"]
    assert [one["message"]["text"] for one in await sb.updates(OTHER)] == ["for the second"]
    assert [one["text"] for one in await sb.messages("member", "?bot=7001")] == ["/start", "for the second"]
    assert [one["text"] for one in await sb.messages("member")] == ["/start", "for the first"]
