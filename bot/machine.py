"""What the machine says besides the records: which version runs, and how much room is left."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bot.version import version

if TYPE_CHECKING:
    from bot.config import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Where the data lies, in bytes."""

    free: int
    taken: int

    @property
    def used(self) -> float:
        """The share in use, in percent, of what we may have at all: some is kept for the system."""
        return 100 * self.taken / max(1, self.taken + self.free)


class Machine:
    """The machine that the data lies on. `limits` are the rate limits of the settings, in words."""

    def __init__(self, folder: Path, *, limits: Sequence[str] = ()) -> None:
        self._folder = folder
        self.limits = limits

    @cached_property
    def version(self) -> str:
        """Which Countersign this is."""
        return version()

    def disk(self) -> Disk | None:
        """How full it is now; None where nobody can tell."""
        try:
            usage = shutil.disk_usage(self._folder)
        except OSError:
            return None
        return Disk(free=usage.free, taken=usage.used)


def limits_of(settings: Settings) -> list[str]:
    """The rate limits that are set, in words."""
    rates = settings.limits.rates
    given = {"person": rates.per_user, "team": rates.per_tenant, "tool": rates.per_tool}
    return [f"{limit} for each {whose}" for whose, limit in given.items() if limit]
