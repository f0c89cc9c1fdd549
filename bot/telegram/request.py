"""The way to the Bot API: python-telegram-bot's request layer over aiohttp.

No error that leaves this module, nor its chain of causes, holds the request's URL, because the bot's token
is a part of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import IO, Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson
from msgspec import Struct
from telegram.error import BadRequest, NetworkError, TelegramError, TimedOut
from telegram.request import BaseRequest, RequestData

from core.redaction import MASK, Redactor

_DEFAULT: Final = BaseRequest.DEFAULT_NONE
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_CHUNK: Final = 65_536
_KEEP_ALIVE_S: Final = 30.0
_IN_PATH: Final = re.compile(r"/bot([^/]+)/")
_QUOTED: Final = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


class NotSent(NetworkError):
    """The request never reached the server, so that sending it again cannot double anything."""

    __slots__ = ()


class NotSentInTime(NotSent, TimedOut):
    """No connection was to be had in time, nothing was sent."""

    __slots__ = ()


class AiohttpRequest(BaseRequest):
    """Requests over one aiohttp session: up to `connections` kept open, TLS certificates checked.

    Timeouts are in seconds, None for none: `read_timeout` and `write_timeout` without a byte moving,
    `connect_timeout` for a new connection, `pool_timeout` for a free one, `media_write_timeout` in place of
    `write_timeout` for uploads. `proxy` is an http:// or https:// URL; variables such as HTTPS_PROXY are not
    looked at, so that a local server is always reached directly.
    """

    __slots__ = ("_connections", "_media_write", "_proxy", "_redactor", "_session", "_timeouts")

    def __init__(
        self,
        *,
        connections: int = 256,
        read_timeout: float | None = 5.0,
        write_timeout: float | None = 5.0,
        connect_timeout: float | None = 5.0,
        pool_timeout: float | None = 1.0,
        media_write_timeout: float | None = 20.0,
        proxy: str | None = None,
    ) -> None:
        self._connections = connections
        self._timeouts = _Timeouts(
            read=read_timeout, write=write_timeout, connect=connect_timeout, pool=pool_timeout
        )
        self._media_write = media_write_timeout
        self._proxy = proxy
        self._redactor = Redactor([proxy] if proxy else [])
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float | None:
        """The read timeout, in seconds, of requests that name none."""
        return self._timeouts.read

    async def initialize(self) -> None:
        """Opens the session in the running loop; does nothing where one is open."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_KEEP_ALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self.USER_AGENT},
                trust_env=False,
            )

    async def shutdown(self) -> None:
        """Closes the session and its connections; may be called twice, and before `initialize`."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = _DEFAULT,
        write_timeout: Any = _DEFAULT,
        connect_timeout: Any = _DEFAULT,
        pool_timeout: Any = _DEFAULT,
    ) -> tuple[int, bytes]:
        """The status and body of the answer, whatever the status is.

        Raises TimedOut, NetworkError (NotSent where that is certain), and BadRequest for text that has no
        UTF-8 form. A cancelled request gives its connection back or closes it.
        """
        session = self._session
        if session is None or session.closed:
            raise RuntimeError("This AiohttpRequest is not initialized!")
        files = bool(request_data and request_data.contains_files)
        timeouts = _Timeouts(
            read=_chosen(read_timeout, self._timeouts.read),
            write=_chosen(write_timeout, self._media_write if files else self._timeouts.write),
            connect=_chosen(connect_timeout, self._timeouts.connect),
            pool=_chosen(pool_timeout, self._timeouts.pool),
        )
        body = _body(request_data) if request_data else None
        try:
            status, answer = await self._exchange(session, method, url, body, timeouts)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _failure(error, host=_host(url), clean=self._redactor.clean)
        else:
            return _sound(status, answer, url)
        # Raised out here, so that it carries neither a cause nor a context: their texts hold the URL.
        raise failure

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        body: _Json | _Form | _Multipart | None,
        timeouts: _Timeouts,
    ) -> tuple[int, bytes]:
        async with asyncio.timeout(None) as watch:
            async with session.request(
                method,
                url,
                data=body.content(watch, timeouts) if body else None,
                headers=body.headers if body else None,
                timeout=timeouts.for_aiohttp(),
                proxy=self._proxy,
                allow_redirects=False,
            ) as response:
                watch.reschedule(None)
                return response.status, await response.read()

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """The JSON object that the Bot API answered with. Raises NetworkError for anything else, and keeps
        what it was out of the log, because it may hold what people wrote."""
        try:
            answer = _read(payload)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or not (_is_refusal(answer) or "result" in answer):
            raise NetworkError("Invalid server response")
        return answer


class _Timeouts(Struct, frozen=True, kw_only=True):
    """In seconds, None for none."""

    read: float | None
    write: float | None
    connect: float | None
    pool: float | None

    def for_aiohttp(self) -> aiohttp.ClientTimeout:
        """aiohttp's `connect` covers the wait for a free connection and the making of a new one."""
        both = None if self.connect is None or self.pool is None else self.connect + self.pool
        return aiohttp.ClientTimeout(total=None, connect=both, sock_connect=self.connect, sock_read=self.read)

    def let_write(self, watch: asyncio.Timeout) -> None:
        """The watch ends the exchange unless it is set anew within `write`."""
        _set(watch, self.write)

    def let_finish(self, watch: asyncio.Timeout) -> None:
        """The watch ends the exchange unless the last of it is written and answered in `write` + `read`."""
        _set(watch, None if self.write is None or self.read is None else self.write + self.read)


