"""Fixtures of the tests through the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.sandbox.limits import Limits
from bot.sandbox.rules import Rules
from bot.sandbox.server import start_sandbox
from tests.crash.stage import LongPhones
from tests.e2e.lives import (
    World,
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A sandbox that outlives products."""
    rules = Rules(same_offset_window=0, burst_window=0)
    sandbox = await start_sandbox(limits=Limits.off(), rules=rules)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield sandbox, LongPhones(sandbox.url, session), tmp_path
    finally:
        await sandbox.stop()
