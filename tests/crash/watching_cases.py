"""Ways to the boundaries of what watches the bot: alarms, what admins look at, adapters' health checks."""

from __future__ import annotations

from bot.telegram.buttons import Page, PageButton
from core.ids import opaque
from tests.crash.cases import Trigger, reaches, tapping
from tests.crash.life import Life
from tests.crash.stage import Stage
from tests.crash.team_cases import answer
from tests.crash.tools import JAMMED

_PAST = 600
"""Seconds after which what happened once is alarmed of no more."""
_FAILED = "SELECT count(*) FROM tool_calls WHERE tool = 'stumble' AND status = 'failed'"
_CRASHED = "SELECT id FROM alarms WHERE kind = 'crashed' AND cleared_at IS NULL"


async def quiet(stage: Stage) -> Life:
    """A life in which no alarm is on and nothing that went wrong is recent."""
    await stage.up()
    await stage.down()
    stage.seen.change("UPDATE alarms SET cleared_at = last_at WHERE cleared_at IS NULL")
    await stage.advance(_PAST)
    return await stage.up()


async def stumble(stage: Stage) -> None:
    """A tool makes a mistake, of which an alarm is raised when the watch looks next: now, or once told to."""
    life, failed = await stage.up(), stage.seen.number(_FAILED) + 1
    await stage.say("member", f"/stumble {stage.fresh()}", calls=1)
    await life.until(lambda: life.died or stage.seen.number(_FAILED) >= failed)


@reaches("alarms")
async def an_alarm_that_is_raised(stage: Stage) -> Trigger:
    life = await quiet(stage)

    async def trigger() -> None:
        await stumble(stage)
        life.tell("alarms")

    return trigger


@reaches("alarm", replies=1)
async def seeing_an_alarm(stage: Stage) -> Trigger:
    life = await quiet(stage)
    await stumble(stage)
    await life.told("alarms")
    ((alarm,),) = stage.seen.rows(_CRASHED)
    button = PageButton(Page.ALARM, opaque(alarm)).encode()
    shown = await stage.phones.see(
        "admin", lambda m: any(b.get("data") == button for row in m["buttons"] for b in row)
    )
    return tapping(stage, "admin", shown, data=button)


@reaches("status", replies=1)
async def looking_again(stage: Stage) -> Trigger:
    return tapping(stage, "admin", await answer(stage, "/status", "Refresh"), "Refresh")


@reaches("breakers")
async def an_adapter_that_fails(stage: Stage) -> Trigger:
    """It is cut off at once, and works again at the next look."""
    life = await stage.up()

    async def trigger() -> None:
        (stage.data / JAMMED).touch()
        life.tell("adapters")

    return trigger
