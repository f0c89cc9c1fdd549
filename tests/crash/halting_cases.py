"""Ways to the boundaries of the kill switch. What is paused is a tool that no other case runs."""

from __future__ import annotations

from uuid import uuid4

from tests.crash.cases import Trigger, nothing, reaches, tapping
from tests.crash.programs import sending
from tests.crash.stage import Stage, has

_TOOL = "list_expenses"
_BODY = {"target": "tool", "name": _TOOL, "reason": "a crash"}
_OVER = (
    "INSERT INTO switches (id, tenant_id, target, name, reason, by_id, by_name, created_at, until) "
    "VALUES (?, 'main', 'tool', ?, 'over', NULL, 'the machine', 0, 1)"
)


@reaches("pause", replies=1)
async def a_tap_that_resumes(stage: Stage) -> Trigger:
    await stage.up()
    asked = await stage.say("admin", f"/pause tool {_TOOL} for 2h a crash")
    shown = await stage.phones.see(
        "admin", lambda m: m["message_id"] > asked["message_id"] and has(m, "Resume")
    )
    return tapping(stage, "admin", shown, "Resume")


@reaches("http.pause", repeated=True)
async def a_program_that_pauses(stage: Stage) -> Trigger:
    await stage.up()
    return sending(stage, "admin", "/v1/switches", _BODY)


@reaches("http.resume", repeated=True)
async def a_program_that_resumes(stage: Stage) -> Trigger:
    await stage.up()
    await sending(stage, "admin", "/v1/switches", _BODY)()
    ((switch,),) = stage.seen.rows("SELECT id FROM switches WHERE ended_at IS NULL AND name = ?", _TOOL)
    return sending(stage, "admin", f"/v1/switches/{switch}", {}, method="DELETE")


@reaches("pause.end", at_start=True)
async def a_pause_that_is_over(stage: Stage) -> Trigger:
    await stage.down()
    switch = str(uuid4())
    stage.seen.change(_OVER, switch, switch)
    return nothing
