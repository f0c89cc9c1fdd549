"""What our request layer sends, as it arrives over real HTTP on loopback."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import pytest
from aiohttp import web
from telegram import InputFile, InputMediaDocument
from telegram.error import (
    BadRequest,
)

from bot.telegram.request import AiohttpRequest
from tests.integration.request.stage import (
    MESSAGE,
    TOKEN,
    Server,
    failure,
    ok,
    responding,
)


async def test_parameters_arrive_as_they_were_given(server: Server) -> None:
    seen: dict[str, str] = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update({name: str(value) for name, value in (await request.post()).items()})
        return await ok(request)

    server.handler = handler
    text = "a & b = c + d % ü 🎉 \u202e <b>&amp;\n"
    async with server.bot() as bot:
        await bot.send_message(5, text, reply_to_message_id=3, disable_notification=True)
    assert seen["text"] == text
    assert seen["chat_id"] == "5"
    assert seen["disable_notification"] == "true"
    assert json.loads(seen["reply_parameters"])["message_id"] == 3
    assert server.asked[-1] == f"/bot{TOKEN}/sendMessage"


class Pipe(io.BytesIO):
    """A file that cannot go back."""

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("kind", ["bytes", "file read now", "file read while sending", "pipe"])
@pytest.mark.parametrize("size", [1, 65_536, 65_537, 3_000_001])
async def test_an_upload_arrives_byte_for_byte(server: Server, tmp_path: Path, kind: str, size: int) -> None:
    content = random.Random(size).randbytes(size)
    file = tmp_path / "upload.bin"
    file.write_bytes(content)
    got: dict[str, object] = {}

    async def handler(request: web.Request) -> web.Response:
        assert request.content_length is not None
        async for part in await request.multipart():
            assert not isinstance(part, type(None))
            got[str(part.name)] = (part.filename, part.headers.get("Content-Type"), await part.read())  # type: ignore[union-attr]
        return await ok(request)

    server.handler = handler
    name = 'grüße "1"\r\n.txt'
    async with server.bot() as bot:
        with file.open("rb") as handle:
            document: InputFile = {
                "bytes": lambda: InputFile(content, filename=name),
                "file read now": lambda: InputFile(handle, filename=name),
                "file read while sending": lambda: InputFile(handle, filename=name, read_file_handle=False),
                "pipe": lambda: InputFile(Pipe(content), filename=name, read_file_handle=False),
            }[kind]()
            await bot.send_document(5, document, caption="ein 🎁 & mehr")
    assert got["document"] == ("grüße %221%22%0D%0A.txt", "text/plain", bytearray(content))
    assert got["caption"] == (None, None, bytearray("ein 🎁 & mehr".encode()))
    assert got["chat_id"] == (None, None, b"5")


async def test_a_group_of_files_arrives_whole(server: Server) -> None:
    got: dict[str, bytes] = {}

    async def handler(request: web.Request) -> web.Response:
        for name, value in (await request.post()).items():
            got[name] = value.encode() if isinstance(value, str) else value.file.read()  # type: ignore[union-attr]
        return web.json_response({"ok": True, "result": [MESSAGE]})

    server.handler = handler
    async with server.bot() as bot:
        await bot.send_media_group(5, [InputMediaDocument(b"one"), InputMediaDocument(b"two")])
    attached = [item["media"].removeprefix("attach://") for item in json.loads(got["media"])]
    assert [got[name] for name in attached] == [b"one", b"two"]


async def test_a_file_read_twice_is_sent_from_its_beginning(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"abc")
    got: list[bytes] = []

    async def handler(request: web.Request) -> web.Response:
        got.append((await request.post())["document"].file.read())  # type: ignore[union-attr]
        return await ok(request)

    server.handler = handler
    async with server.bot() as bot:
        with file.open("rb") as handle:
            upload = InputFile(handle, read_file_handle=False)
            await bot.send_document(5, upload)
            await bot.send_document(5, upload)
    assert got == [b"abc", b"abc"]


async def test_a_big_file_comes_down_byte_for_byte(server: Server) -> None:
    content = random.Random(1).randbytes(20_000_000)
    server.handler = responding(200, content)
    async with AiohttpRequest() as request:
        assert await request.retrieve(f"{server.url}/file/bot{TOKEN}/documents/file_1.bin") == content


async def test_text_without_a_utf8_form_is_a_bad_request_and_not_tried(server: Server) -> None:
    async with server.bot() as bot:
        error = await failure(bot.send_message(5, "half a pair \ud83d"))
    assert type(error) is BadRequest
    assert "sendMessage" not in "".join(server.asked)
