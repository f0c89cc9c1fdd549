"""Who is heard first: in order within a chat, side by side across chats, a flood behind the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from bot.telegram.inbox import FLOOD, Inbox, Raw

STEPS = 20
"""Each update takes so many turns of the event loop."""
FLOODER, OTHER = 1, 2


def said(number: int, chat: int) -> Raw:
    return {"update_id": number, "message": {"chat": {"id": chat}}}


async def heard(flood: int) -> Sequence[tuple[str, int]]:
    """What began and ended, by chat, where one chat says so much and another one says something while the
    second of these is handled. Nothing else of the inbox is used: neither Telegram nor a database."""
    told: list[tuple[str, int]] = []

    async def handle(raw: Raw) -> None:
        chat = raw["message"]["chat"]["id"]
        if raw["update_id"] == 2:
            inbox._enqueue(said(1000, OTHER))
        told.append(("begun", chat))
        for _ in range(STEPS):
            await asyncio.sleep(0)
        told.append(("ended", chat))

    nothing = cast(Any, None)
    inbox = Inbox(
        nothing,
        nothing,
        uow=nothing,
        reader=nothing,
        clock=nothing,
        handle=handle,
        poll_timeout_s=0,
    )
    for number in range(1, flood + 1):
        inbox._enqueue(said(number, FLOODER))
    await inbox.drain()
    return told


@pytest.mark.parametrize("flood", [FLOOD * 3, FLOOD])
async def test_a_flood_lets_others_go_first_and_a_few_messages_are_none(flood: int) -> None:
    told = await heard(flood)
    assert told.count(("ended", FLOODER)) == flood
    begun, ended = told.index(("begun", OTHER)), told.index(("ended", OTHER))
    meanwhile = [what for what, chat in told[begun:ended] if chat == FLOODER]
    assert ("begun" in meanwhile) == (flood <= FLOOD), told
