"""T24 for schedules that cannot be read: those are set aside, the others are done at their time."""

from __future__ import annotations

from tests.e2e.lives import settled
from tests.e2e.talk import ask, short
from tests.faults.checks import check_set_aside
from tests.faults.stage import Town
from tests.kit.faults import SHAPES, corrupt


async def test_t24_a_schedule_that_cannot_be_read_is_set_aside_and_others_go_on(town: Town) -> None:
    async with town.living() as product:
        made = [
            await ask(town.phones, "member", f"in 2 hours create task: x{number}", f"x{number}")
            for number in range(len(SHAPES) + 1)
        ]
        for card, shape in zip(made[:-1], SHAPES, strict=True):
            corrupt(town.place, "schedules", "arguments", "short_id = ?", short(card), shape=shape)
        await town.phones.post("clock", advance_s=2 * 3600 + 120)
        await town.phones.see("member", lambda m: "Added task #1" in m["text"])
        await settled(product)
        listed = await ask(town.phones, "member", "/schedules", lambda m: "schedule" in m["text"].casefold())
        assert "Something" not in listed["text"]
    check_set_aside(town, "schedules", len(SHAPES))
    assert town.place.number("SELECT count(*) FROM tool_calls WHERE tool = 'create_task'") == 1
    print(
        f"T24 {town.place.kind}: {len(SHAPES)}/{len(SHAPES)} corrupt schedules set aside, 1 of 1 others done"
    )
