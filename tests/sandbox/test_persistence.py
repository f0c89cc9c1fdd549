import asyncio
import json
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.sandbox import Clock, Limits, RunningSandbox
from bot.sandbox.store import SqliteStore
from tests.sandbox.conftest import BOT, FAST, GROUP, MEMBER, TOKEN, Make, eventually


async def test_everything_is_there_after_a_restart(make: Make, tmp_path: Path) -> None:
    data = tmp_path / "new" / "folder"
    sb = await make(data=data)
    await sb.open()
    await sb.ok("getUpdates", allowed_updates=["message", "callback_query"])
    await sb.ok("setMyCommands", commands=[{"command": "x", "description": "y"}])
    keyboard = {"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}
    sent = await sb.ok(
        "sendMessage", chat_id=MEMBER, text="<b>x</b>", parse_mode="HTML", reply_markup=keyboard
    )
    await sb.ok("sendMessage", chat_id=GROUP, text="x", message_thread_id=2)
    said = await sb.say("member", "file", file={"name": "a.txt", "text": "hello"})
    await sb.post("people", key="guest", action="add")
    await sb.post("people", key="admin", action="block")
    where = {"from": "member", "chat": "member", "message_id": sent["message_id"]}
    tap = asyncio.create_task(sb.post("taps", **where, text="Go"))

    async def both() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = await sb.ok("getUpdates")
        return found if len(found) == 2 else None

    waiting = await eventually(both)
    before = [await sb.get("state"), await sb.messages(), await sb.messages("group")]
    await sb.sandbox.stop()
    await tap

    sb = await make(data=data)
    after = [await sb.get("state"), await sb.messages(), await sb.messages("group")]
    for state in (before[0], after[0]):
        state.pop("now")
    assert after == before
    assert await sb.ok("getUpdates") == waiting
    query = waiting[-1]["callback_query"]["id"]
    assert await sb.ok("answerCallbackQuery", callback_query_id=query) is True
    async with sb.session.get(sb.sandbox.url + said["document"]["url"]) as response:
        assert await response.read() == b"hello"
    assert (await sb.say("member", "next"))["message_id"] == said["message_id"] + 1
    assert (await sb.ok("getUpdates", offset=-1))[0]["update_id"] == waiting[-1]["update_id"] + 1

    await sb.post("reset")
    await sb.sandbox.stop()
    sb = await make(data=data)
    assert await sb.messages() == []
    assert [one["id"] for one in (await sb.get("state"))["bots"]] == [BOT]
    async with sb.session.get(sb.sandbox.url + said["document"]["url"]) as response:
        assert response.status == 404
    assert (await sb.say("member", "next", "group"))["message_id"] > 10


async def test_without_a_folder_a_stop_forgets(make: Make) -> None:
    sb = await make()
    await sb.open()
    await sb.sandbox.stop()
    assert (await (await make()).get("state"))["bots"] == []


CHILD = """
import asyncio, sys
from pathlib import Path
from bot.sandbox import Limits, start_sandbox

async def main():
    sandbox = await start_sandbox(data=Path(sys.argv[1]), limits=Limits.off())
    print(sandbox.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_killed_process_loses_nothing_that_was_answered(make: Make, tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    url = (await child.stdout.readline()).decode().strip()
    answered: list[dict[str, Any]] = []
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/bot{TOKEN}/getMe") as response:
            assert response.status == 200

        async def talk(number: int) -> None:
            for count in range(1000):
                body = {"from": "member", "chat": "member", "text": f"{number}/{count}"}
                try:
                    async with session.post(f"{url}/sandbox/messages", json=body) as response:
                        answered.append(await response.json())
                except (aiohttp.ClientError, json.JSONDecodeError):
                    return

        talkers = [asyncio.create_task(talk(number)) for number in range(4)]

        async def enough() -> bool:
            return len(answered) >= 60

        await eventually(enough)
        child.send_signal(signal.SIGKILL)
        await asyncio.gather(*talkers)
    await child.wait()

    sb = await make(data=tmp_path)
    kept = {one["message_id"]: one for one in await sb.messages()}
    assert all(kept[one["message_id"]] == one for one in answered)
    updates = [update["message"]["message_id"] for update in await sb.ok("getUpdates")]
    assert updates == sorted(kept)[:100], "a message and its update are one change"


async def test_the_given_clock_limits_and_rules_are_used(make: Make) -> None:
    clock = Clock(lambda: 5.0)
    sb = await make(clock=clock, limits=Limits(), rules=FAST)
    running: RunningSandbox = sb.sandbox
    assert running.clock is clock
    assert running.world.rules is FAST
    assert (await sb.get("state"))["now"] == 5.0


def test_a_failed_commit_keeps_what_waits(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.sqlite3")
    store.put("a", "1", {"x": 1})
    store.commit()
    other = sqlite3.connect(tmp_path / "x.sqlite3", isolation_level=None)
    other.execute("CREATE TRIGGER t BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'no'); END")
    store.put("a", "2", {"x": 2})
    with pytest.raises(sqlite3.Error):
        store.commit()
    other.execute("DROP TRIGGER t")
    other.close()
    store.commit()
    assert dict(store.load("a")) == {"1": {"x": 1}, "2": {"x": 2}}
    store.put("a", "3", {"x": 3})
    store.put_blob("f", b"x")
    assert store.blob("f") == b"x"
    store.forget_all("a")
    store.commit()
    assert dict(store.load("a")) == {}
    assert store.blob("f") is None
    store.close()
    store.close()
