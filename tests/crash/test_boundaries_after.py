"""T14's other half: killed after every commit, and before and after whatever else leaves the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.every import kill_at_every_boundary, not_before_a_commit
from tests.e2e.rounds import FULL


@pytest.mark.timeout(3600 if FULL else 600)
async def test_t14_killed_after_every_commit_and_around_every_dispatch(tmp_path: Path) -> None:
    await kill_at_every_boundary(tmp_path / "data", "sqlite", half=not_before_a_commit)
