"""Fixtures of the tests of storage faults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from bot.sandbox.limits import Limits
from bot.sandbox.rules import Rules
from bot.sandbox.server import start_sandbox
from tests.crash.stage import LongPhones
from tests.faults.stage import Town
from tests.kit.databases import KINDS, Kind, Place, new_place


@pytest.fixture(params=KINDS)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A new database of each kind, where a product looks for it."""
    kind: Kind = request.param
    place = new_place(kind, tmp_path, name="countersign.sqlite3")
    yield place
    place.drop()


@pytest.fixture
async def town(tmp_path: Path, home: Place) -> AsyncIterator[Town]:
    """A sandbox that outlives products, and a database for them."""
    rules = Rules(same_offset_window=0, burst_window=0)
    sandbox = await start_sandbox(limits=Limits.off(), rules=rules)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            phones = LongPhones(sandbox.url, session)
            yield Town(sandbox=sandbox, phones=phones, folder=tmp_path, place=home)
    finally:
        await sandbox.stop()
