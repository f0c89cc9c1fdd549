"""The Bot API over HTTP: `/bot<TOKEN>/<method>` and `/file/bot<TOKEN>/<path>`."""

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

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer one method, or fail as somebody ordered."""
        bot = self._world.bot_of(request.match_info["token"])
        name = request.match_info["method"].lower()
        method = METHODS.get(name)
        if method is None:
            raise ApiError(404, "Not Found: method not found")
        params = await read_params(request)
        fault = self._world.faults.take(name, _chat_id(params))
        if fault is not None:
            await self._fail(fault)
            if fault.instead:
                return _other(fault, b"")
        call = Call(self._world, self._world.bots[bot.id], params, _listens(request))
        try:
            result = method(call)
        finally:
            # Whatever the method did is durable before anybody can hear of it.
            self._world.commit()
        if inspect.isawaitable(result):
            result = await result
        answer = json_response({"ok": True, "result": result})
        return answer if fault is None else await self._spoil(fault, request, answer)

    async def _fail(self, fault: Fault) -> None:
        """Wait, then end the call before it is done, where that is ordered."""
        await self._world.faults.wait(fault.delay)
        if fault.drop in (True, "reset"):
            raise DropConnection(reset=fault.drop == "reset")
        if fault.status != 200 and fault.body is None:
            more: dict[str, Any] = {} if fault.retry_after is None else {"retry_after": fault.retry_after}
            raise ApiError(fault.status, fault.text(), **more)

    async def _spoil(self, fault: Fault, request: web.Request, answer: web.Response) -> web.StreamResponse:
        """Answer a call that was done, as wrongly as it is ordered."""
        await self._world.faults.wait(None if fault.drop == "never" else fault.late)
        if fault.drop in ("after", "never"):
            raise DropConnection
        body = bytes(answer.body) if isinstance(answer.body, bytes) else b""
        if fault.drop == "midway":
            await _begin(request, body)
            raise DropConnection
        return _other(fault, body)

    async def download(self, request: web.Request) -> web.Response:
        """Return the content of a file that `getFile` told of."""
        self._world.bot_of(request.match_info["token"])
        file = file_by_path(self._world, request.match_info["path"])
        content = self._world.store.blob(file.id) if file else None
        if file is None or content is None or file.size > DOWNLOAD_LIMIT:
            raise ApiError(404, "Not Found")
        return web.Response(body=content, content_type="application/octet-stream")


def _other(fault: Fault, answer: bytes) -> web.Response:
    """Return the ordered body as an answer, or the true one as what it is not."""
    body = answer if fault.body is None else fault.body.encode()
    kind = fault.content_type or "application/json"
    return web.Response(body=body, status=fault.status, content_type=kind)


async def _begin(request: web.Request, body: bytes) -> None:
    """Send half of an answer that says how long it would have been."""
    begun = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await begun.prepare(request)
    await begun.write(body[: len(body) // 2])


def _chat_id(params: Params) -> int | None:
    given = params.raw("chat_id")
    text = str(given) if isinstance(given, str | int) else ""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def _listens(request: web.Request) -> Any:
    def alive() -> bool:
        return request.transport is not None and not request.transport.is_closing()

    return alive
