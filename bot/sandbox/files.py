"""Files that people and bots send: kept once, described as documents or photos."""

import mimetypes
import re
import secrets
import struct
from collections.abc import Callable
from typing import NamedTuple

from bot.sandbox.records import File, Json
from bot.sandbox.world import World


class Upload(NamedTuple):
    """A file as it came: its name, what it is said to be, what is in it."""

    name: str
    mime: str
    content: bytes


class Image(NamedTuple):
    """What a picture tells of itself."""

    mime: str
    width: int
    height: int


def mime_of(upload: Upload) -> str:
    """Return what a file is said to be, by its sender or else by its name."""
    return upload.mime or mimetypes.guess_type(upload.name)[0] or "application/octet-stream"


def keep_file(world: World, upload: Upload, *, photo: bool) -> File:
    """Keep a file under a new id that cannot be guessed; its name is cut down to a plain one."""
    name = re.sub(r"[\x00-\x1f\x7f]", "", re.split(r"[/\\]", upload.name)[-1])[:255] or "file"
    number = world.next("file")
    image = image_of(upload.content) if photo else None
    suffix = re.search(r"\.[A-Za-z0-9]{1,8}$", name)
    file = File(
        id=f"BQACAgIAAx{secrets.token_urlsafe(12)}{number}",
        unique_id=f"AgAD{number:08x}",
        name=name,
        mime=image.mime if image else mime_of(upload),
        size=len(upload.content),
        path=f"{'photos' if image else 'documents'}/file_{number}{suffix.group() if suffix else ''}",
        width=image.width if image else 0,
        height=image.height if image else 0,
    )
    return world.save_file(file, upload.content)


def file_by_path(world: World, path: str) -> File | None:
    """Return the file that a bot may download under a path."""
    return next((file for file in world.files.values() if file.path == path), None)


def document_json(file: File) -> Json:
    """Return the content fields of a message with a document."""
    return {"document": {**file_json(file), "file_name": file.name, "mime_type": file.mime}}


def photo_json(file: File) -> Json:
    """Return the content fields of a message with a photo, in its one size."""
    return {"photo": [{**file_json(file), "width": file.width, "height": file.height}]}


def file_json(file: File) -> Json:
    """Return what every kind of file has in common."""
    return {"file_id": file.id, "file_unique_id": file.unique_id, "file_size": file.size}


def image_of(content: bytes) -> Image | None:
    """Return what a PNG, GIF, JPEG, WebP or BMP is; None for whatever is no picture."""
    for magic, (mime, measure) in _IMAGES.items():
        if content.startswith(magic):
            try:
                width, height = measure(content)
            except struct.error:
                return None
            return Image(mime, width, height) if min(width, height) > 0 else None
    return None


def _png(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _gif(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack("<HH", content[6:10])
    return width, height


def _bmp(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack("<ii", content[18:26])
    return width, abs(height)


def _webp(content: bytes) -> tuple[int, int]:
    # Only the extended form tells its size in whole bytes; the others are given a usual one.
    if content[8:16] != b"WEBPVP8X":
        return (512, 512) if content[8:12] == b"WEBP" else (0, 0)
    width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
    return width, height


def _jpeg(content: bytes) -> tuple[int, int]:
    at = 2
    while True:
        marker, length = struct.unpack(">HH", content[at : at + 4])
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        if marker < 0xFF00 or length < 2:
            return 0, 0
        at += 2 + length


_IMAGES: dict[bytes, tuple[str, Callable[[bytes], tuple[int, int]]]] = {
    b"\x89PNG\r\n\x1a\n": ("image/png", _png),
    b"GIF8": ("image/gif", _gif),
    b"BM": ("image/bmp", _bmp),
    b"RIFF": ("image/webp", _webp),
    b"\xff\xd8": ("image/jpeg", _jpeg),
}
