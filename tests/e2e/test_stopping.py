"""Calls that take long, as people see them: how far they are, a way to stop them, what there was by then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox import posting
from bot.sandbox.faults import Fault, Faults
from bot.telegram.pace import PRIVATE, Pace
from bot.telegram.relay import LEFT_FOR_OTHERS
from core.lifecycle import Status
from core.model import Risk
from core.tool import Effect, Preview, Tool, ToolContext, ToolInput, ToolResult
from tests.e2e.lives import World
from tests.e2e.phone import Phones, Seen, labels, product_at, running_demo
from tests.e2e.talk import Demo, ask, becomes, card_at, short

WATCHED_S = 6.5


class Nothing(ToolInput):
    pass


class Works:
    """Tools that go on, telling of it, until they are let go or stopped."""

    def __init__(self) -> None:
        self.enough = asyncio.Event()

    async def _work(self, _arguments: Nothing, context: ToolContext) -> ToolResult:
        step = 0
        while not self.enough.is_set():
            step += 1
            await context.progress(step % 100 / 100, f"step {step}")
            await context.output(f"<b>line</b> {step}")
            context.partial(f"Did {step} steps.")
            await asyncio.sleep(0.02)
        return ToolResult(text="\n".join(f"row {row}: {'x' * 40}" for row in range(400)))

    @property
    def tools(self) -> list[Tool]:
        """One that needs a signature, and one that does not."""
        return [self._tool("digs", Risk.HIGH), self._tool("looks", Risk.LOW)]

    def _tool(self, name: str, risk: Risk) -> Tool:
        return Tool(
            name=name,
            title=name,
            version="1",
            description="Takes long.",
            input=Nothing,
            risk=risk,
            effects=frozenset({Effect.READS}),
            run=self._work,
            preview=lambda _: Preview(title=f"It {name}"),
            command=name,
        )


@pytest.fixture
def works() -> Works:
    return Works()


@pytest.fixture
async def demo(tmp_path: Path, works: Works) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path / "data", extra=works.tools) as running:
        yield running
        works.enough.set()


async def _running(phones: Phones) -> Seen:
    """The member's card of a signed call, while it runs."""
    own = await ask(phones, "member", "/digs", "Approval needed")
    copy = await card_at(phones, "approver", short(own))
    await phones.tap("approver", copy, "Approve")
    return await becomes(phones, own, lambda m: "Running" in m["text"] and "step" in m["text"])


async def test_who_asked_stops_it_on_the_card_and_keeps_what_there_was(demo: Demo) -> None:
    phones, product = demo
    card = await _running(phones)
    assert "<b>line</b>" in card["text"]
    assert labels(card) == ["⏹ Cancel"]
    answer = await phones.tap("member", card, "Cancel")
    assert (answer["alert"], "asked to stop" in answer["text"]) == (False, True)
    ended = await becomes(phones, card, "Cancelled while it ran")
    assert "Stopped by Mia Member." in ended["text"]
    assert "Did " in ended["text"]
    assert "steps." in ended["text"]
    copy = await phones.see("approver", "Cancelled while it ran")
    assert short(copy) == short(card)
    told = await ask(phones, "member", f"/call {short(card)}", "Stopped by Mia Member.")
    assert "Timed out" not in told["text"]
    history = await ask(phones, "admin", f"/audit {short(card)}", "asked to stop")
    assert "Mia Member" in history["text"]
    assert product.executor.running == 0


async def test_an_approver_stops_it_by_its_id_and_a_stranger_does_not(demo: Demo) -> None:
    phones, product = demo
    card = await _running(phones)
    await phones.post("people", key="sam", action="add", name="Sam")
    refused = await ask(phones, "sam", f"/cancel {short(card)}")
    assert "no access" in refused["text"]
    assert product.executor.running == 1
    await ask(phones, "approver", f"/cancel {short(card)}", "asked to stop")
    await becomes(phones, card, "Stopped by Paul Approver.")


async def test_progress_comes_in_measure_and_the_end_at_once(demo: Demo, works: Works) -> None:
    """Fifty reports a second: an edit a second in private, one in three in a group, none after the end."""
    phones, _ = demo
    edits: dict[int, list[str]] = {}

    async def watch() -> None:
        async with phones.changes() as changes:
            async for change in changes:
                message = change.get("message")
                if message and "It looks" in message["text"]:
                    edits.setdefault(message["chat_id"], []).append(message["text"])

    begun, watching = time.monotonic(), asyncio.ensure_future(watch())
    await phones.say("member", "/looks")
    await phones.say("admin", "/looks", chat="group")
    in_private = await phones.see("member", lambda m: "step" in m["text"] and m["from"]["is_bot"])
    in_group = await phones.see("group", lambda m: "step" in m["text"] and m["from"]["is_bot"])
    assert labels(in_private) == labels(in_group) == ["⏹ Cancel"]
    await asyncio.sleep(max(0.0, WATCHED_S - (time.monotonic() - begun)))
    took = time.monotonic() - begun
    counts = {message["chat_id"]: len(edits[message["chat_id"]]) for message in (in_private, in_group)}
    works.enough.set()
    for message in (in_private, in_group):
        assert "step" not in (await becomes(phones, message, "row 0"))["text"]
    watching.cancel()
    assert 1 <= counts[in_private["chat_id"]] <= took + 1
    assert 1 <= counts[in_group["chat_id"]] <= took / 3 + 1
    print(f"progress in {took:.1f} s: {counts[in_private['chat_id']]} edits in private, ", end="")
    print(f"{counts[in_group['chat_id']]} in a group")


