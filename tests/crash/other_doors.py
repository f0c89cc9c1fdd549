"""Ways to the boundaries of the other doors: a program that asks again, and a file that is run."""

from __future__ import annotations

from tests.crash.cases import Trigger, nothing, reaches
from tests.crash.programs import sending
from tests.crash.stage import Stage
from tests.crash.victim import PLAN


async def asked(stage: Stage) -> tuple[str, str]:
    """A stamp that waits for a signature: its word and its id."""
    word = stage.fresh()
    await stage.ask(word)
    await stage.settled()
    ((call_id,),) = stage.seen.rows("SELECT id FROM tool_calls WHERE arguments LIKE ?", f'%"{word}"%')
    return word, call_id


@reaches("http.propose", repeated=True)
async def a_program_that_proposes(stage: Stage) -> Trigger:
    await stage.up()
    word = stage.fresh()
    body = {"tool": "stamp", "args": {"text": f"{word}!"}}
    return sending(
        stage, "member", "/v1/proposals", body, word=f"{word}!", **{"Idempotency-Key": f"key-{word}"}
    )


@reaches("http.approved", repeated=True)
async def a_program_that_signs(stage: Stage) -> Trigger:
    _, call_id = await asked(stage)
    return sending(stage, "approver", f"/v1/calls/{call_id}/approve", {"revision": 1})


@reaches("http.denied", repeated=True)
async def a_program_that_says_no(stage: Stage) -> Trigger:
    _, call_id = await asked(stage)
    return sending(stage, "approver", f"/v1/calls/{call_id}/deny", {"revision": 1})


@reaches("http.edit", repeated=True)
async def a_program_that_edits(stage: Stage) -> Trigger:
    word, call_id = await asked(stage)
    body = {"revision": 1, "changes": {"text": f"{word}?"}}
    return sending(stage, "member", f"/v1/calls/{call_id}/edit", body, word=f"{word}?")


@reaches("http.cancel", repeated=True)
async def a_program_that_withdraws(stage: Stage) -> Trigger:
    _, call_id = await asked(stage)
    return sending(stage, "member", f"/v1/calls/{call_id}/cancel", {})


@reaches("http.refused", repeated=True)
async def a_program_that_names_another_team(stage: Stage) -> Trigger:
    await stage.up()
    body = {"text": "/tick x"}
    return sending(stage, "member", "/v1/proposals", body, **{"X-Tenant-ID": "another"})


@reaches("run-file", at_start=True, command=True)
async def a_file_that_is_run(stage: Stage) -> Trigger:
    """No bot runs meanwhile: the next one takes up what the file asked for."""
    await stage.up()
    await stage.down()
    step = '[[step]]\ntool = "create_task"\nargs = { title = "%s" }\n'
    (stage.data / PLAN).write_text("".join(step % stage.fresh() for _ in range(2)))
    return nothing
