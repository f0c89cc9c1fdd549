import base64
import struct
from typing import Any

import aiohttp
import pytest

from bot.sandbox import botapi, rules, server
from bot.sandbox.files import image_of
from bot.sandbox.methods import reading, sending
from tests.sandbox.conftest import MEMBER, PNG, TOKEN, Driver, Make

JPEG = (
    b"\xff\xd8\xff\xe0"
    + struct.pack(">H", 4)
    + b"ab"
    + b"\xff\xc0"
    + struct.pack(">HBHH", 11, 8, 10, 20)
    + b"rest"
)


async def upload(sb: Driver, method: str, *parts: tuple[str, bytes, str], **fields: str) -> dict[str, Any]:
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    for name, content, filename in parts:
        form.add_field(name, content, filename=filename)
    async with sb.session.post(f"{sb.sandbox.url}/bot{TOKEN}/{method}", data=form) as response:
        body: dict[str, Any] = await response.json()
        return body


async def fetch(sb: Driver, path: str) -> tuple[int, bytes, Any]:
    async with sb.session.get(sb.sandbox.url + path) as response:
        return response.status, await response.read(), response.headers


async def test_documents(chat: Driver) -> None:
    caption = "<b>all</b> of it"
    body = await upload(
        chat,
        "sendDocument",
        ("document", b"content", "a.txt"),
        chat_id="1001",
        caption=caption,
        parse_mode="HTML",
    )
    sent = body["result"]
    assert (sent["caption"], sent["caption_entities"][0]["type"]) == ("all of it", "bold")
    assert sent["document"]["file_name"] == "a.txt"
    assert sent["document"]["file_size"] == 7
    seen = (await chat.messages())[-1]
    assert seen["html"] == "<b>all</b> of it"
    assert (seen["document"]["name"], seen["document"]["size"]) == ("a.txt", 7)
    status, content, headers = await fetch(chat, seen["document"]["url"])
    assert (status, content) == (200, b"content")
    assert headers["Content-Disposition"] == "attachment"
    assert headers["X-Content-Type-Options"] == "nosniff"
    again = await chat.ok("sendDocument", chat_id=MEMBER, document=sent["document"]["file_id"])
    assert again["document"] == sent["document"]
    answer = await chat.refused("editMessageText", chat_id=MEMBER, message_id=sent["message_id"], text="x")
    assert answer == "Bad Request: there is no text in the message to edit"


async def test_attached_by_name(chat: Driver) -> None:
    part = ("file0", PNG, "x.png")
    body = await upload(chat, "sendPhoto", part, chat_id="1001", photo="attach://file0")
    [size] = body["result"]["photo"]
    assert (size["width"], size["height"], size["file_size"]) == (20, 10, len(PNG))
    seen = (await chat.messages())[-1]
    status, content, headers = await fetch(chat, seen["photo"]["url"])
    assert (status, content, headers["Content-Type"]) == (200, PNG, "image/png")
    assert "document" not in seen
    again = await chat.ok("sendPhoto", chat_id=MEMBER, photo=size["file_id"])
    assert again["photo"] == [size]


async def test_files_that_cannot_be_sent(chat: Driver) -> None:
    async def refused(method: str, *parts: tuple[str, bytes, str], **fields: str) -> str:
        return str((await upload(chat, method, *parts, chat_id="1001", **fields))["description"])

    assert await refused("sendDocument", ("document", b"", "x")) == "Bad Request: file must be non-empty"
    assert await refused("sendPhoto", ("photo", b"no picture", "x")) == "Bad Request: IMAGE_PROCESS_FAILED"
    long = {"caption": "x" * 1025}
    assert (
        await refused("sendDocument", ("document", b"x", "x"), **long)
        == "Bad Request: message caption is too long"
    )
    assert await refused("sendDocument") == "Bad Request: there is no document in the request"
    assert "wrong file identifier" in await refused("sendDocument", document="nonsense")
    assert "wrong file identifier" in await refused("sendDocument", document="attach://nothing")
    assert "failed to get HTTP URL content" in await refused("sendDocument", document="https://e.org/x")
    body = await upload(chat, "sendDocument", ("document", b"x", "x"), chat_id="1001")
    file_id = body["result"]["document"]["file_id"]
    assert "wrong file identifier" in await refused("sendPhoto", photo=file_id)


