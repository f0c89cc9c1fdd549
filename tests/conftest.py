from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.kit.databases import KINDS, Kind, Place, new_place, stop_servers
from tests.kit.world import World, open_world


def pytest_unconfigure() -> None:
    """The PostgreSQL of this test process ends with it."""
    stop_servers()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the catalogue, which `make check` leaves to `make test`, and the twins on PostgreSQL of tests
    that take the same way through the code on SQLite."""
    for item in items:
        if re.match(r"test_t\d+_", item.name):
            item.add_marker("catalogue")
        elif "[postgresql" in item.name:
            item.add_marker("twin")


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A new database of each kind."""
    kind: Kind = request.param
    place = new_place(kind, tmp_path)
    yield place
    place.drop()


@pytest_asyncio.fixture
async def world(tmp_path: Path, place: Place) -> AsyncIterator[World]:
    """Two teams, their people and chats on a real database of each kind."""
    async with open_world(tmp_path, place=place) as opened:
        yield opened


@pytest_asyncio.fixture
async def sqlite_world(tmp_path: Path) -> AsyncIterator[World]:
    """A world on a SQLite file, for what only a file has."""
    async with open_world(tmp_path) as opened:
        yield opened
