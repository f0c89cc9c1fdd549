"""Whole copies of the records, for the commands that make, restore and thin them: opens storage as
`bot.cli.records` does."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from bot.cli.records import env_of, look, new_id, now
from bot.config import Settings
from bot.keeping import LIMIT, before_of
from bot.version import version
from core.engine.erase import Erased, erase
from core.engine.members import at_machine
from core.engine.restored import Restored, make_safe
from core.errors import Code, Refusal
from core.ids import PersonId, TenantId
from core.model import Channel, Person
from core.ports import Kept, Now, Records
from storage.backup import Manifest, Progress, back_up
from storage.database import Database
from storage.examine import examine
from storage.findings import Report
from storage.restore import Staged, restoring
from storage.tombstones import rewrite_mirror, scrub
from storage.verify import verify

__all__ = [
    "AUDIT",
    "Manifest",
    "Outcome",
    "Progress",
    "backup",
    "erase_person",
    "examine",
    "person_of",
    "prune",
    "restore",
    "spent",
]

AUDIT: Final = "audit"
T = TypeVar("T")


class Outcome(Struct, frozen=True, kw_only=True):
    """What a restore did."""

    manifest: Manifest
    restored: Restored
    report: Report


def backup(settings: Settings, to: Path, *, progress: Progress) -> Manifest:
    """Writes a backup, also beside a running bot. Raises ConfigError."""
    storage = settings.storage
    return back_up(
        storage.database,
        storage.folder,
        to,
        version=version(),
        now=now(),
        progress=progress,
    )


def restore(
    settings: Settings,
    file: Path,
    *,
    force: bool,
    progress: Progress,
    tell: Callable[[Records, Manifest, Restored, datetime], None],
) -> Outcome:
    """Puts a backup into the data folder, made safe: nothing runs unasked. `tell` queues what people are
    told, in the transaction that makes it safe. Raises ConfigError; then nothing has changed."""
    storage = settings.storage
    at = now()
    with restoring(
        file,
        database=storage.database,
        folder=storage.folder,
        lock=storage.lock,
        force=force,
        now=at,
        progress=progress,
    ) as staged:
        restored = asyncio.run(_make_safe(settings, staged, at=at, tell=tell))
        report = verify(staged.database, staged.folder / AUDIT)
    return Outcome(manifest=staged.manifest, restored=restored, report=report)


async def _make_safe(
    settings: Settings,
    staged: Staged,
    *,
    at: datetime,
    tell: Callable[[Records, Manifest, Restored, datetime], None],
) -> Restored:
    there = settings.storage.model_copy(update={"folder": staged.folder})
    env = env_of(settings.model_copy(update={"storage": there}))
    manifest = staged.manifest

    def unit(records: Records) -> Restored:
        restored = make_safe(
            records,
            taken_at=manifest.at,
            source=f"{manifest.taken_at}, {len(manifest.parts)} parts, Countersign {manifest.version}",
            now=Now(wall=at, real=at),
            env=env,
        )
        tell(records, manifest, restored, at)
        return restored

    database = Database(staged.database, lock=staged.folder / "countersign.lock", new_id=new_id)
    try:
        return await _commit(database, "restore", unit)
    finally:
        await database.close()


async def _commit(database: Database, name: str, unit: Callable[[Records], T]) -> T:
    return await database.writer.run(name, unit)


# --- thinning out -------------------------------------------------------------------------------------------


def spent(settings: Settings, older: timedelta) -> Mapping[Kept, int]:
    """How much of each kind is of no use any more, also beside a running bot. Raises ConfigError."""
    at = now()
    return look(
        settings,
        lambda records: {
            what: records.keeping.due(what, before=before_of(what, older=older, now=at)) for what in Kept
        },
    )


def prune(settings: Settings, older: timedelta, *, progress: Callable[[int], None]) -> Mapping[Kept, int]:
    """Takes it away, in transactions of `LIMIT` rows; how much of each kind. Raises ConfigError while a bot
    runs, which does it by itself."""
    at = now()

    async def run() -> dict[Kept, int]:
        database = Database(settings.storage.database, lock=settings.storage.lock, new_id=new_id)
        gone: dict[Kept, int] = {}
        try:
            for what in Kept:
                gone[what] = await _prune(database, what, before_of(what, older=older, now=at), progress)
        finally:
            await database.close()
        return gone

    return asyncio.run(run())


async def _prune(database: Database, what: Kept, before: datetime, progress: Callable[[int], None]) -> int:
    gone = 0
    while True:
        batch = await _commit(
            database, "prune", lambda records: records.keeping.forget(what, before=before, limit=LIMIT)
        )
        gone += batch
        progress(batch)
        if batch < LIMIT:
            return gone


# --- erasing ------------------------------------------------------------------------------------------------


def person_of(settings: Settings, who: str) -> Person:
    """The person of this id or Telegram id, or the only member anywhere of this name. Raises Refusal."""
    return look(settings, lambda records: _person(records, who))


def _person(records: Records, who: str) -> Person:
    exact = records.people.person(PersonId(who))
    if exact is not None:
        return exact
    identity = records.people.identity(Channel.TELEGRAM, who)
    members = [each for tenant in records.people.tenants() for each in records.people.members(tenant.id)]
    named = {each.person_id for each in members if each.name.casefold() == who.strip().casefold()}
    found = {identity.person_id} if identity is not None else named
    person = records.people.person(found.pop()) if len(found) == 1 else None
    if person is None:
        many = f"{len(named)} people are" if named else "Nobody is"
        raise Refusal(Code.NOT_FOUND, f"{many} called {who!r}: give the id that `members list` shows.")
    return person


def erase_person(settings: Settings, person_id: PersonId) -> tuple[Erased, int]:
    """Erases a person's content from the records and the mirror; what, and of how many mirror lines. Raises
    Refusal, and ConfigError while a bot runs. May be done again where it was cut off."""
    at = now()
    by = at_machine(TenantId(settings.tenant.id))
    env = env_of(settings)
    storage = settings.storage

    async def run() -> tuple[Erased, int]:
        database = Database(storage.database, lock=storage.lock, new_id=new_id)
        try:
            erased = await _commit(
                database,
                "erase",
                lambda records: erase(
                    records, by=by, person_id=person_id, now=Now(wall=at, real=at), env=env
                ),
            )
            # Within the lock, so that nobody else writes the mirror.
            _drop_files(settings, erased)
            lines = rewrite_mirror(storage.database, storage.folder / AUDIT)
            scrub(storage.database)
            return erased, lines
        finally:
            await database.close()

    return asyncio.run(run())


def _drop_files(settings: Settings, erased: Erased) -> None:
    """What lies beside the records: logs of their calls, reports of their runs. The reports of what is
    left are written anew by the next start. Raises OSError."""
    reports = settings.storage.folder / "reports"
    if settings.logging.folder is not None:
        for call_id in erased.calls:
            for path in (settings.logging.folder / "calls").glob(f"{call_id}.jsonl*"):
                path.unlink()
    for tenant, short_id in erased.runs:
        for team in (tenant, "%" + tenant.encode().hex()):
            shutil.rmtree(reports / team / short_id, ignore_errors=True)
