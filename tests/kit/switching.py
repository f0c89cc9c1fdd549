"""Pausing and resuming a world, as dan does it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.engine import Refused
from core.engine.switches import Paused, Resumed, pause, resume
from core.model import Principal, Switch, Target
from tests.kit.world import World, principal


async def paused(
    world: World,
    by: Principal | str = "dan",
    *,
    target: Target = Target.EVERYTHING,
    name: str = "",
    everywhere: bool = False,
    reason: str = "deploy freeze",
    until: datetime | None = None,
    cancel_running: bool = False,
) -> Paused | Refused:
    who = principal(by) if isinstance(by, str) else by
    return await world.unit(
        lambda records: pause(
            records,
            by=who,
            target=target,
            name=name,
            everywhere=everywhere,
            reason=reason,
            until=until,
            cancel_running=cancel_running,
            now=world.clock.moment,
            env=world.env,
        )
    )


async def resumed(
    world: World,
    by: Principal | str = "dan",
    *,
    target: Target = Target.EVERYTHING,
    name: str = "",
    everywhere: bool = False,
) -> Resumed | Refused:
    who = principal(by) if isinstance(by, str) else by
    return await world.unit(
        lambda records: resume(
            records,
            by=who,
            target=target,
            name=name,
            everywhere=everywhere,
            now=world.clock.moment,
            env=world.env,
        )
    )


async def stopped(world: World, by: Principal | str = "dan", **more: Any) -> Switch:
    """A pause that must have been made."""
    answer = await paused(world, by, **more)
    assert isinstance(answer, Paused), answer
    return answer.switch
