"""The settings of what is done where adapters fail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import Field, field_validator

from bot.config_kinds import LONGEST, Duration, Section, Whole
from core.engine.env import Resilience
from core.resilience.breaker import Thresholds


class ResilienceSettings(Section):
    """When adapters are cut off, and how often a call may lose its worker."""

    failures: Whole = Field(default=5, ge=1, le=1000, description="a whole number from 1 to 1000")
    open_for: Duration = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=1),
        le=LONGEST,
        description='a duration from 1 second on, such as "30s"',
    )
    open_at_most: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(seconds=1),
        le=LONGEST,
        description='a duration, not below resilience.open_for, such as "10m"',
    )
    safe_after: Duration = Field(
        default=timedelta(minutes=5),
        gt=timedelta(0),
        le=LONGEST,
        description='a duration such as "5m", up to 366 days',
    )
    lost_workers: Whole = Field(default=5, ge=1, le=100, description="a whole number from 1 to 100")

    @field_validator("open_at_most")
    @classmethod
    def _not_below_open_for(cls, value: timedelta, info: Any) -> timedelta:
        if value < info.data.get("open_for", timedelta(0)):
            raise ValueError("below open_for")
        return value

    @property
    def resilience(self) -> Resilience:
        """What the engine goes by."""
        return Resilience(
            breaker=Thresholds(
                failures=self.failures,
                open_for=self.open_for,
                open_at_most=self.open_at_most,
                safe_after=self.safe_after,
            ),
            lost_workers=self.lost_workers,
        )
