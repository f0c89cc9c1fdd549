"""Ways to the boundaries of a run: said in one message, decided by the buttons of its card."""

from __future__ import annotations

from tests.crash import cases
from tests.crash.cases import Trigger, reaches, saying, tapping
from tests.crash.stage import Stage, data_of, has
from tests.e2e.phone import Seen


async def a_run(stage: Stage, viewer: str = "approver") -> Seen:
    """Two stamps that the member asks for in one message; the viewer's card of them."""
    await stage.up()
    word = stage.fresh()
    await stage.say("member", f"/stamp {word}a\n/stamp {word}b", calls=2)
    card = await stage.phones.see(viewer, lambda m: f"{word}b" in m["text"] and has(m, "Approve all"))
    await stage.settled()
    return card


@reaches("said.several")
async def several_in_one_message(stage: Stage) -> Trigger:
    word = stage.fresh()
    return saying(stage, "member", f"/stamp {word}a\n/stamp {word}b", calls=2)


@reaches("said.several", "start", "finish", "tool.before", "tool.after")
async def several_that_run_at_once(stage: Stage) -> Trigger:
    """The second starts where the first has ended, whoever saw that."""
    word = stage.fresh()
    return saying(stage, "member", f"/tick {word}a\n/tick {word}b", calls=2)


@reaches("tap.approve_all")
async def approving_all(stage: Stage) -> Trigger:
    card = await a_run(stage)
    return tapping(stage, "approver", card, data=data_of(card, "Approve all"))


def a_tap(label: str, viewer: str = "approver") -> cases.Prepare:
    """A tap on a button of the run's card."""

    async def prepare(stage: Stage) -> Trigger:
        card = await a_run(stage, viewer)
        return tapping(stage, viewer, card, data=data_of(card, label))

    return prepare


for _verb, _label, _viewer in (
    ("deny_all", "Deny all", "approver"),
    ("cancel_all", "Cancel", "member"),
    ("extend_all", "+1 h", "approver"),
    ("one_by_one", "One by one", "approver"),
):
    reaches(f"tap.{_verb}")(a_tap(_label, _viewer))


@reaches("tap.together")
async def closing_the_steps(stage: Stage) -> Trigger:
    card = await a_run(stage)
    stage.tap("approver", card, data=data_of(card, "One by one"))
    opened = await stage.phones.see(
        "approver", lambda m: m["message_id"] == card["message_id"] and has(m, "✅ 1")
    )
    label = next(b["text"] for row in opened["buttons"] for b in row if b.get("data", "").startswith("pt"))
    return tapping(stage, "approver", opened, data=data_of(opened, label))
