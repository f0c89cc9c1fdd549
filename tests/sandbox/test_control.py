import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.sandbox import Clock, Rules
from bot.sandbox import server as server_module
from bot.sandbox.events import Events
from tests.sandbox.conftest import BOT, GROUP, MEMBER, TOKEN, Driver, Make, eventually


@asynccontextmanager
async def stream(sb: Driver) -> AsyncIterator[Any]:
    async with sb.session.get(f"{sb.sandbox.url}/sandbox/events") as response:
        assert response.headers["Content-Type"] == "text/event-stream"

        async def following() -> tuple[str, Any] | None:
            block = (await asyncio.wait_for(response.content.readuntil(b"\n\n"), 5)).decode()
            if not block:
                return None
            fields = dict(line.split(": ", 1) for line in block.strip().split("\n"))
            return fields.get("event", ""), json.loads(fields.get("data", "null"))

        hello = await following()
        assert hello is not None
        assert hello[0] == "hello"
        yield following


async def test_events_tell_every_change(chat: Driver) -> None:
    async with stream(chat) as following:
        said = await chat.say("member", "hello")
        name, data = await following()
        assert name == "change"
        assert data == {"change": said["change"], "chat_id": MEMBER, "bot": BOT, "message": said}
        sent = await chat.ok("sendMessage", chat_id=GROUP, text="x")
        name, data = await following()
        assert (data["chat_id"], data["message"]["text"], "bot" in data) == (GROUP, "x", False)
        await chat.ok("deleteMessage", chat_id=GROUP, message_id=sent["message_id"])
        assert (await following())[1]["message"]["deleted"] is True
        await chat.ok("sendChatAction", chat_id=MEMBER, action="typing")
        assert await following() == ("action", {"chat_id": MEMBER, "bot": BOT, "action": "typing"})
        await chat.post("clock", advance_s=5)
        assert (await following())[0] == "clock"
        await chat.post("people", key="guest", action="add")
        assert await following() == ("state", {"what": "people"})
        assert await following() == ("state", {"what": "chats"})
        await chat.post("reset")
        seen = [(await following())[0] for _ in range(9)]
        assert "reset" in seen


async def test_a_silent_stream_shows_that_it_lives(make: Make) -> None:
    sb = await make(rules=Rules(heartbeat=0.02))
    async with sb.session.get(f"{sb.sandbox.url}/sandbox/events") as response:
        await response.content.readuntil(b"\n\n")
        assert await response.content.readuntil(b"\n\n") == b": alive\n\n"

    async def ended() -> bool:
        return not sb.sandbox.world.events.wanted()

    await eventually(ended)


async def test_stop_ends_streams_and_taps(make: Make) -> None:
    sb = await make()
    await sb.open()
    sent = await sb.ok("sendMessage", chat_id=MEMBER, text="x")
    where = {"from": "member", "chat": "member", "message_id": sent["message_id"]}
    async with stream(sb) as following:
        tap = asyncio.create_task(sb.post("taps", **where, data="x"))

        async def tapped() -> bool:
            return bool(sb.sandbox.world.callbacks)

        await eventually(tapped)
        start = time.monotonic()
        await sb.sandbox.stop()
        assert (await tap)["answered"] is False
        assert await following() is None
        assert time.monotonic() - start < 1.5


def test_a_reader_that_falls_behind_is_cut_off() -> None:
    async def run() -> None:
        events = Events()
        queue = events.listen()
        for number in range(10_001):
            events.publish("change", number, {})
        assert not events.wanted()
        assert queue.qsize() == 10_001
        events.close()
        assert events.listen().get_nowait() is None

    asyncio.run(run())


async def test_messages_by_change(chat: Driver) -> None:
    for text in "abc":
        await chat.ok("sendMessage", chat_id=MEMBER, text=text)
    seen = await chat.messages()
    after = seen[-1]["change"]
    assert await chat.messages("member", f"?after={after}") == []
    await chat.ok("editMessageText", chat_id=MEMBER, message_id=seen[1]["message_id"], text="edited")
    [changed] = await chat.messages("member", f"?after={after}")
    assert changed["text"] == "edited"
    assert [one["text"] for one in await chat.messages("member", "?limit=2")] == ["b", "c"]
    assert [one["text"] for one in await chat.messages("member", "?after=0&limit=2")] == ["/start", "b"]
    assert await chat.messages(str(MEMBER)) == await chat.messages("member", f"?bot={BOT}")
    for query in ("?after=x", "?after=-1", "?limit=0", "?limit=1e5", "?after=9999999999999999999"):
        await chat.get(f"chats/member/messages{query}", 400)
    for path in (
        "chats/nobody/messages",
        "chats/-5/messages",
        "chats/member/messages?bot=5",
        "state?from=nobody",
    ):
        await chat.get(path, 404)


async def test_the_clock_moves_forward(make: Make) -> None:
    clock = Clock()
    moved: list[float] = []
    forget = clock.listen(moved.append)
    sb = await make(clock=clock)
    before = (await sb.get("state"))["now"]
    now = (await sb.post("clock", advance_s=3600))["now"]
    assert 3600 <= now - before < 3610
    assert moved == [3600]
    assert sb.sandbox.clock is clock
    forget()
    forget()
    await sb.post("clock", advance_s=0.5)
    assert moved == [3600]
    for wrong in (-1, "x", None, True, 1e12, float("1e308")):
        await sb.post("clock", 400, advance_s=wrong)
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="forward"):
        clock.advance(float("nan"))
    await sb.ok("getMe")
    assert (await sb.say("member", "x"))["date"] >= int(before) + 3600


