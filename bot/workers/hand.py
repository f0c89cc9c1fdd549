"""A call in hand: what its tool is given, and what it and its worker tell each other while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct, field

from core.engine import Env, Started
from core.engine.retrying import STOPPED as STOPPED  # noqa: PLC0414 - what a worker writes of it is the same
from core.ids import CallId
from core.lifecycle import Status
from core.live import Meter, Stop
from core.model import Role
from core.ports import Records
from core.tool import RunResult, ToolContext
from core.toolstore import ToolStore


class Requester(Struct, frozen=True, kw_only=True):
    """Who asked, as the tool is told."""

    name: str
    roles: frozenset[Role]
    timezone: str
    currency: str


class Hand(Struct, frozen=True, kw_only=True):
    """One call that a worker has, since when, and the two ways of telling."""

    since: datetime
    stop: Stop = field(default_factory=Stop)
    meter: Meter = field(default_factory=Meter)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def rest(self, started: Started) -> None:
        """Waits until its attempt may be begun, or until it is asked to stop or woken; what is held, until it
        was released, be that since it was last tried."""
        woken = self._released if started.held else self._woken
        self.stop.on_asked(woken.set)
        try:
            await asyncio.wait_for(woken.wait(), started.wait_s)
        except TimeoutError:
            return
        finally:
            woken.clear()

    def wake(self) -> None:
        """There is no time left to rest."""
        self._woken.set()
        self._released.set()

    def release(self) -> None:
        """What holds calls back may be over."""
        self._released.set()


def resting(started: Started) -> str:
    """What an attempt that is not begun yet waits for, in plain words."""
    number, seconds = started.attempt.number, started.wait_s or 0.0
    if started.held_by:
        return f"{started.held_by}; attempt {number} follows once that is over"
    if started.held:
        return f"what it needs does not answer; attempt {number} follows once it does"
    return f"attempt {number} follows in {max(1, round(seconds))} s"


def requester_of(records: Records, started: Started) -> Requester:
    """Who asked for this call, as they are today."""
    call = started.call
    person = records.people.person(call.requester_id)
    tenant = records.people.tenant(call.tenant_id)
    role = records.people.role(call.tenant_id, call.requester_id)
    return Requester(
        name=call.requester_name,
        roles=frozenset() if role is None else frozenset({role}),
        timezone=(person and person.timezone) or (tenant.timezone if tenant else "UTC"),
        currency=tenant.currency if tenant else "EUR",
    )


def context_of(
    started: Started,
    requester: Requester,
    hand: Hand,
    *,
    env: Env,
    now: datetime,
    store: ToolStore,
    on_progress: Callable[[CallId], None],
) -> ToolContext:
    """All that a tool is given for this attempt."""
    call = started.call
    tool = env.registry.find(call.tool)

    async def progress(fraction: float, text: str) -> None:
        hand.meter.set(fraction, text)
        on_progress(call.id)

    async def output(line: str) -> None:
        hand.meter.put(line)
        on_progress(call.id)

    return ToolContext(
        call_id=call.id,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        conversation_id=call.conversation_id,
        channel=call.channel,
        person_id=call.requester_id,
        person_name=requester.name,
        roles=requester.roles,
        timezone=requester.timezone,
        currency=requester.currency,
        idempotency_key=call.id,
        attempt=started.attempt.number,
        now=now,
        deadline=now + timedelta(seconds=tool.timeout_s if tool else 0),
        progress=progress,
        cancellation=hand.stop,
        store=store,
        pin=call.dry_run_pin,
        output=output,
    )


def _unrun(status: Status, error: str, error_class: str) -> RunResult:
    """What becomes of an attempt that never reached its tool."""
    return RunResult(
        status=status, text="", data=None, references={}, error=error, error_class=error_class, duration_ms=0
    )


NOT_PREPARED: Final = _unrun(
    Status.FAILED, "It could not be prepared, and the tool was not started.", "internal"
)
