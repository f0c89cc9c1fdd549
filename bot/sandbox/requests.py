"""What requests on `/sandbox/*` carry, read into the sandbox's own terms."""

import base64
import binascii
import re
from typing import Any

from aiohttp import web

from bot.sandbox.entities import read_entities
from bot.sandbox.errors import ApiError, ControlError
from bot.sandbox.faults import DROPS, Fault
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
    chat = None if body.raw("chat") is None else chat_id_of(world, body.raw("chat"))
    retry_after = body.integer("retry_after", low=1, high=86400)
    fault = Fault(
        method=body.text("method", "").lower() or None,
        chat=chat,
        status=body.integer("status", low=200, high=599) or (429 if retry_after else 200),
        description=body.text("description", ""),
        retry_after=retry_after,
        delay=body.number("delay", low=0, high=600) or 0.0,
        late=body.number("late", low=0, high=600) or 0.0,
        drop=_drop(body.raw("drop") or False),
        body=None if body.raw("body") is None else body.text("body"),
        content_type=_content_type(body.text("content_type", "")),
        undone=body.raw("undone") is True,
        times=body.integer("times", high=1_000_000) or 1,
    )
    if body.raw("undone") not in (None, False, True) or (fault.undone and fault.body is None):
        raise ControlError("undone must be true or false, and goes with a body")
    if not any(body.raw(name) for name in _HOW) and fault.body is None:
        raise ControlError(f"say how the calls fail: {', '.join(_HOW)} or body")
    if 200 < fault.status < 400:
        raise ControlError("status must be 200, or an error from 400 to 599")
    return fault


_HOW = ("status", "retry_after", "delay", "late", "drop", "content_type")


def _drop(given: object) -> bool | str:
    if isinstance(given, bool):
        return given
    if not isinstance(given, str) or given not in DROPS:
        raise ControlError(f"drop must be true, false or one of: {', '.join(DROPS)}")
    return given


def _content_type(given: str) -> str | None:
    if given and not re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", given):
        raise ControlError("content_type must be such as text/html")
    return given or None
