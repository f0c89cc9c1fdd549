"""What requests on `/sandbox/*` carry, read into the sandbox's own terms."""

import base64
import binascii
from typing import Any

from aiohttp import web

from bot.sandbox.entities import read_entities
from bot.sandbox.errors import ApiError, ControlError
from bot.sandbox.faults import Fault
from bot.sandbox.files import Upload
from bot.sandbox.params import parse_json
from bot.sandbox.records import Json
from bot.sandbox.resolve import Body, chat_id_of
from bot.sandbox.rules import UPLOAD_LIMIT
from bot.sandbox.world import World


async def read_body(request: web.Request) -> Body:
    """Return the JSON object of a request; anything else, such as a foreign page's form, is a 400."""
    if request.content_type != "application/json":
        raise ControlError("Content-Type must be application/json")
    try:
        value = parse_json((await request.read()).decode() or "{}")
    except ValueError:
        raise ControlError("the body is not valid JSON") from None
    if not isinstance(value, dict):
        raise ControlError("the body must be a JSON object")
    return Body(value)


def query_of(request: web.Request, *names: str) -> Body:
    """Return the numbers in a query."""
    return Body({name: _number(request, name) for name in names if name in request.query})


def _number(request: web.Request, name: str) -> Any:
    text = request.query[name]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else text


def read_text_entities(body: Body, text: str) -> list[Json]:
    """Return the formatting that a person gave a text."""
    given = body.raw("entities")
    try:
        return [] if given is None else read_entities(given, text)
    except ApiError as error:
        raise ControlError(error.description) from None


def read_upload(given: object) -> Upload | None:
    """Return a person's file: its content as base64 or as text."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise ControlError("file must be {name, content_base64 or text, mime?}")
    body = Body(given)
    encoded = given.get("content_base64", given.get("content"))
    try:
        content = body.text("text").encode() if encoded is None else base64.b64decode(encoded, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ControlError("content_base64 must be base64") from None
    if not 0 < len(content) <= UPLOAD_LIMIT:
        raise ControlError("a file has 1 byte to 50 MB")
    return Upload(body.text("name", "file"), body.text("mime", body.text("mime_type", "")), content)


def read_fault(world: World, body: Body) -> Fault:
    """Return the failure that somebody orders."""
    method = body.text("method", "").lower() or None
    chat = None if body.raw("chat") is None else chat_id_of(world, body.raw("chat"))
    status = body.integer("status", low=200, high=599)
    retry_after = body.integer("retry_after", low=1, high=86400)
    delay = body.number("delay", low=0, high=600) or 0.0
    drop = body.raw("drop") or False
    if not isinstance(drop, bool) and drop != "after":
        raise ControlError('drop must be true, false or "after"')
    if status is None:
        if not (retry_after or delay or drop):
            raise ControlError("say how the calls fail: status, retry_after, delay or drop")
        status = 429 if retry_after else 200
    if 200 < status < 400:
        raise ControlError("status must be 200, or an error from 400 to 599")
    return Fault(
        method=method,
        chat=chat,
        status=status,
        description=body.text("description", ""),
        retry_after=retry_after,
        delay=delay,
        drop=drop,
        times=body.integer("times", high=1_000_000) or 1,
    )
