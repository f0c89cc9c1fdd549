"""What a tool is given in tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from core.engine import Started
from core.live import Stop
from core.model import Role
from core.tool import ToolContext
from core.toolstore import ToolRecords
from storage.database import Database
from tests.kit.clock import FakeClock

T = TypeVar("T")


class _Store:
    """Implements `core.toolstore.ToolStore`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def write(self, work: Callable[[ToolRecords], T]) -> T:
        return await self._db.writer.run("tool", work)

    async def read(self, work: Callable[[ToolRecords], T]) -> T:
        return await self._db.reader.read(work)


async def _no_progress(_fraction: float, _text: str) -> None:
    return None


def context_of(started: Started, clock: FakeClock, db: Database) -> ToolContext:
    """What a tool is given for this attempt."""
    call = started.call
    return ToolContext(
        call_id=call.id,
        tenant_id=call.tenant_id,
        account_id=call.account_id,
        conversation_id=call.conversation_id,
        channel=call.channel,
        person_id=call.requester_id,
        person_name=call.requester_name,
        roles=frozenset({Role.MEMBER}),
        timezone="UTC",
        currency="EUR",
        idempotency_key=call.id,
        attempt=started.attempt.number,
        now=clock.now(),
        deadline=clock.now() + timedelta(seconds=30),
        progress=_no_progress,
        cancellation=Stop(),
        store=_Store(db),
        pin=call.dry_run_pin,
    )
