"""The settings of what is logged, counted and alarmed of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from bot.config_kinds import Section, Whole

SHORTEST_TOKEN: Final = 16


def _small(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


class LoggingSettings(Section):
    """What is logged, and how."""

    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_small)] = Field(
        default="info", description="debug, info, warning or error"
    )
    format: Annotated[Literal["auto", "json", "console"], BeforeValidator(_small)] = Field(
        default="auto", description="auto, json or console"
    )
    file: Path | None = Field(default=None, description="a file that JSON lines are appended to")
    folder: Path | None = Field(
        default=None,
        description="a folder for application.jsonl, executor.jsonl, resilience.jsonl and calls/",
    )
    rotate_mb: Whole = Field(
        default=20, ge=1, le=10_000, description="a whole number of megabytes from 1 to 10000"
    )


class MetricsSettings(Section):
    """Who may read /metrics at the HTTP door."""

    token: SecretStr | None = Field(
        default=None, description=f"a secret of at least {SHORTEST_TOKEN} characters that Prometheus sends"
    )
    token_file: Path | None = Field(default=None, description="a file that holds the token and nothing else")

    @field_validator("token")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_TOKEN:
            raise ValueError("too short")
        return value


class AlarmSettings(Section):
    """Who is told of alarms."""

    chat: Whole | None = Field(default=None, description="a chat's id: a whole number, negative for groups")
