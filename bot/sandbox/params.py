"""What a bot sent: from query, form, multipart or JSON, on POST and on GET alike."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.multipart import content_disposition_filename, parse_content_disposition

from bot.sandbox.errors import ApiError, bad_request
from bot.sandbox.files import Upload

_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,18})\s*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(text: str) -> Any:
    """Return a JSON value; whatever cannot be one, or cannot be UTF-8, is a ValueError."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class Params:
    """Typed access to the parameters of one call; unknown ones are ignored."""

    def __init__(self, values: Mapping[str, Any], files: Mapping[str, Upload]) -> None:
        self._values = values
        self.files = files

    def raw(self, name: str) -> Any:
        """Return a parameter as it came; None if it did not."""
        return self._values.get(name)

    def text(self, name: str) -> str:
        """Return a parameter as text, empty if it was not given; a list or object is a 400."""
        value = self._values.get(name)
        if value is None:
            return ""
        if isinstance(value, dict | list):
            raise bad_request(f'parameter "{name}" must be of type String')
        return value if isinstance(value, str) else json.dumps(value)

    def integer(self, name: str) -> int:
        """Return a parameter as a number; 0, as Telegram takes it, for what is none."""
        value = self._values.get(name)
        if isinstance(value, bool):
            return int(value)
        match = _INTEGER.fullmatch(str(value)) if isinstance(value, str | int | float) else None
        return int(match[1]) if match else 0

    def flag(self, name: str) -> bool:
        """Return whether a parameter says yes."""
        return str(self._values.get(name, "")).strip().lower() in {"true", "yes", "1"}

    def tree(self, name: str) -> Any:
        """Return a nested parameter, which may come as a JSON string; a 400 where it is not JSON."""
        value = self._values.get(name)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return parse_json(value)
        except ValueError:
            raise bad_request(f"can't parse {name.replace('_', ' ')} JSON object") from None


async def read_params(request: web.Request) -> Params:
    """Return everything that a request carries; the body wins over the query. A 400 where it is malformed."""
    values: dict[str, Any] = dict(request.query)
    files: dict[str, Upload] = {}
    # Not request.post(): that ignores the body of a GET, and a bot that polls so would lose its offset.
    body = await request.read()
    kind = request.content_type
    try:
        if kind == "multipart/form-data":
            _read_multipart(request, body, values, files)
        elif kind.endswith("json"):
            values |= _read_object(body)
        elif body:
            values |= parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except UnicodeError:
        raise bad_request("strings must be encoded in UTF-8") from None
    except ValueError:
        raise bad_request("can't parse the request body") from None
    return Params(values, files)


def _read_object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    value = parse_json(body.decode())
    if not isinstance(value, dict):
        raise bad_request("object expected as request body")
    return value


def _read_multipart(
    request: web.Request, body: bytes, values: dict[str, Any], files: dict[str, Upload]
) -> None:
    boundary = _boundary(request.headers.get("Content-Type", ""))
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise ApiError(400, "Bad Request: can't parse the multipart request body")
    for part in parts[1:-1]:
        head, found, content = part.partition(b"\r\n\r\n")
        headers = _headers(head.decode())
        _, options = parse_content_disposition(headers.get("content-disposition", ""))
        name = options.get("name", "")
        if not found or not name:
            continue
        filename = content_disposition_filename(options)
        if filename is None:
            values[name] = content.decode()
        else:
            files[name] = Upload(filename, headers.get("content-type", "").split(";")[0], content)


def _boundary(content_type: str) -> bytes:
    match = re.search(r'boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', content_type, re.IGNORECASE)
    if match is None:
        raise ApiError(400, "Bad Request: can't parse the multipart request body")
    return (match[1] or match[2]).encode()


def _headers(head: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.split("\r\n"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
