"""What watches the bot, put together: counters, alarms, the auditor, what Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bot.clock import SystemClock
from bot.config import Settings
from bot.exposition import Exposition
from bot.logs import get_logger
from bot.machine import Machine, limits_of
from bot.metrics import Metrics
from bot.telegram.alarms import Audience
from bot.workers.alarms import LOOK_EVERY_S, Watch
from bot.workers.auditor import VERIFY_EVERY_S, VERIFY_WHOLE_EVERY_S, Auditor, VerifyAll
from core.engine import Env
from core.ids import TenantId
from core.ports import Reader, UnitOfWork

if TYPE_CHECKING:
    from bot.workers.sweeper import Sweeper

resilience = get_logger("resilience")
Listen = Callable[[str, Callable[[Any], None]], None]


class Watching:
    """Built before what it watches, whose hooks its `metrics` are."""

    def __init__(
        self,
        settings: Settings,
        *,
        uow: UnitOfWork,
        reader: Reader,
        verify: VerifyAll,
        env: Env,
        clock: SystemClock,
    ) -> None:
        home = TenantId(settings.tenant.id)
        self.metrics = Metrics(clock=clock.now)
        self.machine = Machine(settings.storage.folder, limits=limits_of(settings))
        self.auditor = Auditor(verify, reader=reader, clock=clock)
        watch = Watch(
            uow=uow,
            reader=reader,
            env=env,
            clock=clock,
            metrics=self.metrics,
            machine=self.machine,
            tell=Audience(home=home, chat=settings.alarms.chat).tell,
            audit=lambda: self.auditor.problems,
        )
        exposition = Exposition(
            self.metrics,
            reader=reader,
            clock=clock,
            machine=self.machine,
            audit=lambda: self.auditor.problems,
            registry=env.registry,
        )
        self.look = watch.look
        token = settings.metrics.token
        self.metrics_token = None if token is None else token.get_secret_value()
        self.scrape = exposition.scrape

    def start(self, sweeper: Sweeper, listen: Listen) -> None:
        """Has the clockwork look, and what is paused and resumed logged."""
        listen("switch", lambda key: resilience.info("a switch changed", switch=key))
        sweeper.every(LOOK_EVERY_S, self.look)
        sweeper.every(VERIFY_EVERY_S, self.auditor.verify_new)
        sweeper.every(VERIFY_WHOLE_EVERY_S, self.auditor.verify_whole)