async def raw(sb: Driver, method: str, path: str, **options: Any) -> tuple[int, str, Any]:
    async with sb.session.request(method, sb.sandbox.url + path, **options) as response:
        return response.status, await response.text(), response.headers


@pytest.mark.parametrize(
    "options",
    [
        {"data": "{}", "headers": {"Content-Type": "text/plain"}},
        {"data": {"x": "y"}},
        {"data": b"{}"},
        {"data": "{", "headers": {"Content-Type": "application/json"}},
        {"data": "[]", "headers": {"Content-Type": "application/json"}},
        {"data": b"\xff", "headers": {"Content-Type": "application/json"}},
        {"data": '{"x": NaN}', "headers": {"Content-Type": "application/json"}},
        {"data": '{"x": "\\ud800"}', "headers": {"Content-Type": "application/json"}},
        {"data": "[" * 100_000, "headers": {"Content-Type": "application/json"}},
        {"data": "9" * 10_000, "headers": {"Content-Type": "application/json"}},
    ],
)
async def test_posts_must_be_json(sb: Driver, options: Any) -> None:
    for path in ("messages", "taps", "edits", "reactions", "people", "members", "faults", "clock", "reset"):
        status, text, _ = await raw(sb, "POST", f"/sandbox/{path}", **options)
        assert status == 400
        assert json.loads(text)["error"]


async def test_unknown_paths_are_json_too(sb: Driver) -> None:
    for method, path in (
        ("GET", "/sandbox/nothing"),
        ("POST", "/sandbox/state"),
        ("GET", "/sandbox/taps"),
        ("GET", "/x"),
    ):
        status, text, _ = await raw(sb, method, path)
        assert status == 404
        assert json.loads(text)["error"]
    status, text, _ = await raw(sb, "POST", f"/bot{TOKEN}")
    assert (status, json.loads(text)["ok"]) == (404, False)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:80", True),
        ("localhost", True),
        ("sandbox.localhost:8800", True),
        ("[::1]:80", True),
        ("evil.example", False),
        ("evil.example:8800", False),
        ("10.0.0.1", False),
        ("", False),
        ("[nonsense", False),
        ("a:b:c", False),
    ],
)
async def test_foreign_names_are_refused(sb: Driver, host: str, allowed: bool) -> None:
    for path in ("/sandbox/state", "/", f"/bot{TOKEN}/getMe"):
        status, text, _ = await raw(sb, "GET", path, headers={"Host": host})
        assert (status == 400) == (not allowed), text


async def test_bound_everywhere_it_takes_addresses_and_bots_names(make: Make) -> None:
    sb = await make(host="0.0.0.0")
    assert sb.sandbox.url.startswith("http://127.0.0.1:")
    for path, host, status in (
        ("/sandbox/state", "10.0.0.1:8800", 200),
        ("/sandbox/state", "evil.example", 400),
        (f"/bot{TOKEN}/getMe", "sandbox:8800", 200),
    ):
        assert (await raw(sb, "GET", path, headers={"Host": host}))[0] == status


def test_urls() -> None:
    assert server_module._url("::1", 5) == "http://[::1]:5"
    assert server_module._url("::", 5) == "http://[::1]:5"
    assert server_module._url("localhost", 5) == "http://localhost:5"


async def test_the_page(sb: Driver, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "index.html").write_text("<p>hello")
    (tmp_path / "main.js").write_text("1")
    (tmp_path / ".secret").write_text("1")
    monkeypatch.setattr(server_module, "_PAGE", tmp_path)
    status, text, headers = await raw(sb, "GET", "/")
    assert (status, text, headers["Content-Type"]) == (200, "<p>hello", "text/html")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    status, _, headers = await raw(sb, "GET", "/page/main.js")
    assert status == 200
    assert "javascript" in headers["Content-Type"]
    for path in ("/page/nothing.js", "/page/.secret", "/page/%2e%2e%2fserver.py", "/page/"):
        assert (await raw(sb, "GET", path))[0] == 404


async def test_a_port_that_is_taken(make: Make) -> None:
    sb = await make()
    with pytest.raises(OSError, match="address"):
        await make(port=int(sb.sandbox.url.rsplit(":", 1)[1]))


async def test_a_fault_of_our_own_is_json(sb: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(sb.sandbox.world, "reset", broken)
    monkeypatch.setattr(sb.sandbox.world, "bot_of", lambda _token: broken())
    assert await sb.post("reset", 500) == {"error": "Internal Server Error"}
    assert await sb.refused("getMe") == "Internal Server Error"


async def test_many_readers(chat: Driver) -> None:
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        urls = [f"{chat.sandbox.url}/sandbox/state"] * 20
        answers = await asyncio.gather(*(session.get(url) for url in urls))
        assert {answer.status for answer in answers} == {200}
        for answer in answers:
            answer.release()
