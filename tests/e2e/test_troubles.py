"""What goes wrong around an update: Telegram, the token, the database, a mistake of ours, odd updates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from bot.sandbox.limits import Limits
from bot.sandbox.rules import Rules
from bot.sandbox.server import RunningSandbox, start_sandbox
from bot.telegram import app, messages
from core.errors import ConfigError, StorageUnavailable
from core.ports import Records
from tests.e2e.ledger import stamp
from tests.e2e.phone import Phones, product_at, running_demo
from tests.e2e.talk import Demo, ask, card_at, short

T = TypeVar("T")


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path / "data", extra=[stamp(tmp_path / "ledger")]) as running:
        yield running


@pytest.fixture
async def bare() -> AsyncIterator[tuple[RunningSandbox, Phones]]:
    """A sandbox without a product."""
    rules = Rules(same_offset_window=0, burst_window=0)
    sandbox = await start_sandbox(limits=Limits.off(), rules=rules)
    try:
        async with aiohttp.ClientSession() as session:
            yield sandbox, Phones(sandbox.url, session)
    finally:
        await sandbox.stop()


@pytest.mark.parametrize("method", ["getMe", "getUpdates"])
async def test_a_token_that_telegram_refuses_is_told_at_the_start(
    bare: tuple[RunningSandbox, Phones], tmp_path: Path, method: str
) -> None:
    sandbox, phones = bare
    await phones.post("faults", method=method, status=401, description="Unauthorized")
    with pytest.raises(ConfigError, match="BotFather"):
        async with product_at(sandbox, tmp_path):
            pass


async def test_it_waits_for_a_telegram_that_cannot_be_reached_and_does_without_menus(
    bare: tuple[RunningSandbox, Phones], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, phones = bare
    monkeypatch.setattr(app, "FIRST_RETRY_S", 0.01)
    await phones.post("faults", method="getMe", status=502, description="Bad Gateway", times=2)
    bad = {"status": 400, "description": "Bad Request: commands are refused"}
    await phones.post("faults", method="setMyCommands", **bad)
    async with product_at(sandbox, tmp_path):
        await ask(phones, "member", "/whoami", "Mia Member")
        await phones.post("faults", method="setMyCommands", **bad)
        await ask(phones, "admin", "/start", "Hello Ada")
        await ask(phones, "admin", "/whoami", "Ada Admin")


async def test_a_mistake_of_ours_is_told_and_holds_up_nothing(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    phones, product = demo
    with monkeypatch.context() as patched:
        patched.setattr(messages, "understand", lambda *_, **__: 1 / 0)
        told = (await ask(phones, "member", "create task: x"))["text"]
    for words in ("went wrong", "/history", "ref "):
        assert words in told
    assert "ZeroDivision" not in told
    await ask(phones, "member", "create task: y", "Added task #1: y")
    undone = await product.db.reader.read(lambda r: r.inbox.undone(product.telegram.bot_id, limit=9))
    assert not undone


async def test_a_message_waits_for_the_database_and_is_done_once(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    phones, product = demo
    run = product.db.writer.run
    failed: list[str] = []

    async def held_up(name: str, work: Callable[[Records], T]) -> T:
        if name == "said" and not failed:
            failed.append(name)
            raise StorageUnavailable("held up")
        return await run(name, work)

    monkeypatch.setattr(product.db.writer, "run", held_up)
    await ask(phones, "member", "create task: x", "Added task #1: x")
    assert failed == ["said"]
    assert (await ask(phones, "member", "/tasks", "open task"))["text"].count("#1 x") == 1


def raw(number: int, kind: str, **body: Any) -> dict[str, Any]:
    """An update as Telegram would give it."""
    return {"update_id": 10**6 + number, kind: body}


async def test_updates_that_say_nothing_are_done_with(demo: Demo) -> None:
    phones, product = demo
    mia = {"id": 1001, "is_bot": False, "first_name": "Mia"}
    chat = {"id": 1001, "type": "private", "first_name": "Mia"}
    channel = {"id": -5, "type": "channel", "title": "News"}
    message = {"message_id": 5, "date": 0, "chat": chat, "text": "create task: edited"}
    pinned = {"message_id": 7, "date": 0, "chat": chat, "from": mia, "delete_chat_photo": True}
    updates = [
        raw(1, "edited_message", **message, **{"from": mia}),
        raw(2, "channel_post", message_id=6, date=0, chat=channel, text="create task: channel"),
        raw(3, "callback_query", **{"id": "1", "from": mia, "chat_instance": "1", "data": "hf:x"}),
        raw(4, "message", **pinned),
    ]
    await product.telegram.inbox._take(updates)
    await product.telegram.inbox.drain()
    undone = await product.db.reader.read(lambda r: r.inbox.undone(product.telegram.bot_id, limit=9))
    assert not undone
    assert "No calls" in (await ask(phones, "admin", "/history"))["text"]


async def test_an_example_that_is_tapped_once_and_comes_twice_is_one_call(demo: Demo) -> None:
    phones, product = demo
    mia = {"id": 1001, "is_bot": False, "first_name": "Mia"}
    chat = {"id": 1001, "type": "private", "first_name": "Mia"}
    message = {"message_id": 2, "date": 1, "chat": chat, "text": "Hello"}
    query = {"id": "1", "from": mia, "chat_instance": "1", "data": "e:0", "message": message}
    await product.telegram.inbox._take([raw(1, "callback_query", **query)] * 2)
    await phones.see("member", "Added task #1")
    await product.telegram.inbox.drain()
    assert (await ask(phones, "member", "/tasks", "open task"))["text"].count("review the budget") == 1


async def test_a_team_that_is_switched_off_is_told_so(demo: Demo) -> None:
    phones, product = demo
    welcome = await phones.see("member", "Hello")
    await product.db.writer.run(
        "test.off",
        lambda r: r.calls._session._cursor.execute("UPDATE tenants SET active = 0").rowcount,  # type: ignore[attr-defined]
    )
    told = await ask(phones, "member", "create task: x")
    assert "switched off" in told["text"]
    await phones.tap("member", welcome, "create task")
    await phones.see("member", "switched off", times=2)


async def test_a_call_that_is_too_long_for_a_message_comes_as_a_file_too(demo: Demo) -> None:
    phones, _ = demo
    await phones.say("member", f"/stamp {'word ' * 700}")
    copy = await card_at(phones, "approver", "Stamp word")
    told = await ask(phones, "member", f"/call {short(copy)}", "file below")
    file = await phones.see("member", lambda m: m["message_id"] > told["message_id"] and "document" in m)
    assert short(copy) in file["document"]["name"]
