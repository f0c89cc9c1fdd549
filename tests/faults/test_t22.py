"""T22: a database that can be read and not written. The product refuses to start, and says why."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.bootstrap import build
from bot.clock import SystemClock
from bot.config import load
from bot.run import DEMO_TOKEN
from bot.telegram.pace import Pace
from core.errors import ConfigError
from storage.database import Database
from tests.kit.databases import Place, new_place
from tests.kit.faults import held, read_only, reads_only
from tests.kit.world import ids


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="t22-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


async def _made(place: Place, lock: Path) -> None:
    await Database(place.address, lock=lock, new_id=ids()).close()


async def test_t22_a_read_only_file_is_refused_at_the_start(open_folder: Path, tmp_path: Path) -> None:
    """Its lock file lies elsewhere, so that only the database itself can tell."""
    disk = open_folder / "disk"
    disk.mkdir()
    place = new_place("sqlite", disk)
    lock = open_folder / "lock"
    await _made(place, lock)
    lock.chmod(0o666)
    before = (disk / "countersign.db").read_bytes()
    with read_only(disk / "countersign.db"), pytest.raises(ConfigError) as refused:
        Database(place.address, lock=lock, new_id=ids())
    for words in (str(disk / "countersign.db"), "cannot be written", "writable", "storage.url"):
        assert words in refused.value.message
    assert (disk / "countersign.db").read_bytes() == before
    assert [path.name for path in disk.iterdir()] == ["countersign.db"], "something was left there"
    await _made(place, lock)  # the same one starts once it can be written
    print("T22 sqlite: 1/1 read-only file refused at the start, named")


async def test_t22_a_folder_in_which_no_log_can_be_made_is_refused(open_folder: Path) -> None:
    """The file itself may be written; SQLite needs its log beside it."""
    disk = open_folder / "disk"
    disk.mkdir()
    place = new_place("sqlite", disk)
    await _made(place, open_folder / "lock")
    (open_folder / "lock").chmod(0o666)
    with read_only(disk / "countersign.db", file_too=False), pytest.raises(ConfigError) as refused:
        Database(place.address, lock=open_folder / "lock", new_id=ids())
    assert str(disk / "countersign.db") in refused.value.message
    print("T22 sqlite: 1/1 read-only folder refused at the start, named")


async def test_t22_a_read_only_database_of_postgresql_is_refused_at_the_start(tmp_path: Path) -> None:
    place = new_place("postgresql", tmp_path)
    assert isinstance(place.address, str)
    with reads_only(place.address), pytest.raises(ConfigError) as refused:
        Database(place.address, lock=tmp_path / "lock", new_id=ids())
    for words in ("is read-only", "default_transaction_read_only", "storage.url"):
        assert words in refused.value.message
    await _made(place, tmp_path / "lock")
    place.drop()
    print("T22 postgresql: 1/1 read-only database refused at the start, named")


async def test_t22_the_product_does_not_start_on_it(open_folder: Path) -> None:
    """The whole product, in a data folder of which nothing can be written."""
    environ = {"COUNTERSIGN_TELEGRAM__TOKEN": DEMO_TOKEN}
    data = open_folder / "data"
    settings = load(None, environ=environ, data=data)
    product = build(settings, clock=SystemClock(), extra=[], pace=Pace(off=True))
    await product.db.close()
    assert isinstance(settings.storage.database, Path)
    with read_only(settings.storage.database), pytest.raises(ConfigError, match=str(data)):
        build(settings, clock=SystemClock(), extra=[], pace=Pace(off=True))


async def test_t22_a_database_that_is_only_held_up_is_not_refused(tmp_path: Path) -> None:
    """Another process writes: that passes."""
    place = new_place("sqlite", tmp_path)
    await _made(place, tmp_path / "lock")
    with held(place):
        db = Database(place.address, lock=tmp_path / "lock", new_id=ids())
    await db.close()
