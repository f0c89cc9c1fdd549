"""What every verb is given besides records: the tools, the policy, the limits, a source of ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from core.ids import NewId, TenantId
from core.policy import Policy
from core.registry import ToolRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times, all from the configuration but the lease."""

    expires_after: timedelta = timedelta(hours=24)  # a proposal waits so long for a signature
    start_within: timedelta = timedelta(hours=24)  # an approved call waits so long for a worker
    reply_after: timedelta = timedelta(seconds=30)  # a later end is told in a reply of its own
    lease: timedelta = timedelta(seconds=15)  # a worker that is silent for so long is taken for dead


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """The composition that verbs run in. `policy` is asked anew each time, since it can be reloaded."""

    registry: ToolRegistry
    policy: Callable[[], Policy]
    new_id: NewId
    limits: Limits = field(default_factory=Limits)
    approvers_chat: int | None = None  # where copies for approvers go, instead of their private chats
    home: TenantId | None = None  # the bot's own team, whose that chat is; None: there is but one team
