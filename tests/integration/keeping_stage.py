"""A world that is backed up, lives on, and is restored beside itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bot.workers.mirror import Mirror
from core.engine.restored import Restored, make_safe
from core.ports import Records
from storage.backup import Manifest, back_up
from storage.database import Database
from storage.mirror import MirrorFiles
from storage.restore import restoring
from tests.kit.databases import Place
from tests.kit.postgresql import make_database
from tests.kit.world import World, open_world


async def mirrored(world: World) -> Path:
    """The world's mirror, up to date."""
    folder = world.folder / "audit"
    await Mirror(MirrorFiles(folder), reader=world.db.reader, uow=world.db.writer).catch_up()
    return folder


async def backed_up(world: World, name: str = "backup.tar") -> Path:
    """A backup of the world as it is now."""
    await mirrored(world)
    file = world.folder / name
    back_up(world.place.address, world.folder, file, version="1", now=world.clock.now())
    return file


@dataclass(frozen=True)
class Yesterday:
    """A world out of a backup."""

    world: World
    manifest: Manifest
    restored: Restored


@asynccontextmanager
async def yesterday(world: World, file: Path, *, hours: float = 20) -> AsyncIterator[Yesterday]:
    """The backup put into a new place, some hours later, made safe as the command does it, and opened."""
    world.clock.advance(hours * 3600)
    folder = world.folder / "elsewhere"
    sqlite = isinstance(world.place.address, Path)
    address = folder / "countersign.db" if sqlite else make_database()
    made: list[Restored] = []
    with restoring(
        file,
        database=address,
        folder=folder,
        lock=folder / "countersign.lock",
        force=False,
        now=world.clock.now(),
    ) as staged:
        database = Database(staged.database, lock=staged.folder / "lock", new_id=world.new_id)

        def safe(records: Records) -> None:
            taken_at = staged.manifest.at
            made.append(
                make_safe(records, taken_at=taken_at, source="test", now=world.clock.moment, env=world.env)
            )

        await database.writer.run("test", safe)
        await database.close()
    place = Place(world.place.kind, address)
    async with open_world(folder, place=place) as restored:
        for _ in range(5_000):  # ids of the world before are taken
            restored.new_id()
        restored.clock.advance((world.clock.now() - restored.clock.now()) / timedelta(seconds=1))
        yield Yesterday(world=restored, manifest=staged.manifest, restored=made[0])
    if not sqlite:
        place.drop()
