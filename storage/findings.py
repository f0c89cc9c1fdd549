"""What a check of the audit found, with neighbours that suffer alike told as one."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from core.ids import TenantId

Head = tuple[int, str]
"""The number of an event and its hash."""
Place = Literal["database", "mirror", "head"]
"""Where something is wrong; `head` is the one kept outside."""


class Finding(Struct, frozen=True, kw_only=True):
    """Something is wrong with the events `seq` to `last` (the same where it is one)."""

    tenant_id: TenantId
    place: Place
    seq: int
    last: int
    problem: str

    def __str__(self) -> str:
        events = f"event {self.seq}" if self.seq == self.last else f"events {self.seq} to {self.last}"
        return f"{self.tenant_id}, {self.place}, {events}: {self.problem}"


class Verified(Struct, frozen=True, kw_only=True):
    """A chain as it was read: its last event, how many there are, how many without their content, which was
    erased, and the mirror's last (None: no look)."""

    tenant_id: TenantId
    seq: int
    hash: str
    events: int
    erased: int
    mirrored: int | None


class Report(Struct, frozen=True, kw_only=True):
    """All chains, and everything that is wrong with them."""

    chains: tuple[Verified, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every chain holds."""
        return not self.findings


class Findings:
    """Collects findings. A run of events with one problem is one finding, so that a million are not."""

    def __init__(self) -> None:
        self._done: list[Finding] = []
        self._open: dict[tuple[TenantId, Place], Finding] = {}

    def add(
        self, tenant_id: TenantId, place: Place, seq: int, problem: str, *, last: int | None = None
    ) -> None:
        """Notes a problem of the event `seq`, or of all from there to `last`."""
        key = (tenant_id, place)
        run = self._open.get(key)
        if run is not None and run.problem == problem and run.last + 1 == seq:
            self._open[key] = replace(run, last=last or seq)
            return
        if run is not None:
            self._done.append(run)
        self._open[key] = Finding(
            tenant_id=tenant_id, place=place, seq=seq, last=last or seq, problem=problem
        )

    def all(self) -> tuple[Finding, ...]:
        """Everything so far, by tenant, place and number."""
        found = [*self._done, *self._open.values()]
        return tuple(sorted(found, key=lambda each: (each.tenant_id, each.place, each.seq, each.last)))
