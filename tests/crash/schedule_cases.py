"""Ways to the boundaries of schedules: made and held in chat, read from a file, and due."""

from __future__ import annotations

from tests.crash.cases import Trigger, reaches, saying, tapping
from tests.crash.stage import Stage, has
from tests.crash.victim import SCHEDULES

_FAR_OFF = "2090-01-01"
"""A day that no case comes to, however far the clock is moved on."""
_ENTRY = '[[schedule]]\nname = "%s"\nat = "2090-01-01T09:00"\ntool = "list_tasks"\nas = "Mia Member"\n'


def later(stage: Stage) -> str:
    """A sentence about a time that is far off."""
    return f"{_FAR_OFF} 09:00 create task: buy {stage.fresh()}"


@reaches("said.later", replies=1)
async def a_sentence_about_later(stage: Stage) -> Trigger:
    await stage.up()
    return saying(stage, "member", later(stage))


@reaches("command.schedule", replies=1)
async def a_command_about_later(stage: Stage) -> Trigger:
    await stage.up()
    return saying(stage, "approver", f"/schedule {later(stage)}")


@reaches("schedules")
async def a_schedule_that_is_due(stage: Stage) -> Trigger:
    """Its time makes one call, whether it dies before the call is proposed or after."""
    await stage.up()
    word = stage.fresh()
    await stage.say("member", f"in 1 hour create task: buy {word}")
    await stage.phones.see("member", lambda m: word in m["text"] and has(m, "Pause"))

    async def trigger() -> None:
        await stage.advance(2 * 3600)

    return trigger


@reaches("schedules", replies=1)
async def a_schedule_that_is_held(stage: Stage) -> Trigger:
    await stage.up()
    said = later(stage)
    await stage.say("admin", said)
    word = said.rsplit(" ", 1)[1]
    shown = await stage.phones.see("admin", lambda m: word in m["text"] and has(m, "Pause"))
    return tapping(stage, "admin", shown, "Pause")


@reaches("schedules.file", replies=1, retried=False)
async def a_file_that_was_changed(stage: Stage) -> Trigger:
    """Saved at once, as editors do. A start takes it over as well, and tells nobody of it."""
    file, entry = stage.data / SCHEDULES, _ENTRY % stage.fresh()
    if not file.exists():
        await stage.down()
        file.touch()
    await stage.up()

    async def trigger() -> None:
        new = file.with_suffix(".new")
        new.write_text(entry, encoding="utf-8")
        new.replace(file)

    return trigger
