"""What every verb is given besides records: the tools, the policy, the limits, a source of ids."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct, field

from core.adapters import Adapters
from core.ids import NewId, TenantId
from core.limits import RateLimits
from core.model import Breaker
from core.policy import Policy
from core.ports import Records
from core.registry import ToolRegistry
from core.resilience.breaker import Thresholds


class Limits(Struct, frozen=True, kw_only=True):
    """Times, all from the configuration but the lease."""

    expires_after: timedelta = timedelta(hours=24)  # a proposal waits so long for a signature
    start_within: timedelta = timedelta(hours=24)  # an approved call waits so long for a worker
    reply_after: timedelta = timedelta(seconds=30)  # a later end is told in a reply of its own
    lease: timedelta = timedelta(seconds=15)  # a worker that is silent for so long is taken for dead


class Resilience(Struct, frozen=True, kw_only=True):
    """When adapters are cut off, and how often a call may lose its worker before a person has to look."""

    breaker: Thresholds = field(default_factory=Thresholds)
    lost_workers: int = 5


class BreakerNews(Struct, frozen=True, kw_only=True):
    """What an adapter's breaker is now, and was before; `why` is the failure's error, "" after a success."""

    before: Breaker | None
    after: Breaker
    why: str = ""


OnBreaker = Callable[[Records, BreakerNews, datetime], None]
"""Tells people of a change in the transaction that makes it, at this wall time."""


def told_to_nobody(records: Records, news: BreakerNews, now: datetime) -> None:
    """Where nobody is told of breakers."""


class Env(Struct, frozen=True, kw_only=True):
    """The composition that verbs run in. `policy` is asked anew each time, since it can be reloaded."""

    registry: ToolRegistry
    policy: Callable[[], Policy]
    new_id: NewId
    limits: Limits = field(default_factory=Limits)
    rates: RateLimits = field(default_factory=RateLimits)  # how often calls may start
    adapters: Adapters = field(default_factory=Adapters)
    resilience: Resilience = field(default_factory=Resilience)
    on_breaker: OnBreaker = told_to_nobody
    approvers_chat: int | None = None  # where copies for approvers go, instead of their private chats
    home: TenantId | None = None  # the bot's own team, whose that chat is; None: there is but one team
