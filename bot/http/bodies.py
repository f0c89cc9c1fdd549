"""What requests carry, checked: a JSON object of known fields. Errors name the field and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from core.engine.decide import COMMENT_MOST
from core.errors import Code, InvalidInput, Refusal
from core.ids import CallId
from core.json_text import read_json
from core.lifecycle import Status
from core.queries import DEFAULT_LIMIT

B = TypeVar("B", bound="Body")

TEXT_MOST: Final = 4096
KEY_MOST: Final = 200
GREATEST: Final = 2**31 - 1
_DEEPEST: Final = 50
NOBODY: Final = CallId(str(UUID(int=0)))
"""The id of no call: what an id that is none is looked up as."""


class Body(BaseModel):
    """The fields of one route. A field that it does not know is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProposalBody(Body):
    """Either a text, read as one that is written in a chat, or a tool with its arguments."""

    text: Annotated[StrictStr, Field(min_length=1, max_length=TEXT_MOST)] | None = None
    tool: Annotated[StrictStr, Field(min_length=1, max_length=100)] | None = None
    args: dict[str, Any] | None = None
    start_mode: Literal["auto", "manual"] = "auto"


class VoteBody(Body):
    """A signature, or a no, on one revision of a call."""

    revision: Annotated[StrictInt, Field(ge=1, le=GREATEST)]
    comment: Annotated[StrictStr, Field(max_length=COMMENT_MOST)] = ""


class EditBody(Body):
    """New values of arguments, of one revision of a call."""

    revision: Annotated[StrictInt, Field(ge=1, le=GREATEST)]
    changes: Annotated[dict[str, Any], Field(min_length=1)]


class EmptyBody(Body):
    """Nothing."""


async def read_object(request: web.Request) -> dict[str, object]:
    """The JSON object of the body; an empty body is an empty one.

    Raises Refusal `invalid_json`; aiohttp's own error for a body that is too big.
    """
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        found = read_json(raw.decode())
    except ValueError:
        raise _no_json("it is no JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise _no_json("it is no object")
    if not _fits(found, depth=_DEEPEST):
        raise _no_json("it holds a NUL character, or is nested too deep")
    return found


def read_body(kind: type[B], found: Mapping[str, object]) -> B:
    """The fields of a body. Raises InvalidInput for the first that does not fit."""
    try:
        return kind.model_validate(dict(found))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "body"
        raise InvalidInput(
            field=field, given=_given(first), allowed=_allowed(kind, first["type"], first["msg"])
        ) from None


def call_id_of(request: web.Request) -> CallId:
    """The id in the address; what is no id is that of no call, and is answered as such."""
    try:
        return CallId(str(UUID(request.match_info["id"])))
    except ValueError:
        return NOBODY


def idempotency_key(request: web.Request) -> str | None:
    """The client's own key. Raises InvalidInput for one that is empty, too long, or given twice."""
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return None
    key = given[0].strip()
    if len(given) > 1 or not 0 < len(key) <= KEY_MOST or not (key.isascii() and key.isprintable()):
        allowed = f"one key of 1 to {KEY_MOST} printable ASCII characters"
        raise InvalidInput(field="Idempotency-Key", given=key, allowed=allowed)
    return key


def wants_no_answer(request: web.Request) -> bool:
    """Whether the client prefers not to wait for the result (RFC 7240)."""
    preferred = ",".join(request.headers.getall("Prefer", []))
    return "respond-async" in {each.partition(";")[0].strip().lower() for each in preferred.split(",")}


def read_statuses(request: web.Request) -> frozenset[Status]:
    """The statuses that a list is narrowed to, with commas between. Raises InvalidInput."""
    words = ",".join(request.query.getall("status", [])).split(",")
    found = set()
    for word in filter(None, (word.strip() for word in words)):
        try:
            found.add(Status(word))
        except ValueError:
            allowed = "use " + ", ".join(Status)
            raise InvalidInput(field="status", given=word, allowed=allowed) from None
    return frozenset(found)


def wants_waiting(request: web.Request) -> bool:
    """Whether a list is of what waits for the caller. Raises InvalidInput for anything else than `me`."""
    given = request.query.get("waiting")
    if given not in {None, "me"}:
        raise InvalidInput(field="waiting", given=str(given), allowed="use me, or leave it out")
    return given is not None


def read_tool(request: web.Request) -> str | None:
    """The tool that a list is narrowed to. Raises InvalidInput for what cannot be a tool's name."""
    given = request.query.get("tool")
    if given is not None and not (0 < len(given) <= 100 and given.isprintable()):
        raise InvalidInput(field="tool", given=given, allowed="use a tool's name")
    return given


def read_limit(request: web.Request) -> int:
    """How many calls a page has. Raises InvalidInput `invalid_limit` for what is no number."""
    given = request.query.get("limit", str(DEFAULT_LIMIT))
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise InvalidInput(
            field="limit", given=given, allowed="use a whole number from 1 to 100", code=Code.INVALID_LIMIT
        )
    return int(given)


def read_cursor(request: web.Request) -> CallId | None:
    """Where a list goes on. Raises InvalidInput for a token that is not one of ours."""
    given = request.query.get("next_token")
    if given is None:
        return None
    try:
        return CallId(str(UUID(given)))
    except ValueError:
        allowed = "use the next_token of the page before, unchanged"
        raise InvalidInput(field="next_token", given=given, allowed=allowed) from None


def _no_json(why: str) -> Refusal:
    return Refusal(Code.INVALID_JSON, f"The body must be a JSON object, and {why}.")


def _fits(value: object, *, depth: int) -> bool:
    """Whether no text in it has a NUL, which PostgreSQL cannot keep, and it is not nested without end."""
    if depth == 0:
        return False
    if isinstance(value, str):
        return "\x00" not in value
    if isinstance(value, dict):
        return all("\x00" not in key and _fits(item, depth=depth - 1) for key, item in value.items())
    return not isinstance(value, list) or all(_fits(item, depth=depth - 1) for item in value)


def _given(first: Mapping[str, Any]) -> str:
    if first["type"] == "missing":
        return "nothing"
    try:
        return str(first["input"])
    except ValueError:  # an integer of thousands of digits has no text
        return "a number that is far too long"


def _allowed(kind: type[Body], problem: str, message: str) -> str:
    fields = ", ".join(kind.model_fields) or "no fields"
    if problem == "extra_forbidden":
        return f"this address takes {fields}"
    if problem == "missing":
        return "it is required"
    return f"it {message.removeprefix('Input ')}" if message.startswith("Input should be ") else message
