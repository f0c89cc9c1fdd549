"""The HTTP door, listening: every request is answered, refused with a problem document, and never obeyed
beyond its token."""

from __future__ import annotations

from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler as AnyHandler
from aiohttp.typedefs import Middleware

from bot.http.callers import caller_of
from bot.http.door import Door
from bot.http.problems import MOST_BYTES, not_persisted, of_aiohttp, problem
from bot.http.routes import ROUTES, Handler, healthz
from bot.http.watched import LOOKS, Look
from bot.logs import get_logger
from core.engine.readable import set_aside
from core.errors import Code, ConfigError, CorruptRecord, Refusal, StorageUnavailable

log = get_logger(__name__)

STOP_WITHIN_S: Final = 5.0
FETCH_WITHIN_S: Final = 5.0


class HttpServer:
    """Serves the door from `start` to `stop`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._runner: web.AppRunner | None = None
        self.app = application(door)

    async def start(self) -> None:
        """Listens. Raises ConfigError where nothing can listen there."""
        settings = self._door.settings
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=STOP_WITHIN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigError(
                f"Nothing can listen at http.host = {settings.host}, http.port = {settings.port}: "
                f"{error.strerror or error}."
            ) from None
        self._runner = runner
        log.info("the HTTP door is open", url=self.url)

    async def stop(self) -> None:
        """Takes no more requests, and answers those in hand."""
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it listens."""
        if self._runner is None:
            raise LookupError("the door is not open")
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def application(door: Door) -> web.Application:
    """All routes behind the one middleware that knows who calls."""
    app = web.Application(middlewares=[_answering(door)], client_max_size=MOST_BYTES)
    app.router.add_route("GET", "/healthz", healthz)
    for path, look in LOOKS.items():
        app.router.add_route("GET", path, _open(door, look))
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _known(door, route.handler))
    return app


async def fetch(url: str) -> bytes:
    """A document of at most 1 MB, from where the configuration says. Raises OSError."""
    timeout = aiohttp.ClientTimeout(total=FETCH_WITHIN_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            answer.raise_for_status()
            found = bytearray()
            async for piece in answer.content.iter_any():  # one read gives only what has come by then
                found += piece
                if len(found) > MOST_BYTES:
                    raise OSError("the document is longer than 1 MB")
            return bytes(found)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from None


def _known(door: Door, handler: Handler) -> AnyHandler:
    """The handler, for somebody whose token says who they are."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request, door, await caller_of(request, door))

    return handle


def _open(door: Door, look: Look) -> AnyHandler:
    """What is looked at by no person."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await look(request, door)

    return handle


def _answering(door: Door) -> Middleware:
    """Every failure becomes a problem document; what nobody foresaw is logged and said to be ours."""

    @web.middleware
    async def answering(request: web.Request, handler: AnyHandler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refusal:
            return problem(refusal)
        except web.HTTPException as error:
            return of_aiohttp(error)
        except StorageUnavailable as error:
            log.warning("a request could not be served", why=error.message)
            return problem(not_persisted())
        except CorruptRecord as corrupt:
            return await _corrupt(door, corrupt)
        except door.storage_errors as error:
            log.error("the database refused a request", method=request.method, error=str(error))
            return problem(not_persisted())
        except ConnectionError:
            raise  # nobody is there any more
        except Exception:
            log.exception("a request failed", method=request.method)
            door.failed()
            return problem(Refusal(Code.INTERNAL, "This is a mistake of ours. It is in the log."))

    return answering


async def _corrupt(door: Door, corrupt: CorruptRecord) -> web.Response:
    """The only 500 on purpose: the row is set aside, audited, and alarms whoever reads the log."""
    log.error("a record cannot be read and was set aside", row=corrupt.row_id, column=corrupt.column)
    now = door.clock.now()
    try:
        await door.uow.run("set_aside", lambda records: set_aside(records, corrupt, now=now))
    except StorageUnavailable:
        return problem(not_persisted())
    return problem(Refusal(Code.CORRUPT_RECORD, "A stored record cannot be read; it was set aside."))
