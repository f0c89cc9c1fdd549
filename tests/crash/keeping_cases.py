"""Ways to the boundaries of what a bot does with its records by itself."""

from __future__ import annotations

from tests.crash.cases import Trigger, reaches
from tests.crash.stage import Stage


@reaches("retention", retried=False)
async def an_hour_later(stage: Stage) -> Trigger:
    life = await stage.up()

    async def trigger() -> None:
        life.tell("retention")

    return trigger
