"""Time that tests move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.ports import Now

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class FakeClock:
    """Implements `core.ports.Clock`. `advance` moves both times, `move_wall` only what people see."""

    def __init__(self, start: datetime = NOON) -> None:
        self._wall = self._real = start

    def now(self) -> datetime:
        return self._wall

    def real(self) -> datetime:
        return self._real

    @property
    def moment(self) -> Now:
        """What verbs are given."""
        return Now(wall=self._wall, real=self._real)

    def advance(self, seconds: float = 0, **more: float) -> None:
        """Time passes: `advance(5)`, `advance(hours=24)`."""
        passed = timedelta(seconds=seconds, **more)
        self._wall += passed
        self._real += passed

    def move_wall(self, seconds: float = 0, **more: float) -> None:
        """Somebody sets the clock on the wall; leases do not notice."""
        self._wall += timedelta(seconds=seconds, **more)
