"""The Bot API over HTTP: `/bot<TOKEN>/<method>` and `/file/bot<TOKEN>/<path>`."""

import asyncio
import inspect
import re
from typing import Any

from aiohttp import web

from bot.sandbox.control import json_response
from bot.sandbox.errors import ApiError, DropConnection
from bot.sandbox.faults import Fault
from bot.sandbox.files import file_by_path
from bot.sandbox.methods import METHODS
from bot.sandbox.methods.call import Call
from bot.sandbox.params import Params, read_params
from bot.sandbox.rules import DOWNLOAD_LIMIT
from bot.sandbox.world import World


class BotApi:
    """Answers bots on a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this interface."""
        return [
            web.route("*", "/bot{token:[^/]*}/{method:[^/]*}", self.call),
            web.get("/file/bot{token:[^/]*}/{path:.+}", self.download),
        ]

    async def call(self, request: web.Request) -> web.Response:
        """Answer one method, or fail as somebody ordered."""
        bot = self._world.bot_of(request.match_info["token"])
        name = request.match_info["method"].lower()
        method = METHODS.get(name)
        if method is None:
            raise ApiError(404, "Not Found: method not found")
        params = await read_params(request)
        fault = self._world.faults.take(name, _chat_id(params))
        if fault is not None:
            await _fail(fault)
        call = Call(self._world, self._world.bots[bot.id], params, _listens(request))
        try:
            result = method(call)
        finally:
            # Whatever the method did is durable before anybody can hear of it.
            self._world.commit()
        if inspect.isawaitable(result):
            result = await result
        if fault is not None and fault.drop == "after":
            raise DropConnection
        return json_response({"ok": True, "result": result})

    async def download(self, request: web.Request) -> web.Response:
        """Return the content of a file that `getFile` told of."""
        self._world.bot_of(request.match_info["token"])
        file = file_by_path(self._world, request.match_info["path"])
        content = self._world.store.blob(file.id) if file else None
        if file is None or content is None or file.size > DOWNLOAD_LIMIT:
            raise ApiError(404, "Not Found")
        return web.Response(body=content, content_type="application/octet-stream")


async def _fail(fault: Fault) -> None:
    await asyncio.sleep(fault.delay)
    if fault.drop is True:
        raise DropConnection
    if fault.status != 200:
        more: dict[str, Any] = {} if fault.retry_after is None else {"retry_after": fault.retry_after}
        raise ApiError(fault.status, fault.text(), **more)


def _chat_id(params: Params) -> int | None:
    given = params.raw("chat_id")
    text = str(given) if isinstance(given, str | int) else ""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def _listens(request: web.Request) -> Any:
    def alive() -> bool:
        return request.transport is not None and not request.transport.is_closing()

    return alive