def _set(watch: asyncio.Timeout, seconds: float | None) -> None:
    watch.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)


class Parameters:
    """In place of the library's RequestData: the parameters of a request without files, sent as JSON, which
    takes a tenth of the time that a form takes."""

    contains_files: Final = False

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values


class _Json:
    """Parameters as JSON."""

    def __init__(self, parameters: Parameters) -> None:
        self._encoded = orjson.dumps(parameters.values)
        self.headers: Mapping[str, str] = {"Content-Type": _JSON}

    def content(self, watch: asyncio.Timeout, timeouts: _Timeouts) -> bytes | AsyncIterator[bytes]:
        """The parameters in one piece, or long ones piece by piece."""
        if len(self._encoded) <= _CHUNK:
            return self._encoded
        return _piece_by_piece([self._encoded], watch, timeouts)


class _Form:
    """Parameters alone, as a URL-encoded form."""

    def __init__(self, request_data: RequestData) -> None:
        self._encoded = request_data.url_encoded_parameters().encode()
        self.headers: Mapping[str, str] = {"Content-Type": _FORM, "Content-Length": str(len(self._encoded))}

    def content(self, watch: asyncio.Timeout, timeouts: _Timeouts) -> bytes | AsyncIterator[bytes]:
        """The form in one piece, or a long one piece by piece."""
        if len(self._encoded) <= _CHUNK:
            return self._encoded
        return _piece_by_piece([self._encoded], watch, timeouts)


class _Multipart:
    """Parameters and files as multipart/form-data of known length, written piece by piece."""

    def __init__(self, request_data: RequestData) -> None:
        boundary = uuid.uuid4().hex
        self._pieces: list[bytes | IO[bytes]] = []
        for name, value in request_data.json_parameters.items():
            self._pieces.append(_part_head(boundary, name) + value.encode() + b"\r\n")
        for name, (filename, content, mimetype) in request_data.multipart_data.items():
            self._pieces.append(_part_head(boundary, name, filename=filename, mimetype=mimetype))
            self._pieces += [_readable(content), b"\r\n"]
        self._pieces.append(f"--{boundary}--\r\n".encode())
        self.headers: Mapping[str, str] = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(sum(map(_length, self._pieces))),
        }

    def content(self, watch: asyncio.Timeout, timeouts: _Timeouts) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        return _piece_by_piece(self._pieces, watch, timeouts)


async def _piece_by_piece(
    pieces: Iterable[bytes | IO[bytes]], watch: asyncio.Timeout, timeouts: _Timeouts
) -> AsyncIterator[bytes]:
    """All bytes of the pieces; the exchange ends where a chunk of them is not written in time."""
    for piece in pieces:
        for chunk in _chunks(piece):
            timeouts.let_write(watch)
            yield chunk
    timeouts.let_finish(watch)


