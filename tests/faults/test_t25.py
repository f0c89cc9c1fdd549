"""T25: databases of every released schema, with 10,000 rows and open cards, under today's version."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from msgspec.structs import replace

from storage import migrate
from storage.database import Address, backend_of
from storage.migrate import HEAD
from storage.sqlite import connect
from storage.verify import verify
from tests.e2e.lives import settled
from tests.e2e.phone import labels
from tests.e2e.talk import ask, card_at
from tests.faults.stage import Town
from tests.kit.databases import Place
from tests.kit.processes import FORKED
from tests.kit.released import RELEASED, as_of, die_at

ROWS = 10_000
KILLS = {"0001": (2, 9), "0002": (2, 9), "0003": (1, 2)}
"""Before which of its changes the migration of each schema is killed; the last one makes two."""


def test_every_schema_before_todays_is_tried() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    revisions = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
    assert revisions == {*RELEASED, HEAD}


@pytest.mark.parametrize("revision", RELEASED)
async def test_t25_old_buttons_work_once_on_an_old_database(town: Town, revision: str) -> None:
    async with town.living() as product:
        await ask(town.phones, "member", "create task: x", "Added task #1")
        yes, no, later = await town.asked("paper-1", "paper-2", "paper-3")
        await settled(product)
    town = _aged(town, revision)
    before = _numbers(town.place)
    for at in KILLS[revision]:
        _die(town.place, at=at)
    assert backend_of(town.place.address).revision() == revision
    assert _numbers(town.place) == before, "a migration that was killed left something"
    async with town.living() as product:
        assert backend_of(town.place.address).revision() == HEAD
        assert _numbers(town.place) == before
        assert "Approved" in (await town.phones.tap("approver", yes, "Approve"))["text"]
        await town.phones.tap("approver", no, "Deny")
        await settled(product)
        for card in (yes, no):
            told = await town.phones.tap("approver", card, data=_data(card))
            assert "Approved. It runs" not in told["text"]
        await settled(product)
        assert len(town.effects()) == 1
        assert (await card_at(town.phones, "approver", "paper-3\n"))["message_id"] == later["message_id"]
        await ask(town.phones, "member", "/history", "x")
        await product.mirror.catch_up()
    assert verify(town.place.address, town.folder / "audit").ok
    if town.place.kind == "postgresql":
        town.place.drop()
    print(f"T25 {town.place.kind}: {revision} with {ROWS} rows, 2/2 kills left nothing, 1 effect of 1 signed")


def _data(card: dict[str, object]) -> str:
    buttons = [button for row in card["buttons"] for button in row]  # type: ignore[attr-defined]
    assert labels(card)
    return str(next(button["data"] for button in buttons if "Approve" in button["text"]))


def _aged(town: Town, revision: str) -> Town:
    """The same town, its records in a database of that schema, with many more rows."""
    old = as_of(town.place, revision, town.folder, calls=ROWS // 2)
    if not isinstance(town.place.address, Path):
        return replace(town, place=old)
    assert isinstance(old.address, Path)
    for place in (town.place, old):
        connection = connect(Path(place.address))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
    old.address.replace(town.place.address)
    return town


def _numbers(place: Place) -> dict[str, int]:
    tables = ("tool_calls", "outcomes", "audit_events", "cards", "people", "tasks")
    return {name: place.number(f"SELECT count(*) FROM {name}") for name in tables}


def _die(place: Place, *, at: int) -> None:
    """A process that migrates is killed right before one of its statements."""
    doomed = FORKED.Process(target=_migrate, args=(place.address, at))
    doomed.start()
    doomed.join()
    assert doomed.exitcode == -9, doomed.exitcode


def _migrate(address: Address, at: int) -> None:
    die_at(at)
    backend_of(address).migrate()
