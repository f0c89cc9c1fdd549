"""Fixtures of the tests of the HTTP door."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.kit.world import World
from tests.security.stage import Api, open_api


@pytest.fixture
async def api(sqlite_world: World) -> AsyncIterator[Api]:
    """The door over a world on a SQLite file."""
    async with open_api(sqlite_world) as opened:
        yield opened


@pytest.fixture
async def both_api(world: World) -> AsyncIterator[Api]:
    """The door over a world on a database of each kind."""
    async with open_api(world) as opened:
        yield opened
