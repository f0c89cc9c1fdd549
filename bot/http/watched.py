"""`/metrics` and `/readyz`: for machines that watch this one. They tell nothing of any person."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from bot.exposition import CONTENT_TYPE
from bot.http.door import Door
from bot.http.problems import answered
from core.engine.status import ALIVE
from core.errors import Code, Refusal
from core.ports import Records

Look = Callable[[web.Request, Door], Awaitable[web.Response]]
_READY: Final = {True: "ok", False: "no worker is alive"}


async def metrics(request: web.Request, door: Door) -> web.Response:
    """The metrics, for whoever brings the token that the settings name. Without one they are not there: a
    door that listens on loopback alone may have a proxy before it."""
    if door.metrics_token is None or door.scrape is None:
        raise web.HTTPNotFound
    sent = request.headers.get("Authorization", "").encode()
    if not hmac.compare_digest(sent, f"Bearer {door.metrics_token}".encode()):
        raise Refusal(Code.UNAUTHENTICATED, "The metrics need the token of metrics.token, as a bearer token.")
    return web.Response(body=await door.scrape(), headers={"Content-Type": CONTENT_TYPE})


async def readyz(_request: web.Request, door: Door) -> web.Response:
    """200 where the records can be read and a worker is alive, else 503."""
    ready = await door.reader.read(lambda records: _alive(records, door))
    return answered({"status": _READY[ready]}, status=200 if ready else 503)


def _alive(records: Records, door: Door) -> bool:
    since = door.clock.real() - ALIVE
    return any(each.stopped_at is None and each.beat_at > since for each in records.workers.all())


LOOKS: Final[dict[str, Look]] = {"/metrics": metrics, "/readyz": readyz}
