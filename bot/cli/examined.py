"""What `countersign doctor` looks at, put together: the records, this machine, Telegram, the tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot import doctor
from bot.bootstrap import DEMO_MARKER
from bot.cli import records
from bot.cli.kept import AUDIT, examine
from bot.config import Settings
from bot.doctor import Check, bad, good, untold
from bot.policy_file import load_policy_file
from bot.schedule_file import load_schedules
from core.adapters import Adapter
from tools.catalog import demo_adapters


async def examined(settings: Settings, *, config: Path | None) -> Sequence[Check]:
    """Everything, in the order in which one would mend it."""
    registry = records.registry_of(settings)
    return [
        *doctor.machine(settings, config=config),
        *_database(settings),
        doctor.policy(settings, lambda file: load_policy_file(file, registry)),
        doctor.schedules(settings, lambda file: load_schedules(file, registry)),
        *await doctor.adapters(_adapters(settings), registry),
        *await doctor.telegram(settings, now=records.now),
    ]


def _adapters(settings: Settings) -> Sequence[Adapter]:
    """Those that a bot of these settings has; the demo's, where this is its folder."""
    folder = settings.storage.folder
    return demo_adapters(folder) if (folder / DEMO_MARKER).exists() else ()


def _database(settings: Settings) -> Sequence[Check]:
    found = examine(settings.storage.database, settings.storage.folder / AUDIT)
    if found.problem:
        remedy = "Name the right one in storage.url or with --data; where it is damaged, restore a backup."
        return [bad("database", found.problem, remedy)]
    if found.revision is None:
        return [untold("database", f"no records at {found.shown} yet; the first start makes them")]
    if found.revision < found.newest:
        detail = f"schema {found.revision}, this version has {found.newest}"
        return [untold("database", f"{detail}: the next start brings it up. Make a backup before.")]
    if found.revision > found.newest:
        remedy = "Install the version that it was last used with, or restore a backup."
        return [bad("database", f"{found.shown} is from a newer Countersign ({found.revision})", remedy)]
    checks = [good("database", f"{found.shown}, schema {found.revision}")]
    if found.unwritable:
        remedy = "Make it writable for the user that Countersign runs as."
        checks = [bad("database", f"{found.shown}: {found.unwritable}", remedy)]
    if found.audit:
        remedy = "`countersign audit verify` tells where. Keep a copy of the data folder as it is now."
        return [*checks, *(bad("audit", told, remedy) for told in found.audit)]
    return [*checks, good("audit", f"{found.chains} chains end where their heads and mirrors say")]
