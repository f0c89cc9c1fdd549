"""A worker whose COMMIT may have been done, the connection being lost meanwhile: it finds out and goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from bot.clock import SystemClock
from bot.workers import toolstore
from bot.workers.units import Tries, Units
from core.errors import StorageUnavailable, ToolError
from core.lifecycle import Status
from core.model import SYSTEM
from core.tool import Retry, ToolContext, ToolResult
from storage import database
from storage.link import Backend
from tests.integration.lifecycle_faults import Fault, FaultyBackend
from tests.integration.test_executor import ended, working
from tests.kit.databases import Place
from tests.kit.tools import Note, tool
from tests.kit.world import World, code_of, open_world, principal


class Trouble:
    """What happens to the n-th commit of the units of one name."""

    def __init__(self, fault: Fault, unit: str, nth: int = 1) -> None:
        self.fault, self.unit, self.nth = fault, unit, nth
        self.backend: FaultyBackend | None = None
        self._come = 0

    def __call__(self, place: str) -> None:
        """The writer's boundary."""
        if place == f"{self.unit}.before_commit":
            self._come += 1
            if self._come == self.nth:
                assert self.backend is not None
                self.backend.faults.next = self.fault


@asynccontextmanager
async def troubled(
    place: Place, folder: Path, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """A world on a database where this happens."""
    server = None if isinstance(place.address, Path) else psycopg.connect(place.address, autocommit=True)
    real = database.backend_of

    def faulty(address: str | Path) -> Backend:
        trouble.backend = FaultyBackend(real(address), admin=server)
        return trouble.backend

    monkeypatch.setattr(database, "backend_of", faulty)
    monkeypatch.setattr(toolstore, "RETRY_S", 0.05)
    try:
        async with open_world(folder, place=place, boundary=trouble) as world:
            yield world
        assert trouble.backend is not None
        assert trouble.backend.faults.seen[trouble.fault] == 1
    finally:
        if server is not None:
            server.close()


@pytest.mark.parametrize("fault", [Fault.UNHEARD, Fault.CUT], ids=str)
@pytest.mark.parametrize(("unit", "nth"), [("start", 1), ("finish", 1), ("begin", 1), ("finish", 2)])
async def test_each_attempt_is_made_once_and_nothing_waits_for_a_lease(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault, unit: str, nth: int
) -> None:
    runs = []

    async def fails_first(_arguments: Note, context: ToolContext) -> ToolResult:
        runs.append(context.call_id)
        if len(runs) == 1:
            raise ToolError("busy", error_class="busy", transient=True)
        return ToolResult(text="done")

    shaky = tool("shaky", run=fails_first, idempotent=True, retry=Retry(attempts=3, within_s=60.0))
    async with troubled(place, tmp_path, Trouble(fault, unit, nth), monkeypatch) as world:
        async with working(world, shaky):
            call = await world.propose("shaky")
            await ended(world, call)
        attempts = (await world.view(call)).attempts
        assert (await world.call(call)).status is Status.COMPLETED
        assert len(runs) == 2
        assert [(each.number, each.ended_at is not None) for each in attempts] == [(1, True), (2, True)]
        assert "call.late_result" not in world.kinds(call)


@pytest.mark.parametrize("fault", [Fault.UNHEARD, Fault.CUT], ids=str)
async def test_what_somebody_else_here_started_meanwhile_is_theirs(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """Of the worker's own start nobody knows, and a person here asks for the call before it tries again: one
    of the two has it, the other is refused."""
    async with troubled(place, tmp_path, Trouble(fault, "start"), monkeypatch) as world:
        call = await world.propose("low_once")
        units = Units(
            uow=world.db.writer,
            env=world.env,
            clock=SystemClock(lambda: world.clock.now().timestamp()),
            worker="w1",
            in_hand=list,
            stopping=lambda: False,
        )
        tries = Tries()
        with pytest.raises(StorageUnavailable):
            await units.start(call.id, SYSTEM, tries)
        theirs = await units.start(call.id, principal("ann"))
        ours = await units.start(call.id, SYSTEM, tries)
    mine, other = (ours, theirs) if fault is Fault.UNHEARD else (theirs, ours)
    assert isinstance(mine, tuple)
    assert code_of(other) == "not_pending"
