"""T27: what waits, waits its time out: after a restart, beside a stale card, and while somebody taps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.telegram import app
from core.model import Risk
from core.tool import Effect, Preview, Tool, ToolContext, ToolInput, ToolResult
from tests.e2e.ledger import effects
from tests.e2e.lives import World, settled
from tests.e2e.rounds import rounds
from tests.e2e.still import POLLS, Still, left_over, living_still, press, still_world
from tests.e2e.talk import ask, becomes, card_at, data

APPROVER = 1002
NEAR_S = 0.05
Scene = tuple[World, Still]


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    async with still_world(tmp_path, monkeypatch) as made:
        yield made


async def test_t27_a_429_outlives_the_process(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    world, still = scene
    _, phones, folder = world
    monkeypatch.setattr(app, "FLUSH_S", 0.01)
    async with living_still(world, still):
        await phones.post("faults", method="sendMessage", chat="approver", retry_after=3600)
        mark = still.mark()
        await phones.say("member", "/stamp paper")
        await card_at(phones, "admin", "paper")
        await still.until(lambda: still.begun(3600, since=mark))
        [held] = still.asked(APPROVER, since=mark)
    mark = still.mark()
    async with living_still(world, still) as product:
        await still.until(
            lambda: any(still.begun(s, since=mark) for s in _about(held.at + 3600 - still.passed))
        )
        left = held.at + 3600 - still.passed
        await still.move(left - NEAR_S)
        await ask(phones, "admin", "/whoami", "your id")
        assert not still.asked(APPROVER, since=mark), "a new process forgot the wait"
        await still.move(2 * NEAR_S)
        card = await card_at(phones, "approver", "paper")
        await phones.tap("approver", card, "Approve")
        await phones.see("member", "Stamped paper")
        await settled(product)
    assert not still.early()
    assert not left_over(folder / "one")
    assert set(effects(folder / "one.ledger").values()) == {1}
    print("T27: 1/1 restart while a chat waits for 3600 s, 0 early")


def _about(seconds: float) -> list[float]:
    """Some time has passed in starting."""
    return [seconds + part / 100 for part in range(500)]


async def test_t27_a_card_brought_up_to_date_keeps_to_a_429_too(scene: Scene) -> None:
    """A tap on something old has the card edited beside the outbox: its 429 holds the whole chat."""
    world, still = scene
    _, phones, folder = world
    async with living_still(world, still) as product:
        await phones.say("member", "/stamp paper")
        card = await card_at(phones, "approver", "paper")
        await phones.tap("approver", card, "Approve")
        await becomes(phones, card, "Done")
        await settled(product)
        await phones.post("faults", method="editMessageText", chat="approver", retry_after=30)
        mark = still.mark()
        late = await phones.tap("approver", card, data=data(card, "Approve"))
        assert "already" in late["text"]
        await still.until(lambda: still.begun(30, since=mark))
        await still.move(30 - NEAR_S)
        mark = still.mark()
        await phones.say("approver", "/whoami")
        await still.until(lambda: still.begun(NEAR_S, since=mark) or bool(still.asked(APPROVER, since=mark)))
        assert not still.asked(APPROVER, since=mark), "sent before its time"
        await still.move(2 * NEAR_S)
        await phones.see("approver", "your id")
        await settled(product)
        await product.telegram.relay.settled(APPROVER)
        sent = [one.method for one in still.asked(APPROVER, since=mark)]
        assert sorted(sent) == ["editmessagetext", "sendmessage"], "what was put off is done"
    assert not still.early()
    assert not left_over(folder / "one")
    print("T27: 1/1 card brought up to date against a 429 of 30 s, 0 early")


async def test_t27_what_is_sent_early_keeps_to_a_429_too(scene: Scene) -> None:
    """A harmless call that takes long gets its message while it runs, beside the outbox: its 429 counts, and
    holds the whole chat."""
    world, still = scene
    _, phones, folder = world
    enough = asyncio.Event()
    async with living_still(world, still, extra=[_looks(enough)]) as product:
        await phones.post("faults", method="sendMessage", chat="approver", retry_after=10)
        mark = still.mark()
        await phones.say("approver", "/looks")
        while not still.hit(since=mark):
            await still.move(0.5)
        await still.until(lambda: still.begun(10, since=mark))
        assert product.watching.metrics.throttles == 1
        await phones.say("approver", "/whoami")
        await still.move(10 - NEAR_S)
        assert len(still.asked(APPROVER, since=mark)) == 1, "sent before its time"
        await still.move(2 * NEAR_S)
        await phones.see("approver", "your id")
        card = await phones.see("approver", lambda m: "It looks" in m["text"] and m["from"]["is_bot"])
        assert card["buttons"], "what was put off is sent while it runs"
        enough.set()
        await becomes(phones, card, "Looked")
        await settled(product)
        assert sum("Looked" in m["text"] for m in await phones.messages("approver")) == 1
    assert not still.early()
    assert not left_over(folder / "one")
    print("T27: 1/1 message sent early against a 429 of 10 s, 0 early")


class _Nothing(ToolInput):
    pass


def _looks(enough: asyncio.Event) -> Tool:
    """A harmless tool that goes on until it is enough."""

    async def run(_arguments: _Nothing, context: ToolContext) -> ToolResult:
        await context.progress(0.5, "half")
        await enough.wait()
        return ToolResult(text="Looked")

    return Tool(
        name="looks",
        title="looks",
        version="1",
        description="Takes long.",
        input=_Nothing,
        risk=Risk.LOW,
        effects=frozenset({Effect.READS}),
        run=run,
        preview=lambda _: Preview(title="It looks"),
        command="looks",
        timeout_s=3600.0,
    )


async def test_t27_a_card_shown_twice_is_one_call_and_holds_up_no_taps(scene: Scene) -> None:
    """The card arrived, its answer did not, and the next try is told to wait an hour: who taps it meanwhile
    is told, at once, and can go on."""
    world, still = scene
    _, phones, folder = world
    async with living_still(world, still) as product:
        await phones.post("faults", method="sendMessage", chat="approver", drop="after")
        await phones.post("faults", method="sendMessage", chat="approver", retry_after=3600)
        mark = still.mark()
        await phones.say("member", "/stamp paper")
        first = await card_at(phones, "approver", "paper")
        await still.until(lambda: still.begun(1.0, since=mark))
        await still.move(1 + NEAR_S)
        await still.until(lambda: still.begun(3600, since=mark))
        early = await phones.tap("approver", first, "Approve")
        assert early["answered"]
        assert early["alert"], "what was not seen to arrive is not signed"
        assert not effects(folder / "one.ledger")
        await still.move(3600)
        second = await phones.see(
            "approver", lambda m: "paper" in m["text"] and m["message_id"] > first["message_id"]
        )
        await product.telegram.relay.settled(APPROVER)
        answer = await phones.tap("approver", second, "Approve")
        assert not answer["alert"], answer
        await becomes(phones, second, "Done")
        await settled(product)
        again = await phones.tap("approver", first, "Approve")
        assert again["alert"]
        await settled(product)
    assert not still.early()
    assert not left_over(folder / "one")
    assert set(effects(folder / "one.ledger").values()) == {1}
    print("T27: 1/1 card shown twice, tapped three times, 1 effect")


async def test_t27_what_fails_is_sent_again_in_order(scene: Scene) -> None:
    """Answers come in the order of what was asked, however often the first of them fails."""
    world, still = scene
    _, phones, folder = world
    async with living_still(world, still) as product:
        await phones.post("faults", method="sendMessage", chat="approver", status=502, times=3)
        mark = still.mark()
        for text in ("/whoami", "/tools"):
            await phones.say("approver", text)
        for _ in range(3):
            await still.until(lambda: still.begun(1.0, since=mark))  # noqa: B023
            mark = still.mark()
            await still.move(1 + NEAR_S)
        second = await phones.see("approver", "What I can do")
        first = await phones.see("approver", "your id")
        assert first["message_id"] < second["message_id"], "in order"
        await settled(product)
    assert len(still.asked(APPROVER, since=mark)) == 2
    assert not left_over(folder / "one")
    print("T27: 2/2 answers in order, the first of them refused 3 times")


LOSSES = ({"drop": "after"}, {"drop": "midway"}, {"drop": "never"}, {"late": 40}, {"body": "<html>"})


async def test_t27_updates_whose_answer_is_lost_count_once(scene: Scene) -> None:
    """Taps and messages that were on their way when the answer got lost."""
    world, still = scene
    _, phones, folder = world
    full = 50
    number = rounds(normal=5, full=full)
    async with living_still(world, still) as product:
        for at in range(number):
            loss = LOSSES[at % len(LOSSES)]
            await phones.say("member", f"/stamp paper-{at:03}.")
            card = await card_at(phones, "approver", f"paper-{at:03}.")
            await settled(product)
            await phones.post("faults", method="getUpdates", **loss)
            mark = still.mark()
            await phones.say("admin", "/whoami")
            await still.until(lambda: len(still.asked(POLLS, since=mark)) == 1)  # noqa: B023
            press(world, "approver", card, "Approve")
            if loss.keys() & {"late"} or "never" in loss.values():
                await still.jump(35 + NEAR_S)
            await still.until(lambda: still.begun(1.0, since=mark))  # noqa: B023
            await still.jump(1 + NEAR_S)
            await becomes(phones, card, "Done")
            await settled(product)
        assert not left_over(folder / "one")
    counted = effects(folder / "one.ledger")
    assert list(counted.values()) == [1] * number
    print(f"T27: {number}/{full} answers with a tap in them lost, {len(counted)} effects")
