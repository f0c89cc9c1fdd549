"""The settings of how often calls may start."""

from __future__ import annotations

from typing import Final

from pydantic import Field, field_validator

from bot.config_kinds import Section
from core.limits import RateLimits, is_limit

_ALLOWED: Final = 'a limit such as "60/minute": so many per second, minute, hour or day; or "" for none'


class LimitSettings(Section):
    """How many calls may start within a moving window. What is over waits, and is started once it may."""

    per_user: str = Field(default="", description=_ALLOWED)
    per_tenant: str = Field(default="", description=_ALLOWED)
    per_tool: str = Field(default="", description=_ALLOWED)

    @field_validator("per_user", "per_tenant", "per_tool")
    @classmethod
    def _is_a_limit(cls, value: str) -> str:
        plain = "".join(value.split()).lower()
        if plain and not is_limit(plain):
            raise ValueError("not a limit")
        return plain

    @property
    def rates(self) -> RateLimits:
        """The limits as the engine takes them."""
        return RateLimits(per_user=self.per_user, per_tenant=self.per_tenant, per_tool=self.per_tool)
