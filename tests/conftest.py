from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final
from zlib import crc32

import pytest
import pytest_asyncio

from tests.kit.databases import KINDS, Kind, Place, new_place, stop_servers
from tests.kit.world import World, open_world


def pytest_unconfigure() -> None:
    """The PostgreSQL of this test process ends with it."""
    stop_servers()


TORTURE: Final = os.environ.get("COUNTERSIGN_TORTURE") == "1"
TWINS: Final = 5
"""Of the twins on PostgreSQL of tests on SQLite, and of a numbered test's cases there, one in so many is run
here; all are under COUNTERSIGN_TORTURE=1."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the catalogue, which `make check` leaves to `make test`, and what is run without coverage, which
    would take twice as long and tell nothing new: the catalogue, the twins on PostgreSQL of tests that take
    the same way through the code on SQLite, and the sandbox's own."""
    left = []
    for item in items:
        numbered = re.match(r"test_t\d+_", item.name) is not None
        one_of_many = "[postgresql-" in item.name or ("[postgresql]" in item.name and not numbered)
        if numbered:
            item.add_marker("catalogue")
        if numbered or "[postgresql" in item.name or "tests/sandbox/" in item.nodeid:
            item.add_marker("no_cover")
        if one_of_many and not TORTURE and crc32(item.nodeid.encode()) % TWINS:
            left.append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


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
