import asyncio
import time
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import GROUP, MEMBER, Driver, eventually


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
