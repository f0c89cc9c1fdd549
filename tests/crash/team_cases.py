"""Ways to the boundaries of a team: its members, invites, limits, and what it is reminded of."""

from __future__ import annotations

from tests.crash.cases import Trigger, reaches, tapping
from tests.crash.stage import Stage, data_of, has
from tests.e2e.phone import Seen


async def answer(stage: Stage, text: str, button: str) -> Seen:
    """What the admin is shown for a command: a message with this button."""
    await stage.up()
    asked = await stage.say("admin", text)
    shown = await stage.phones.see(
        "admin", lambda m: m["message_id"] > asked["message_id"] and has(m, button)
    )
    await stage.settled()
    return shown


@reaches("members", replies=1)
async def opening_a_member(stage: Stage) -> Trigger:
    shown = await answer(stage, "/members", "Mia")
    return tapping(stage, "admin", shown, data=data_of(shown, "Mia"))


@reaches("invites", replies=1)
async def ending_an_invite(stage: Stage) -> Trigger:
    await stage.up()
    await stage.say("admin", "/invite member")
    await stage.settled()
    shown = await answer(stage, "/invite list", "End 1")
    return tapping(stage, "admin", shown, data=data_of(shown, "End 1"))


@reaches("team", replies=1)
async def thinking_of_leaving(stage: Stage) -> Trigger:
    shown = await answer(stage, "/team", "Leave")
    return tapping(stage, "admin", shown, data=data_of(shown, "Leave"))


@reaches("policy", replies=1)
async def setting_a_limit(stage: Stage) -> Trigger:
    """The one that is there already: other cases need what usually asks to ask."""
    shown = await answer(stage, "/policy", "Ask as usual")
    return tapping(stage, "admin", shown, data=data_of(shown, "Ask as usual"))


@reaches("remind")
async def time_that_runs_short(stage: Stage) -> Trigger:
    """A fifth of it is left."""
    await stage.ask(stage.fresh())
    await stage.settled()

    async def trigger() -> None:
        await stage.advance(20 * 3600)

    return trigger
