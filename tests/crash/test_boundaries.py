"""T14: a real process, killed with SIGKILL at every commit and dispatch boundary that the code has. Here it
dies before every commit; after them, and everywhere else, it does in a file of its own, which runs beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.all_cases import CASES, cases_of
from tests.crash.boundaries import boundaries, unread
from tests.crash.every import before_a_commit, kill_at_every_boundary
from tests.e2e.rounds import FULL

LEAST = 25
_FORWARDED = {
    # Places that pass on names which others gave: Turn.effect, the writer, and the command line, which
    # commits one unit while no bot runs and is at its end.
    "database.writer.run(name, unit)",
    "writer.run(name, lambda records: verb(records, at_machine(tenant_id)))",  # beside a bot: it ends there
    "self.front.uow.run(name, whole)",
    "self._boundary(f'{unit.name}.before_commit')",
    "self._boundary(f'{unit.name}.after_commit')",
}


def test_t14_every_boundary_is_collected_and_has_a_way_to_it() -> None:
    found = boundaries()
    assert len(found) >= LEAST
    assert unread() == _FORWARDED
    without = {name: sorted(places) for name, places in found.items() if not cases_of(name)}
    assert not without, f"no way to these is known, add a case: {without}"
    units = {name.rsplit(".", 1)[0] for name in found}
    assert not {name for name in CASES if name not in found and name not in units}, "cases of what is gone"


@pytest.mark.timeout(3600 if FULL else 600)
async def test_t14_killed_before_every_commit(tmp_path: Path) -> None:
    await kill_at_every_boundary(tmp_path / "data", "sqlite", half=before_a_commit)
