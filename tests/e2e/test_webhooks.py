"""Other programs, and the report of a run, as people in chat see them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.engine.members import at_machine
from core.engine.webhooks import add_webhook
from core.ids import TenantId, WebhookId
from core.model import DeadLetter, Webhook
from core.ports import Records
from core.signals import USUAL
from tests.e2e.lives import settled
from tests.e2e.phone import labels, running_demo
from tests.e2e.talk import Demo, ask, becomes, data
from tests.kit.receiver import SECRET, receiving

CONFIG = "[webhooks]\nallow_private = true\n"


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    async with running_demo(tmp_path / "data", config=config) as running:
        yield running


async def test_admins_see_what_was_not_taken_and_replay_it(demo: Demo) -> None:
    phones, product = demo
    async with receiving() as receiver:
        now = product.clock.both()
        webhook = Webhook(
            id=WebhookId(product.env.new_id()),
            tenant_id=product.home,
            url=receiver.url,
            secret=SECRET,
            kinds=USUAL,
            cursor=0,
            tries=0,
            not_before=now.real,
            created_at=now.wall,
            created_by="cli",
        )

        def add(records: Records) -> None:
            add_webhook(records, webhook, by=at_machine(product.home), allow_private=True, now=now)

        await product.db.writer.run("test", add)
        empty = await ask(phones, "admin", "/webhooks", lambda m: "Who is told" in m["text"])
        assert "takes what it is sent" in empty["text"]
        assert "/hook" not in empty["text"]
        await phones.say("member", "/task Buy milk")
        await receiver.until(lambda: len(receiver.taken) == 1)

        def lose(records: Records) -> None:
            records.webhooks.bury(
                DeadLetter(
                    webhook_id=webhook.id,
                    tenant_id=product.home,
                    seq=records.signals.after(product.home, 0, limit=1)[1].seq,
                    tries=3,
                    error="it answered 410 Gone",
                    at=now.wall,
                )
            )

        await product.db.writer.run("test", lose)
        shown = await ask(phones, "admin", "/webhooks", lambda m: "1 signal not taken" in m["text"])
        told = await phones.tap("admin", shown, "Replay")
        assert told["text"] == "1 signal is being sent again."
        await receiver.until(lambda: len(receiver.taken) == 2)
        assert len(set(receiver.taken)) == 1
        refused = await ask(phones, "member", "/webhooks", lambda m: "Only admins" in m["text"])
        button = data(shown, "Replay")
        forged = await phones.tap("member", refused, data=button)
        assert (forged["alert"], "Only an admin" in forged["text"]) == (True, True)


async def test_the_report_of_a_run(demo: Demo) -> None:
    phones, product = demo
    mine = await ask(phones, "member", "/task one\n/task two", lambda m: "run #" in m["text"])
    card = await becomes(phones, mine, lambda m: "📄 Report" in labels(m))
    assert "2 done, " in card["text"]
    assert " in all" in card["text"]
    assert (await phones.tap("member", card, "Report"))["text"] == "Here it is, below."
    sent = await phones.see("member", lambda m: bool(m.get("document")))
    assert "2 done" in sent["text"]
    assert sent["document"]["name"].endswith("-results.json")
    await settled(product)
    (file,) = product.settings.storage.folder.glob("reports/main/*/results.json")
    told = json.loads(file.read_text(encoding="utf-8"))
    assert [call["status"] for call in told["calls"]] == ["completed", "completed"]
    assert told["tenant_id"] == TenantId("main")
