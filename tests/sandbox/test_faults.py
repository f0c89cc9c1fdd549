import asyncio
import time
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import GROUP, MEMBER, TOKEN, Driver, eventually


async def test_the_next_calls_fail_as_ordered(chat: Driver) -> None:
    answer = await chat.post("faults", method="sendMessage", status=502, times=2)
    assert [one["times"] for one in answer["faults"]] == [2]
    for _ in range(2):
        body = await chat.api("sendmessage", chat_id=MEMBER, text="x")
        assert (body["error_code"], body["description"]) == (502, "Bad Gateway")
    await chat.ok("sendMessage", chat_id=MEMBER, text="x")
    assert len(await chat.messages()) == 2


async def test_429_says_when_to_come_back(chat: Driver) -> None:
    await chat.post("faults", chat="member", retry_after=7)
    await chat.ok("sendMessage", chat_id=GROUP, text="x")
    await chat.ok("getMe")
    body = await chat.api("sendMessage", chat_id=str(MEMBER), text="x")
    assert body["error_code"] == 429
    assert body["parameters"] == {"retry_after": 7}
    assert body["description"] == "Too Many Requests: retry after 7"
    await chat.post("faults", chat="group", status=400, description="Bad Request: PEER_FLOOD")
    assert await chat.refused("sendMessage", chat_id=GROUP, text="x") == "Bad Request: PEER_FLOOD"
    await chat.post("faults", chat=-77, status=418)
    assert await chat.refused("sendMessage", chat_id=-77, text="x") == "Error"


async def test_a_delayed_call_is_done_in_the_end(chat: Driver) -> None:
    await chat.post("faults", method="sendMessage", delay=0.1)
    start = time.monotonic()
    await chat.ok("sendMessage", chat_id=MEMBER, text="x")
    assert time.monotonic() - start >= 0.1
    await chat.post("faults", method="sendMessage", status=200, delay=0.4)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await chat.ok("sendMessage", chat_id=MEMBER, text="gave up, but it was sent")

    async def sent() -> bool:
        return len(await chat.messages()) == 3

    await eventually(sent)


async def test_a_lost_request_and_a_lost_answer(chat: Driver) -> None:
    await chat.post("faults", method="sendMessage", drop=True)
    with pytest.raises(aiohttp.ClientConnectionError):
        await chat.ok("sendMessage", chat_id=MEMBER, text="lost")
    assert len(await chat.messages()) == 1
    await chat.post("faults", method="sendMessage", status=200, drop="after")
    with pytest.raises(aiohttp.ClientConnectionError):
        await chat.ok("sendMessage", chat_id=MEMBER, text="sent")
    assert (await chat.messages())[-1]["text"] == "sent"


@pytest.mark.parametrize("drop", [True, "reset", "after", "midway", "never"])
async def test_a_call_whose_connection_ends(chat: Driver, drop: bool | str) -> None:
    """Whatever comes back of it, it is known whether the call was done."""
    await chat.post("faults", method="sendMessage", drop=drop)
    hurry = aiohttp.ClientTimeout(sock_read=0.3)
    url = f"{chat.sandbox.url}/bot{TOKEN}/sendMessage"

    async def send() -> bytes:
        async with chat.session.post(url, json={"chat_id": MEMBER, "text": "x"}, timeout=hurry) as answer:
            return await answer.read()

    with pytest.raises(ENDS[drop]) as caught:
        await send()
    assert type(caught.value) is ENDS[drop]
    sent = [one["text"] for one in await chat.messages()][1:]
    assert sent == ([] if drop in (True, "reset") else ["x"])
    await chat.ok("getMe")


ENDS: dict[bool | str, type[Exception]] = {
    True: aiohttp.ServerDisconnectedError,
    "reset": aiohttp.ClientOSError,
    "after": aiohttp.ServerDisconnectedError,
    "midway": aiohttp.ClientPayloadError,
    "never": aiohttp.SocketTimeoutError,
}


async def test_an_answer_that_comes_late_is_of_a_call_that_was_done_at_once(chat: Driver) -> None:
    await chat.post("faults", method="sendMessage", late=600)
    answer = asyncio.ensure_future(chat.ok("sendMessage", chat_id=MEMBER, text="x"))

    async def sent() -> bool:
        return len(await chat.messages()) == 2

    await eventually(sent)
    assert not answer.done()
    await chat.sandbox.stop()
    assert (await answer)["text"] == "x"


@pytest.mark.parametrize(
    ("order", "status", "kind", "done"),
    [
        ({"body": "<html>", "content_type": "text/html"}, 200, "text/html", True),
        ({"body": "<html>", "content_type": "text/html", "undone": True}, 200, "text/html", False),
        ({"body": '{"ok":tr'}, 200, "application/json", True),
        ({"body": ""}, 200, "application/json", True),
        ({"body": "<h1>Bad Gateway</h1>", "status": 502}, 502, "application/json", False),
        ({"content_type": "text/plain"}, 200, "text/plain", True),
    ],
)
async def test_what_is_answered_instead(
    chat: Driver, order: dict[str, Any], status: int, kind: str, done: bool
) -> None:
    await chat.post("faults", method="sendMessage", **order)
    url = f"{chat.sandbox.url}/bot{TOKEN}/sendMessage"
    async with chat.session.post(url, json={"chat_id": MEMBER, "text": "x"}) as answer:
        text = await answer.text()
        assert (answer.status, answer.content_type) == (status, kind)
    assert text == order["body"] if "body" in order else '"ok": true' in text
    assert len(await chat.messages()) == (2 if done else 1)


async def test_any_method_means_polling_too(chat: Driver) -> None:
    await chat.post("faults", status=500)
    assert await chat.refused("getUpdates") == "Internal Server Error"
    assert await chat.ok("getUpdates") == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": 200},
        {"status": 302},
        {"status": 99},
        {"status": "500"},
        {"status": True},
        {"status": 500, "times": 0},
        {"status": 500, "times": 1.5},
        {"delay": -1},
        {"delay": 1e400},
        {"drop": "before"},
        {"drop": 1},
        {"drop": ["after"]},
        {"late": -1},
        {"body": 5},
        {"body": "x", "undone": "yes"},
        {"status": 500, "undone": True},
        {"content_type": "html"},
        {"content_type": "text/html\r\nX: y"},
        {"status": 500, "method": 5},
        {"status": 500, "chat": "nobody"},
        {"retry_after": 0},
    ],
)
async def test_wrong_orders(chat: Driver, body: dict[str, Any]) -> None:
    if body == {"status": 200}:
        await chat.post("faults", 200, **body)
        await chat.ok("getMe")
        return
    status = 404 if body.get("chat") else 400
    assert (await chat.post("faults", status, **body))["error"]
    await chat.ok("getMe")
