"""The settings of webhooks."""

from __future__ import annotations

from pydantic import Field

from bot.config_kinds import Section


class WebhookSettings(Section):
    """Where other programs are told what was done."""

    allow_private: bool = Field(default=False, description="true or false")
