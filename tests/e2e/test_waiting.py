"""Waiting for a signature, in the chat: a word to who may sign, others asked besides, a changed target."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.engine import reroute
from core.model import Channel, Risk
from core.ports import Records
from core.tool import Effect, InspectContext, Preview, Tool, ToolContext, ToolInput, ToolResult
from tests.e2e.ledger import effects, stamp
from tests.e2e.phone import Phones, running_demo
from tests.e2e.talk import Demo, ask, becomes, card_at, short

POLICY = """
[[rule]]
name = "stamps"
tool = "stamp"
decision = "requires_approval"
approvers = "approver"
expires_after = "4h"
remind_after = "1h"
escalate_to = "admin"

[[rule]]
name = "tasks are closed by two"
tool = "complete_task"
decision = "requires_approval"
approvers = "approver"
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "effects.ledger"


@pytest.fixture
async def demo(tmp_path: Path, ledger: Path) -> AsyncIterator[Demo]:
    """A stamp needs an approver, and an admin is asked once none has decided."""
    (tmp_path / "policy.toml").write_text(POLICY)
    config = tmp_path / "config.toml"
    config.write_text(f'[policy]\nfile = "{tmp_path / "policy.toml"}"\n')
    async with running_demo(tmp_path / "data", config=config, extra=[stamp(ledger), LOOK]) as running:
        yield running


async def passes(demo: Demo, minutes: int) -> None:
    """Time passes, and the clockwork does what is due."""
    phones, product = demo
    await phones.post("clock", advance_s=60 * minutes)
    await product.sweeper.remind()
    await product.sweeper.expire()


async def cards(phones: Phones, person: str) -> list[str]:
    """What stands on the cards with buttons in somebody's private chat."""
    return [seen["text"] for seen in await phones.messages(person) if "Asked by" in seen["text"]]


async def test_a_reminder_stands_under_the_card_and_an_admin_is_asked_next(demo: Demo, ledger: Path) -> None:
    phones, _ = demo
    own = await ask(phones, "member", "/stamp tin", "Approval needed")
    paul = await card_at(phones, "approver", "tin")
    assert not await cards(phones, "admin")
    await passes(demo, 61)
    word = await phones.see("approver", lambda m: "still waits for a signature" in m["text"])
    assert short(paul) in word["text"]
    assert word["reply_to"] == paul["message_id"]
    assert "tin" not in word["text"]
    assert not await cards(phones, "admin")
    await passes(demo, 90)
    ada = await card_at(phones, "admin", "tin")
    for card in (own, paul, ada):
        assert "admins are asked as well" in (await becomes(phones, card, "admins are asked"))["text"]
    assert not (await phones.tap("admin", ada, "Approve"))["alert"]
    await becomes(phones, own, "Stamped tin")
    assert list(effects(ledger).values()) == [1]


async def test_where_the_only_one_who_was_asked_blocks_the_bot_the_next_one_is_asked_at_once(
    demo: Demo, ledger: Path
) -> None:
    phones, _ = demo
    refused = "Forbidden: bot was blocked by the user"
    await phones.post("faults", chat="approver", status=403, description=refused)
    own = await ask(phones, "member", "/stamp lead", "Approval needed")
    ada = await card_at(phones, "admin", "lead")
    assert not (await phones.tap("admin", ada, "Approve"))["alert"]
    await becomes(phones, own, "Stamped lead")
    assert list(effects(ledger).values()) == [1]


async def test_a_task_that_was_changed_after_it_was_shown_is_shown_anew(demo: Demo) -> None:
    phones, _ = demo
    added = await ask(phones, "member", "/task Buy milk", "Added task #1")
    own = await ask(phones, "member", "/done 1", "Mark task #1 done: Buy milk")
    paul = await card_at(phones, "approver", "Mark task #1 done: Buy milk")
    await phones.tap("member", added, "Undo")
    await becomes(phones, added, "Undone")
    assert not (await phones.tap("approver", paul, "Approve"))["alert"]
    for card in (own, paul):
        again = await becomes(phones, card, "Approval needed again")
        assert "Task #1 was changed after you looked at it." in again["text"]
        assert "Buy milk" not in again["text"]


async def test_a_tool_is_given_what_was_seen_of_its_target(demo: Demo) -> None:
    phones, _ = demo
    assert "the pin is seen-at-proposing" in (await ask(phones, "member", "/look", "the pin is"))["text"]


class Nothing(ToolInput):
    """Takes nothing."""


async def _look(_: Nothing, context: ToolContext) -> ToolResult:
    return ToolResult(text=f"the pin is {context.pin}")


def _preview(_: Nothing) -> Preview:
    return Preview(title="Look")


def _inspect(_: Nothing, context: InspectContext) -> Preview:
    assert context.tenant_id
    return Preview(title="Look", pin="seen-at-proposing")


LOOK = Tool(
    name="look",
    title="Look",
    version="1",
    description="Tells what it was given.",
    input=Nothing,
    risk=Risk.LOW,
    effects=frozenset({Effect.READS}),
    run=_look,
    preview=_preview,
    inspect=_inspect,
    command="look",
)


async def test_who_has_left_the_team_sees_nothing_more_of_its_calls(demo: Demo, ledger: Path) -> None:
    phones, product = demo
    await ask(phones, "member", "/stamp zinc", "Approval needed")
    paul = await card_at(phones, "approver", "zinc")

    def leave(records: Records) -> None:
        identity = records.people.identity(Channel.TELEGRAM, str(paul["chat_id"]))
        assert identity is not None
        now = product.clock.both()
        records.people.set_role(product.home, identity.person_id, None, now=now.wall)
        reroute(records, product.home, now=now, env=product.env)

    await product.db.writer.run("test.leave", leave)
    left = await becomes(phones, paul, "not in any more")
    assert "zinc" not in left["text"]
    assert not left["buttons"]
    ada = await card_at(phones, "admin", "zinc")
    assert not (await phones.tap("admin", ada, "Approve"))["alert"]
    await becomes(phones, ada, "Stamped zinc")
    assert "zinc" not in (await becomes(phones, paul, "not in any more"))["text"]
    assert list(effects(ledger).values()) == [1]
