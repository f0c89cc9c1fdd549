"""Reports of runs: once a run has ended, what became of each call lies in the data folder as results.json.

They are made of committed state after the commit, and always the same: a crash in between loses nothing,
since the next start looks for those that are not there.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bot.logs import get_logger
from core.digest import Json
from core.engine.report import report
from core.engine.runs import run_view
from core.errors import CorruptRecord, StorageUnavailable
from core.ids import RunId
from core.model import Run, Signal
from core.ports import Reader, Records
from core.registry import ToolRegistry

log = get_logger(__name__)

RESULTS: Final = "results.json"
BATCH: Final = 100
RETRY_S: Final = 5.0
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def reports_folder(data: Path) -> Path:
    """Where reports lie in the data folder."""
    return data / "reports"


def results_file(folder: Path, run: Run) -> Path:
    """Where the report of a run lies. Short ids are a team's own, so each has a folder."""
    team = run.tenant_id if _PLAIN.fullmatch(run.tenant_id) else "%" + run.tenant_id.encode().hex()
    return folder / team / run.short_id / RESULTS


def write_results(file: Path, told: Mapping[str, Json]) -> None:
    """Puts the report there, whole or not at all. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_suffix(".part")
    half.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    os.replace(half, file)


class Reports:
    """Writes the report of every run that has ended, into `folder`."""

    def __init__(self, *, reader: Reader, registry: ToolRegistry, folder: Path) -> None:
        self._reader = reader
        self._registry = registry
        self._folder = folder
        self._woken = asyncio.Event()
        self._reached = 0

    def wake(self, _key: object = None) -> None:
        """A run has ended: a listener for the writer's topic "run_end"."""
        self._woken.set()

    async def run(self) -> None:
        """Writes until it is cancelled: at first what is missing. A disk or database that is held up is a
        warning, and tried again."""
        while True:
            self._woken.clear()
            try:
                await self.catch_up()
            except (OSError, StorageUnavailable) as error:
                log.warning("a run's report waits", error=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            await self._woken.wait()

    async def catch_up(self) -> None:
        """Writes the report of every run that has ended and has none, and passes over what no report can be
        made of. Raises OSError, StorageUnavailable."""
        while True:
            found = await self._reader.read(
                lambda records: records.signals.finished(self._reached, limit=BATCH)
            )
            for signal in found:
                await self._try_write(signal)
                self._reached = signal.seq
            if not found:
                return

    async def _try_write(self, signal: Signal) -> None:
        try:
            await self._write(signal)
        except (OSError, StorageUnavailable):
            raise
        except Exception:  # raised here, one record would end the product, at each start again
            log.exception("a run cannot be reported", run=signal.subject)

    async def _write(self, signal: Signal) -> None:
        run = await self._reader.read(lambda records: _run_of(records, signal))
        if run is None or await asyncio.to_thread((file := results_file(self._folder, run)).exists):
            return
        told = await self._reader.read(lambda records: self._told(records, run))
        if told is not None:
            await asyncio.to_thread(write_results, file, told)

    def _told(self, records: Records, run: Run) -> Mapping[str, Json] | None:
        try:
            return report(run_view(records, run), registry=self._registry)
        except CorruptRecord as corrupt:
            log.error("a run cannot be reported", table=corrupt.table, row=corrupt.row_id)
            return None


def _run_of(records: Records, signal: Signal) -> Run | None:
    try:
        return records.runs.get(RunId(signal.subject))
    except CorruptRecord:
        return None
