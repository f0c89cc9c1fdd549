"""The settings of schedules."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from bot.config_kinds import Section


class ScheduleSettings(Section):
    """What is done at its times, besides what people schedule in chat."""

    file: Path | None = Field(default=None, description="a TOML file of schedules")
