import asyncio
from typing import Any

import pytest

from bot.sandbox import Clock, Limits
from bot.sandbox.errors import ApiError
from bot.sandbox.limits import FloodGate
from tests.sandbox.conftest import GROUP, MEMBER, Driver, Make


def still() -> Clock:
    return Clock(lambda: 1_795_250_000.0)


async def burst(sb: Driver, count: int, chat_id: int = MEMBER) -> list[dict[str, Any]]:
    return [await sb.api("sendMessage", chat_id=chat_id, text=str(n)) for n in range(count)]


async def test_a_private_chat_takes_a_short_burst_then_one_a_second(make: Make) -> None:
    sb = await make(limits=None, clock=still())
    await sb.open()
    answers = await burst(sb, 12)
    assert [one["ok"] for one in answers] == [True] * 10 + [False] * 2
    assert answers[-1] == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 1",
        "parameters": {"retry_after": 1},
    }
    assert len(await sb.messages()) == 11
    await sb.post("clock", advance_s=1)
    assert [one["ok"] for one in await burst(sb, 2)] == [True, False]


async def test_a_group_takes_twenty_a_minute_edits_included(make: Make) -> None:
    sb = await make(limits=None, clock=still())
    await sb.ok("getMe")
    sent = (await burst(sb, 18, GROUP))[-1]["result"]
    for text in ("a", "b"):
        await sb.ok("editMessageText", chat_id=GROUP, message_id=sent["message_id"], text=text)
    body = await sb.api("editMessageText", chat_id=GROUP, message_id=sent["message_id"], text="c")
    assert body["parameters"] == {"retry_after": 60}
    await sb.post("clock", advance_s=30)
    body = await sb.api("sendMessage", chat_id=GROUP, text="x")
    assert body["parameters"] == {"retry_after": 30}
    assert await sb.ok("deleteMessage", chat_id=GROUP, message_id=sent["message_id"]), (
        "deleting is not limited"
    )
    await sb.post("clock", advance_s=30)
    assert (await burst(sb, 1, GROUP))[0]["ok"]


async def test_limits_can_be_set_and_switched_off(make: Make) -> None:
    sb = await make(limits=Limits.off(), clock=still())
    await sb.open()
    assert all(
        one["ok"]
        for one in await asyncio.gather(*(sb.api("sendMessage", chat_id=MEMBER, text="x") for _ in range(50)))
    )
    sb = await make(limits=Limits(private_burst=1), clock=still())
    await sb.open()
    assert [one["ok"] for one in await burst(sb, 2)] == [True, False]
    await sb.post("reset")
    await sb.open()
    assert (await burst(sb, 1))[0]["ok"]


def test_thirty_a_second_over_all_chats() -> None:
    clock = still()
    gate = FloodGate(Limits(), clock)
    for number in range(30):
        gate.pass_one(1, str(number), private=True)
    for number in range(4):
        with pytest.raises(ApiError) as raised:
            gate.pass_one(1, f"x{number}", private=number % 2 == 0)
        assert raised.value.parameters == {"retry_after": 1}
    gate.pass_one(2, "0", private=True)
    clock.advance(1)
    gate.pass_one(1, "x", private=True)


def test_a_bucket_fills_again() -> None:
    clock = still()
    gate = FloodGate(Limits(), clock)
    for _ in range(10):
        gate.pass_one(1, "a", private=True)
    clock.advance(100)
    for _ in range(10):
        gate.pass_one(1, "a", private=True)
    with pytest.raises(ApiError):
        gate.pass_one(1, "a", private=True)
