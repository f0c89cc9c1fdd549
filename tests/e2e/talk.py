"""What the chat tests share: asking and getting the answer, the same message later, people who come in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from bot.bootstrap import Countersign
from tests.e2e.phone import Phones, Seen

Demo = tuple[Phones, Countersign]
Wanted = str | Callable[[Seen], bool]
_SHORT_ID = re.compile(r"#([0-9A-Z]{6,})\b")


async def ask(
    phones: Phones, person: str, text: str, wanted: Wanted = "", *, chat: str | int | None = None, **more: Any
) -> Seen:
    """Says something; the bot's answer to it, which is a later message in the same chat."""
    said = await phones.say(person, text, chat=chat, **more)

    def answers(message: Seen) -> bool:
        return bool(
            message["from"]["is_bot"]
            and message["message_id"] > said["message_id"]
            and (wanted(message) if callable(wanted) else wanted in message["text"])
        )

    return await phones.see(chat or person, answers)


async def becomes(phones: Phones, message: Seen, wanted: Wanted) -> Seen:
    """The same message, once it shows this."""

    def fits(seen: Seen) -> bool:
        return seen["message_id"] == message["message_id"] and (
            wanted(seen) if callable(wanted) else wanted in seen["text"]
        )

    return await phones.see(message["chat_id"], fits)


async def card_at(phones: Phones, person: str, wanted: str) -> Seen:
    """A card with buttons in a person's private chat."""
    return await phones.see(
        person, lambda m: wanted in m["text"] and "Asked by" in m["text"] and m["buttons"]
    )


def short(message: Seen) -> str:
    """The short id that a message names first."""
    found = _SHORT_ID.search(message["text"])
    assert found is not None, message["text"]
    return found[1]


def data(message: Seen, label: str) -> str:
    """What a button would send."""
    return str(next(b["data"] for row in message["buttons"] for b in row if label in b["text"]))


async def joins(phones: Phones, key: str, role: str, *, name: str = "Nora New") -> None:
    """Somebody new takes up an invite."""
    await phones.post("people", key=key, action="add", name=name)
    invited = await ask(phones, "admin", f"/invite {role}", "start=")
    code = invited["text"].split("start=")[1].split()[0]
    await ask(phones, key, f"/start {code}", role)
    await phones.see(key, "Settings")


async def stranger_in_group(phones: Phones) -> str:
    """Somebody without any role, in the group."""
    await phones.post("people", key="stranger", action="add", name="Sam Stranger")
    await phones.post("members", chat="group", action="add", key="stranger")
    return "stranger"
