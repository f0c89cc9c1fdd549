"""What the routes of the HTTP door share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from msgspec import Struct

from bot.clock import SystemClock
from bot.config_http import HttpSettings
from bot.http.keys import Keys
from core.engine import Env, Refused, Started
from core.ids import CallId
from core.model import Principal
from core.ports import Reader, UnitOfWork
from core.queries import Pages

PATIENCE_S: Final = 10.0
"""A request is open no longer than the time of the call's tool and this, in which a tool is stopped."""


class Execute(Protocol):
    """Has a call run for somebody, past all guards."""

    async def __call__(
        self, call_id: CallId, by: Principal, *, wait: bool = True, patience_s: float | None = None
    ) -> Started | Refused:
        """Answers once it has ended, with `patience_s` at the latest so long after its tool should have;
        without `wait`, once it has begun."""
        ...


class Door(Struct, frozen=True, kw_only=True):
    """The product, as this door sees it. `storage_errors`: what the database's driver raises in a unit.
    `scrape` gives the metrics to whoever brings `metrics_token`; `failed` counts mistakes of ours."""

    settings: HttpSettings
    keys: Keys
    uow: UnitOfWork
    reader: Reader
    pages: Pages
    env: Env
    clock: SystemClock
    execute: Execute
    storage_errors: tuple[type[Exception], ...]
    scrape: Callable[[], Awaitable[bytes]] | None = None
    metrics_token: str | None = None
    failed: Callable[[], None] = lambda: None
    patience_s: float = PATIENCE_S
