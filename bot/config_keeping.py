"""How long what piles up is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pydantic import Field, field_validator

from bot.config_kinds import LONGEST, Duration, Section

LEAST: Final = timedelta(days=2)
"""Telegram repeats an update for a day; until then its row is what keeps it from counting twice."""
_ALLOWED: Final = 'a duration from "2d" to "366d", or 0 to keep everything'


class RetentionSettings(Section):
    """What a running bot takes away by itself, once an hour. Never the audit, calls or their results."""

    traffic: Duration = Field(default=timedelta(days=30), le=LONGEST, description=_ALLOWED)
    signals: Duration = Field(default=timedelta(days=90), le=LONGEST, description=_ALLOWED)
    alarms: Duration = Field(default=timedelta(days=90), le=LONGEST, description=_ALLOWED)
    files: Duration = Field(default=timedelta(0), le=LONGEST, description=_ALLOWED)

    @field_validator("*")
    @classmethod
    def _not_too_short(cls, value: timedelta) -> timedelta:
        if value and value < LEAST:
            raise ValueError("too short")
        return value
