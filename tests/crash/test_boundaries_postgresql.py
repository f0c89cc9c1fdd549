"""T14 on PostgreSQL, in a file of its own so that it runs beside the one on SQLite."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storage.postgresql import Postgresql
from tests.crash.every import kill_at_every_boundary
from tests.crash.tools import pause
from tests.e2e.rounds import FULL
from tests.kit.databases import Place, new_postgresql


@pytest.mark.timeout(3600 if FULL else 400)
async def test_t14_killed_at_every_boundary_on_postgresql(tmp_path: Path) -> None:
    await kill_at_every_boundary(tmp_path / "data", "postgresql")


async def test_the_next_life_waits_until_the_server_noticed_the_death_of_the_last() -> None:
    place = Place("postgresql", new_postgresql())
    backend = Postgresql(str(place.address))
    last = await asyncio.to_thread(backend.connect, alone=True)
    coming = asyncio.ensure_future(asyncio.to_thread(backend.connect, alone=True))
    while not (
        waiting := place.number(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    ):
        assert not coming.done(), coming
        await pause(0.01)
    assert waiting == 1
    await asyncio.to_thread(last.close)
    (await coming).close()
