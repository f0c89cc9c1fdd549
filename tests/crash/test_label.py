"""A label prints, the process is killed in the middle, and a person says what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.crash.stage import PEOPLE, Stage, data_of, has, open_stage
from tests.e2e.phone import Seen, labels
from tests.kit.databases import KINDS

BUTTONS = ("Mark done", "Mark not done", "Run again")
_ENDS = {"Mark done": "completed", "Mark not done": "failed", "Run again": "failed"}


@pytest.fixture(params=KINDS)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path / "data", request.param) as opened:
        # Slow enough that the kill surely comes in the middle.
        await opened.up(label_step_s=5.0)
        await opened.introduce(*PEOPLE)
        yield opened


async def interrupted(stage: Stage, text: str) -> Seen:
    card = await stage.phones.see("member", lambda m: text in m["text"] and has(m, BUTTONS[0]))
    assert [label.split(maxsplit=1)[1] for label in labels(card)] == list(BUTTONS)
    assert "Interrupted" in card["text"]
    # Telegram tells nobody of an edit: one short reply does.
    await stage.phones.see(
        "member", lambda m: m.get("reply_to") == card["message_id"] and m["from"]["is_bot"]
    )
    return card


async def killed_while_it_prints(stage: Stage, text: str) -> Seen:
    copy = await stage.ask(text, tool="print_label")
    stage.tap("approver", copy, "Approve")
    await stage.phones.see("member", lambda m: text in m["text"] and "Running" in m["text"])
    await stage.down()
    await stage.up()
    return await interrupted(stage, text)


async def killed_after_it_printed(stage: Stage, text: str) -> Seen:
    """The label is there; that it is was never written down."""
    await stage.down()
    await stage.up(label_step_s=0.01)
    copy = await stage.ask(text, tool="print_label")

    async def approve() -> None:
        stage.tap("approver", copy, "Approve")

    await stage.dies_at("tool.after", approve)
    assert sum(stage.seen.effects().values()) == 1
    await stage.up()
    return await interrupted(stage, text)


async def settle(stage: Stage, card: Seen, label: str, *, printed: int) -> None:
    call = stage.seen.rows("SELECT id FROM tool_calls WHERE status = 'interrupted'")[0][0]
    assert stage.seen.number("SELECT count(*) FROM outcomes WHERE call_id = ?", call) == 0
    answer = await stage.phones.tap("member", card, data=data_of(card, label))
    assert answer["answered"]
    assert not answer["alert"]
    await stage.settled()
    status, marked_by, outcome = stage.seen.rows(
        "SELECT c.status, o.marked_by, o.status FROM tool_calls c JOIN outcomes o ON o.call_id = c.id "
        "WHERE c.id = ?",
        call,
    )[0]
    assert status == outcome == _ENDS[label]
    assert marked_by is not None
    again = stage.seen.rows("SELECT id, status FROM tool_calls WHERE retry_of = ?", call)
    assert [row[1] for row in again] == (["proposed"] if label == "Run again" else [])
    late = await stage.phones.tap("member", card, data=data_of(card, "Mark done"))
    assert late["alert"], "it is settled once"
    assert stage.seen.effects()[call] == printed
    if again:
        await run_the_new_one(stage, str(again[0][0]))
        assert stage.seen.effects()[call] == printed


async def run_the_new_one(stage: Stage, call: str) -> None:
    """What runs again is a new call, which somebody signs anew."""
    await stage.down()
    await stage.up(label_step_s=0.01)
    copy = await stage.phones.see("approver", lambda m: has(m, "Approve"))
    assert (await stage.phones.tap("approver", copy, "Approve"))["answered"]
    await stage.settled()
    assert stage.seen.rows("SELECT status FROM tool_calls WHERE id = ?", call) == [("completed",)]
    assert stage.seen.effects()[call] == 1


@pytest.mark.parametrize("label", BUTTONS)
async def test_t14_a_label_is_killed_in_the_middle(stage: Stage, label: str) -> None:
    card = await killed_while_it_prints(stage, "Box 7")
    assert not stage.seen.effects()
    await settle(stage, card, label, printed=0)


@pytest.mark.parametrize("label", BUTTONS)
async def test_t14_a_label_is_printed_and_its_end_was_never_written(stage: Stage, label: str) -> None:
    card = await killed_after_it_printed(stage, "Box 8")
    await settle(stage, card, label, printed=1)


async def test_what_can_be_repeated_is_repeated_and_told_once(stage: Stage) -> None:
    async def tick() -> None:
        await stage.say("member", "/tick tock", calls=1)

    await stage.dies_at("tool.after", tick)
    await stage.up()
    ticked = await stage.phones.see("member", "Ticked")
    call = stage.seen.rows("SELECT id, attempts FROM tool_calls WHERE tool = 'tick'")
    assert [row[1] for row in call] == [2]
    assert stage.seen.effects()[call[0][0]] == 1
    assert [m for m in await stage.phones.messages("member") if "Ticked" in m["text"]] == [ticked]
