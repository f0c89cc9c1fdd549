"""Calls that were proposed together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from core.ids import CallId, RunId, TenantId
from core.model import Run, ToolCall


class Runs(Protocol):
    """Runs and their steps."""

    def add(self, run: Run) -> None:
        """Adds a run; its calls are added by themselves, each with the run's id and its step."""
        ...

    def get(self, run_id: RunId) -> Run | None:
        """The run of this id. Raises CorruptRecord."""
        ...

    def by_short_id(self, tenant_id: TenantId, short_id: str) -> Run | None:
        """The run people name so. Raises CorruptRecord."""
        ...

    def calls(self, run_id: RunId) -> Sequence[ToolCall]:
        """Its calls by step. Raises CorruptRecord."""
        ...

    def steps(self, run_id: RunId) -> Sequence[CallId]:
        """The ids of its calls by step, also of those that cannot be read."""
        ...