def _body(request_data: RequestData | Parameters) -> _Json | _Form | _Multipart:
    try:
        if isinstance(request_data, Parameters):
            return _Json(request_data)
        return _Multipart(request_data) if request_data.contains_files else _Form(request_data)
    except (UnicodeEncodeError, orjson.JSONEncodeError):
        raise BadRequest("The text has characters that have no UTF-8 form (lone surrogates)") from None


def _part_head(boundary: str, name: str, *, filename: str | None = None, mimetype: str = "") -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(_QUOTED)}"'
    if filename is not None:
        head += f'; filename="{filename.translate(_QUOTED)}"\r\nContent-Type: {mimetype}'
    return f"{head}\r\n\r\n".encode()


def _readable(content: bytes | IO[bytes]) -> bytes | IO[bytes]:
    """Bytes as they are, a file from its beginning; one that cannot go back is read into memory."""
    if isinstance(content, bytes):
        return content
    if not content.seekable():
        return content.read()
    content.seek(0)
    return content


def _length(piece: bytes | IO[bytes]) -> int:
    if isinstance(piece, bytes):
        return len(piece)
    end = piece.seek(0, os.SEEK_END)
    piece.seek(0)
    return end


def _chunks(piece: bytes | IO[bytes]) -> Iterator[bytes]:
    if isinstance(piece, bytes):
        return (piece[start : start + _CHUNK] for start in range(0, len(piece), _CHUNK))
    return iter(lambda: piece.read(_CHUNK), b"")


def _chosen(given: Any, default: float | None) -> float | None:
    """The timeout that a request was given, None included, else the default one."""
    return default if given is _DEFAULT else given


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "the server"
    except ValueError:
        return "the server"


def _sound(status: int, answer: bytes, url: str) -> tuple[int, bytes]:
    """The answer as python-telegram-bot can take it: a refusal never comes as a success, what something on
    the way says never as Telegram's refusal, and a server's error page does not repeat the token into the
    error's text."""
    if 200 <= status <= 299:
        refused = _begins_as_refusal(answer) or (b'"result"' not in answer and _refuses(answer))
        return (502 if refused else status), answer
    if 400 <= status <= 499 and not _refuses(answer):
        # A gateway's 400, 403 or 404 must not drop a message, a private chat or the bot's token.
        status = 502
    if token := _IN_PATH.search(url):
        answer = answer.replace(token[1].encode(), MASK.encode())
    return status, answer


def _begins_as_refusal(answer: bytes) -> bool:
    return b'"ok":false' in answer[:64].replace(b" ", b"")


def _refuses(answer: bytes) -> bool:
    try:
        return _is_refusal(_read(answer))
    except (ValueError, RecursionError):
        return False


def _read(payload: bytes) -> Any:
    """JSON, with everything in it that is no text replaced. Raises ValueError or RecursionError."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:  # stricter than Telegram: half of a surrogate pair, bytes that are no text
        return json.loads(payload.decode("utf-8", "replace"))


def _is_refusal(answer: object) -> bool:
    """Whether this is a refusal as Telegram puts it, with nothing in it that the library trips over."""
    if not isinstance(answer, dict) or answer.get("ok") is not False:
        return False
    parameters = answer.get("parameters") or {}
    numbers = isinstance(parameters, dict) and all(type(value) is int for value in parameters.values())
    return numbers and isinstance(answer.get("description", ""), str)


def _failure(error: Exception, *, host: str, clean: Callable[[str], str]) -> TelegramError:
    """The error for the caller, in words of its own."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return NotSentInTime(f"No connection to {host} in time; nothing was sent")
        case TimeoutError():
            return TimedOut(f"No answer from {host} in time; it may have received the request")
        case aiohttp.ClientConnectorCertificateError():
            return NotSent(
                f"The certificate of {host} was not accepted: {clean(str(error.certificate_error))}"
            )
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return NotSent("The proxy did not make a connection")
        case aiohttp.ClientConnectorError():
            return NotSent(f"No connection to {host}: {clean(str(error.os_error))}")
        case aiohttp.InvalidURL():
            return NotSent("The address of the Bot API is not a URL that can be called")
        case aiohttp.ClientResponseError():
            return NetworkError(f"The answer from {host} is not HTTP")
    return NetworkError(
        f"The connection to {host} broke off ({type(error).__name__}); it may have received the request"
    )