async def test_a_card_that_was_deleted_gets_no_copies_while_its_call_runs(world: World, works: Works) -> None:
    """Its end is one new message. Progress goes on where a card is still there, and is tried no more here."""
    sandbox, phones, folder = world
    async with product_at(sandbox, folder, extra=works.tools) as product:
        for person in ("member", "approver"):
            await ask(phones, person, "/start")
        card = await _running(phones)
        copy = await phones.see("approver", lambda m: "Running" in m["text"])
        before, edits = len(await phones.messages("member")), Edits(card["chat_id"])
        sandbox.world.faults = edits
        bot = next(iter(sandbox.world.bots))
        stored = sandbox.world.messages[f"{card['chat_id']}:{bot}"][card["message_id"]]
        posting.change(sandbox.world, stored, deleted=True)
        await edits.tried.wait()
        await product.telegram.relay.settled(card["chat_id"])
        tried = edits.number
        for _ in range(2):
            shown = await becomes(phones, copy, "Running")
            await becomes(phones, copy, lambda m, old=shown: m["text"] != old["text"])  # type: ignore[misc]
        assert edits.number == tried, "what is gone is edited at every step"
        assert len(await phones.messages("member")) == before - 1, "a copy that nothing brings up to date"
        works.enough.set()
        await phones.see("member", lambda m: bool(m.get("document")))
        ended = [m for m in await phones.messages("member") if short(card) in m["text"]]
        assert [("row 0" in m["text"], "Running" in m["text"]) for m in ended if not m.get("document")] == [
            (True, False)
        ]


class Edits(Faults):
    """Counts the edits that are tried in one chat."""

    def __init__(self, chat: int) -> None:
        super().__init__()
        self._chat = chat
        self.number = 0
        self.tried = asyncio.Event()

    def take(self, method: str, chat: int | None) -> Fault | None:
        if (method, chat) == ("editmessagetext", self._chat):
            self.number += 1
            self.tried.set()
        return super().take(method, chat)


async def test_the_end_is_told_though_progress_would_fill_the_window(demo: Demo, works: Works) -> None:
    phones, product = demo
    card = await _running(phones)
    chat, relay = card["chat_id"], product.telegram.relay
    pace = relay._pace = Pace()
    for _ in range(PRIVATE.most - LEFT_FOR_OTHERS):
        await pace.wait(chat)
    relay.refresh(chat, card["message_id"])
    works.enough.set()
    await becomes(phones, card, "row 0")
    await phones.see("member", lambda m: bool(m.get("document")))
    assert len(pace._chats[chat]) <= PRIVATE.most - LEFT_FOR_OTHERS + 2, (
        "the end and its file, and nothing else"
    )


async def test_a_long_result_comes_as_a_file_once(demo: Demo, works: Works) -> None:
    phones, _ = demo
    works.enough.set()
    await phones.say("member", "/looks")
    answer = await phones.see("member", lambda m: "row 0" in m["text"] and m["from"]["is_bot"])
    assert "in the file below" in answer["text"]
    file = await phones.see("member", lambda m: bool(m.get("document")))
    assert file["document"]["name"] == f"result-{short(file)}.txt"
    await phones.tap("member", answer, data=f"i:{'A' * 22}:1")
    again = await ask(phones, "member", "/history", short(file))
    assert again
    assert len([m for m in await phones.messages("member") if m.get("document")]) == 1


async def test_what_nobody_saw_the_end_of_is_found_under_pending(demo: Demo, works: Works) -> None:
    phones, product = demo
    card = await _running(phones)
    (call_id,) = product.executor.since()
    product.executor._running[call_id].cancel()
    await product.db.writer.run(
        "test",
        lambda records: records.attempts.renew(
            product.executor._worker, [call_id], lease_until=product.clock.real()
        ),
    )
    await product.executor.recover()
    await becomes(phones, card, "Interrupted")
    told = await ask(phones, "approver", "/pending", "1 interrupted")
    assert short(card) in told["text"]
    await phones.tap("approver", told, "Show")
    shown = await phones.see("approver", lambda m: "Nobody saw its end" in m["text"] and m["buttons"])
    await phones.tap("approver", shown, "Mark not done")
    await becomes(phones, card, "Somebody looked: it was not done.")
    assert (await product.db.reader.read(lambda r: r.calls.get(call_id))).status is Status.FAILED  # type: ignore[union-attr]
    told = await ask(phones, "approver", "/pending", "Nothing waits")
    assert "interrupted" not in told["text"]
