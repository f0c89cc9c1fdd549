"""Another program that webhooks tell: a real server on this machine, whose answers tests choose."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from bot.clock import SystemClock
from bot.workers.webhooks import Patience, Webhooks
from core.ids import TenantId, WebhookId
from core.model import SignalKind, Webhook
from core.ports import Clock
from core.signals import USUAL
from tests.kit.world import ACME, World

PATIENCE_S = 10.0
SECRET = "a-secret-that-nobody-else-knows"
QUICK = Patience(first_s=0.01, longest_s=0.02, tries=5, tries_for_good=3, timeout_s=5.0)


@dataclass(frozen=True, slots=True)
class Got:
    """One request, and what it was answered."""

    status: int
    event: str
    key: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Receiver:
    """Answers 200 but for what `answers` holds: a status with its headers, or something to wait for first."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    always: int = 200
    held: asyncio.Event | None = None
    came: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def say(self, *statuses: int, **headers: str) -> None:
        """The next answers."""
        self.answers.extend((status, headers) for status in statuses)

    @property
    def taken(self) -> list[str]:
        """The keys of what was answered with 200, in order."""
        return [each.key for each in self.got if each.status == 200]

    async def until(self, fits: Callable[[], bool]) -> None:
        """Returns once this is true of what came."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(fits)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        async with self._news:
            self.came += 1
            self._news.notify_all()
        if self.held is not None:
            await self.held.wait()
        status, headers = self.answers.popleft() if self.answers else (self.always, {})
        named = dict(request.headers)
        at = asyncio.get_running_loop().time()
        event, key = named.get("X-Countersign-Event", ""), named.get("X-Countersign-Id", "")
        async with self._news:
            self.got.append(Got(status, event, key, named, body, at))
            self._news.notify_all()
        return web.Response(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        if receiver.held is not None:
            receiver.held.set()
        await runner.cleanup()


async def add_webhook(world: World, url: str, *, tenant: TenantId = ACME, **changes: Any) -> Webhook:
    """A webhook of a team that is told from the beginning on."""
    now = world.clock.now()
    webhook = replace(
        Webhook(
            id=WebhookId(world.new_id()),
            tenant_id=tenant,
            url=url,
            secret=SECRET,
            kinds=USUAL,
            cursor=0,
            tries=0,
            not_before=datetime.fromtimestamp(0, UTC),
            created_at=now,
            created_by="cli",
        ),
        **changes,
    )
    await world.unit(lambda records: records.webhooks.add(webhook))
    return webhook


@asynccontextmanager
async def delivering(
    world: World, *, allow_private: bool = True, patience: Patience = QUICK, clock: Clock | None = None
) -> AsyncIterator[Webhooks]:
    """The worker that delivers, for a while: a life of the product."""
    hooks = Webhooks(
        uow=world.db.writer,
        reader=world.db.reader,
        clock=clock or SystemClock(lambda: world.clock.now().timestamp()),
        registry=world.registry,
        allow_private=allow_private,
        chance=lambda: 0.0,
        patience=patience,
    )
    world.db.writer.listen("signal", hooks.wake)
    world.db.writer.listen("webhook", hooks.changed)
    task = asyncio.ensure_future(hooks.run())
    try:
        yield hooks
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def given_up(world: World, webhook: Webhook, *, count: int = 1) -> None:
    """Returns once the webhook has so many dead letters."""
    changed = asyncio.Event()
    world.db.writer.listen("audit", lambda _: changed.set())
    async with asyncio.timeout(PATIENCE_S):
        while await world.read(lambda r: r.webhooks.dead_count(webhook.id)) < count:
            await changed.wait()
            changed.clear()


async def stream(world: World, tenant: TenantId = ACME) -> list[tuple[SignalKind, str]]:
    """All facts on a team's stream: what, and about what."""
    found = await world.read(lambda records: records.signals.after(tenant, 0, limit=10_000))
    assert [each.seq for each in found] == sorted({each.seq for each in found})
    return [(each.kind, each.subject) for each in found]