async def test_the_limits_of_sizes(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (rules.UPLOAD_LIMIT, rules.DOWNLOAD_LIMIT, rules.PHOTO_LIMIT) == (
        50 * 2**20,
        20 * 2**20,
        10 * 2**20,
    )
    monkeypatch.setattr(sending, "UPLOAD_LIMIT", 5000)
    monkeypatch.setattr(sending, "PHOTO_LIMIT", 1000)
    monkeypatch.setattr(reading, "DOWNLOAD_LIMIT", 2000)
    monkeypatch.setattr(botapi, "DOWNLOAD_LIMIT", 2000)
    monkeypatch.setattr(server, "_MAX_BODY", 10_000)
    sb = await make()
    await sb.open()
    for size in (5001, 20_000):
        body = await upload(sb, "sendDocument", ("document", bytes(size), "x"), chat_id="1001")
        assert (body["error_code"], body["description"]) == (413, "Request Entity Too Large")
    body = await upload(sb, "sendPhoto", ("photo", PNG + bytes(1000), "x"), chat_id="1001")
    assert body["description"] == "Bad Request: file is too big for a photo"
    body = await upload(sb, "sendDocument", ("document", bytes(2001), "x"), chat_id="1001")
    file_id = body["result"]["document"]["file_id"]
    assert await sb.refused("getFile", file_id=file_id) == "Bad Request: file is too big"
    path = sb.sandbox.world.files[file_id].path
    assert (await fetch(sb, f"/file/bot{TOKEN}/{path}"))[0] == 404
    answer = await sb.post("messages", 400, **{"from": "member"}, chat="member", text="x" * 20_000)
    assert answer["error"] == "Request Entity Too Large"


async def test_people_send_files(chat: Driver) -> None:
    said = await chat.say("member", "see", file={"name": "../../etc/pass\nwd.txt", "text": "hello"})
    assert said["document"]["name"] == "passwd.txt"
    [update] = await chat.updates()
    document = update["message"]["document"]
    assert (update["message"]["caption"], document["mime_type"]) == ("see", "text/plain")
    file = await chat.ok("getFile", file_id=document["file_id"])
    status, content, _ = await fetch(chat, f"/file/bot{TOKEN}/{file['file_path']}")
    assert (status, content) == (200, b"hello")
    encoded = base64.b64encode(PNG).decode()
    said = await chat.say("member", "", file={"name": "x.png", "content_base64": encoded})
    assert set(said) >= {"photo"}
    assert said["text"] == ""
    [update] = await chat.updates()
    assert update["message"]["photo"][0]["width"] == 20
    said = await chat.say("member", "", file={"name": "x.png", "content": encoded, "mime_type": "text/x"})
    assert said["document"]["name"] == "x.png"
    said = await chat.say("member", "", file={"name": "x.svg", "text": "<svg onload=alert(1)>"})
    _, _, headers = await fetch(chat, said["document"]["url"])
    assert headers["Content-Type"] == "application/octet-stream"


async def test_files_that_are_not_there(chat: Driver) -> None:
    assert await chat.refused("getFile", file_id="x") == "Bad Request: invalid file_id"
    for path in (
        f"/file/bot{TOKEN}/documents/file_99.txt",
        f"/file/bot{TOKEN}/%2e%2e/x",
        "/file/botx/y",
    ):
        status, content, _ = await fetch(chat, path)
        assert status in {401, 404}
        assert b'"ok": false' in content
    await chat.get("files/nothing", 404)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PNG, ("image/png", 20, 10)),
        (JPEG, ("image/jpeg", 20, 10)),
        (b"GIF89a" + struct.pack("<HH", 20, 10), ("image/gif", 20, 10)),
        (b"BM" + bytes(16) + struct.pack("<ii", 20, -10), ("image/bmp", 20, 10)),
        (b"RIFF....WEBPVP8X" + bytes(8) + b"\x13\0\0\x09\0\0", ("image/webp", 20, 10)),
        (b"RIFF....WEBPVP8 ", ("image/webp", 512, 512)),
        (b"RIFF....WAVEfmt ", None),
        (b"\xff\xd8", None),
        (b"\xff\xd8abcdefgh", None),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"text", None),
        (b"", None),
    ],
)
def test_pictures(content: bytes, expected: tuple[str, int, int] | None) -> None:
    assert image_of(content) == expected
