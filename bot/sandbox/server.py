"""Starts the sandbox: the Bot API, the control interface and the page, on one port."""

import ipaddress
import logging
import re
import struct
from functools import lru_cache
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bot.sandbox.botapi import BotApi
from bot.sandbox.clock import Clock
from bot.sandbox.control import Control, json_response
from bot.sandbox.errors import ApiError, ControlError, DropConnection
from bot.sandbox.limits import Limits
from bot.sandbox.rules import Rules
from bot.sandbox.store import SqliteStore, Store
from bot.sandbox.world import World

__all__ = ["Clock", "Limits", "Rules", "RunningSandbox", "World", "start_sandbox"]

DATABASE = "sandbox.sqlite3"
_PAGE = Path(__file__).parent / "page"
# A file of 50 MB in base64, with what is around it.
_MAX_BODY = 72 * 1024 * 1024
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_log = logging.getLogger(__name__)


class RunningSandbox:
    """A sandbox that serves until `stop`."""

    def __init__(self, runner: web.AppRunner, world: World, url: str) -> None:
        self.url = url
        self.world = world
        self.clock = world.clock
        self._runner = runner

    async def stop(self) -> None:
        """Answer who still waits, close every connection and the store. A second call does nothing."""
        self.world.close()
        await self._runner.cleanup()
        self.world.store.close()


async def start_sandbox(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    data: Path | None = None,
    clock: Clock | None = None,
    limits: Limits | None = None,
    rules: Rules | None = None,
) -> RunningSandbox:
    """Return a sandbox that can be used at once.

    `port` 0 takes a free one. `data` is a folder in which everything is kept; without it a stop forgets it.
    `limits` are Telegram's unless given (`Limits.off()` for none), `rules` the same for its times.
    """
    store = Store() if data is None else SqliteStore(data / DATABASE)
    world = World(store, clock or Clock(), limits=limits or Limits(), rules=rules or Rules())
    application = web.Application(middlewares=[_errors, _host_check(host)], client_max_size=_MAX_BODY)
    application.add_routes([*BotApi(world).routes(), *Control(world).routes()])
    application.add_routes([web.get("/", _index), web.get("/page/{name}", _page_file)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
    try:
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
    except BaseException:
        world.close()
        await runner.cleanup()
        store.close()
        raise
    return RunningSandbox(runner, world, _url(host, runner.addresses[0][1]))


def _url(host: str, port: int) -> str:
    # Where it listens everywhere, loopback is where it can surely be reached.
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"http://[{name}]:{port}" if ":" in name and "[" not in name else f"http://{name}:{port}"


async def _index(request: web.Request) -> web.StreamResponse:
    return _page("index.html")


async def _page_file(request: web.Request) -> web.StreamResponse:
    return _page(request.match_info["name"])


def _page(name: str) -> web.StreamResponse:
    path = _PAGE / name
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name) or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers=_HEADERS)


def _for_bots(request: web.Request) -> bool:
    return request.path.startswith(("/bot", "/file"))


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into JSON: for bots in Telegram's shape, for the others `{error}`."""
    try:
        return await handler(request)
    except ApiError as error:
        return json_response(error.body(), status=error.code)
    except ControlError as error:
        return json_response({"error": error.reason}, status=error.status)
    except DropConnection as drop:
        _cut(request, reset=drop.reset)
        return web.Response()
    except web.HTTPException as error:
        return _refusal(request, error.status, error.reason)
    except ConnectionError:
        raise
    except Exception:  # noqa: BLE001 - the edge: a bot must get an answer that it can read
        _log.exception("the sandbox failed on %s", request.path.split("/")[-1])
        return _refusal(request, 500, "Internal Server Error")


def _cut(request: web.Request, *, reset: bool) -> None:
    transport = request.transport
    if transport is None:
        return
    if reset:
        # Closing a socket that lingers for no time at all sends a reset instead of an end.
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _refusal(request: web.Request, status: int, reason: str) -> web.Response:
    if _for_bots(request):
        return json_response(ApiError(status, reason).body(), status=status)
    if status < 500:
        status = 404 if status in {404, 405} else 400
    return json_response({"error": reason}, status=status)


def _host_check(bound: str) -> Middleware:
    """Refuse names that are not ours: a foreign page could point its own name here (DNS rebinding)."""
    listens = _address(bound)
    everywhere = bound == "" or (listens is not None and listens.is_unspecified)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = _host_name(request.headers.get("Host", "localhost"))
        address = _address(name)
        ours = (name != "" and name in {"localhost", bound.lower()}) or name.endswith(".localhost")
        numeric = address is not None and (everywhere or address.is_loopback)
        # Bots in other containers call the sandbox by a name; they need a token, not the control interface.
        if not (ours or numeric or (everywhere and _for_bots(request))):
            return _refusal(request, 400, "this Host is not served here")
        return await handler(request)

    return check


def _host_name(header: str) -> str:
    match = re.fullmatch(r"(?:\[([^\]]*)\]|([^:]*))(?::[0-9]*)?", header.strip().lower())
    return (match[1] or match[2] or "") if match else ""


@lru_cache(maxsize=256)
def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
