"""What carries tools, put together: adapters, when they are cut off, who is told of that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from bot.clock import SystemClock
from bot.config import Settings
from bot.metrics import Metrics
from bot.telegram.adapters import Notices
from bot.workers.adapters import LOOK_EVERY_S, AdapterWatch
from core.adapters import Adapter, Adapters
from core.engine import Env
from core.engine.env import BreakerNews
from core.ids import TenantId
from core.ports import Reader, Records, UnitOfWork
from core.registry import ToolRegistry

if TYPE_CHECKING:
    from bot.workers.sweeper import Sweeper


class Carrying:
    """Built before the environment that it is a part of."""

    def __init__(self, settings: Settings, *, registry: ToolRegistry, declared: Sequence[Adapter]) -> None:
        self.adapters = Adapters(declared, tools=registry)
        self.resilience = settings.resilience.resilience
        self.metrics: Metrics | None = None
        self._notices = Notices(TenantId(settings.tenant.id))

    def changed(self, records: Records, news: BreakerNews, now: datetime) -> None:
        """A breaker changed: counts it, and tells whom it concerns."""
        if self.metrics is not None:
            self.metrics.breaker_changed(news.after.adapter, news.after.state)
        self._notices.tell(records, news, now)

    def start(
        self, sweeper: Sweeper, *, uow: UnitOfWork, reader: Reader, env: Env, clock: SystemClock
    ) -> None:
        """Has the clockwork look after them; where all tools run in our own process there are none."""
        if self.adapters.names():
            watch = AdapterWatch(uow=uow, reader=reader, env=env, clock=clock)
            sweeper.every(LOOK_EVERY_S, watch.look)
